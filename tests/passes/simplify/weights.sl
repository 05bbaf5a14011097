// A batch norm behind a convolution or a matrix product ends up in the weights and one bias.
// RUN: sluice opt %s --passes=simplify | FileCheck %s
// RUN: sluice opt %s --passes=simplify --strict | FileCheck %s --check-prefix=STRICT

// ((x conv w) - mean) * scale + shift: w * scale, and shift - mean * scale.
// CHECK-LABEL: @conv_norm
// CHECK-DAG: %[[W:.*]] = core.constant {value = data<tensor<2 x 1 x 1 x 1 x f32>>[4.0, 15.0]}
// CHECK-DAG: %[[C:.*]] = tensor.conv(%x, %[[W]])
// CHECK-DAG: %[[B:.*]] = core.constant {value = data<tensor<2 x 1 x 1 x f32>>[0.5, -9.0]}
// CHECK: %[[BB:.*]] = tensor.broadcast(%[[B]])
// CHECK: %[[R:.*]] = arith.add(%[[C]], %[[BB]])
// CHECK: core.return(%[[R]])
// STRICT-LABEL: @conv_norm
// STRICT: tensor.conv
// STRICT: arith.mul
core.func @conv_norm(%x: tensor<N x 1 x 4 x 4 x f32>) -> (tensor<N x 2 x 4 x 4 x f32>) {
  %w = core.constant {value = data<tensor<2 x 1 x 1 x 1 x f32>>[2.0, 3.0]} : () -> tensor<2 x 1 x 1 x 1 x f32>
  %mean = core.constant {value = data<tensor<2 x 1 x 1 x f32>>[1.0, 2.0]} : () -> tensor<2 x 1 x 1 x f32>
  %scale = core.constant {value = data<tensor<2 x 1 x 1 x f32>>[2.0, 5.0]} : () -> tensor<2 x 1 x 1 x f32>
  %shift = core.constant {value = data<tensor<2 x 1 x 1 x f32>>[2.5, 1.0]} : () -> tensor<2 x 1 x 1 x f32>
  %c = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<N x 1 x 4 x 4 x f32>, tensor<2 x 1 x 1 x 1 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %bm = tensor.broadcast(%mean) : (tensor<2 x 1 x 1 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %bs = tensor.broadcast(%scale) : (tensor<2 x 1 x 1 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %bt = tensor.broadcast(%shift) : (tensor<2 x 1 x 1 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %0 = arith.sub(%c, %bm) : (tensor<N x 2 x 4 x 4 x f32>, tensor<N x 2 x 4 x 4 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %1 = arith.mul(%0, %bs) : (tensor<N x 2 x 4 x 4 x f32>, tensor<N x 2 x 4 x 4 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  %2 = arith.add(%1, %bt) : (tensor<N x 2 x 4 x 4 x f32>, tensor<N x 2 x 4 x 4 x f32>) -> tensor<N x 2 x 4 x 4 x f32>
  core.return(%2) : (tensor<N x 2 x 4 x 4 x f32>)
}

// The product of x with columns scaled by 2 and 3; a second user of the product keeps it as it is.
// CHECK-LABEL: @contract_scale
// CHECK: core.constant {value = data<tensor<2 x 2 x f32>>[2.0, 6.0, 6.0, 12.0]}
// CHECK-NOT: arith.mul
// CHECK-LABEL: @shared
// CHECK: arith.mul
core.func @contract_scale(%x: tensor<N x 2 x f32>) -> (tensor<N x 2 x f32>) {
  %w = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x f32>
  %s = core.constant {value = data<tensor<2 x f32>>[2.0, 3.0]} : () -> tensor<2 x f32>
  %b = tensor.broadcast(%s) : (tensor<2 x f32>) -> tensor<N x 2 x f32>
  %c = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<N x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<N x 2 x f32>
  %m = arith.mul(%c, %b) : (tensor<N x 2 x f32>, tensor<N x 2 x f32>) -> tensor<N x 2 x f32>
  core.return(%m) : (tensor<N x 2 x f32>)
}
core.func @shared(%x: tensor<N x 2 x f32>) -> (tensor<N x 2 x f32>, tensor<N x 2 x f32>) {
  %w = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x f32>
  %s = core.constant {value = data<tensor<2 x f32>>[2.0, 3.0]} : () -> tensor<2 x f32>
  %b = tensor.broadcast(%s) : (tensor<2 x f32>) -> tensor<N x 2 x f32>
  %c = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<N x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<N x 2 x f32>
  %m = arith.mul(%c, %b) : (tensor<N x 2 x f32>, tensor<N x 2 x f32>) -> tensor<N x 2 x f32>
  core.return(%c, %m) : (tensor<N x 2 x f32>, tensor<N x 2 x f32>)
}
