// Products of dequantized values become sums of products of bytes, less the zero point times the columns' sums.
// RUN: sluice opt %s --passes=recover-integers,simplify --decisions=recover-integers -o %t.sl 2> %t.decisions
// RUN: FileCheck %s --input-file %t.sl
// RUN: FileCheck %s --check-prefix=WHY --input-file %t.decisions
// RUN: sluice opt %s --passes=recover-integers --strict | FileCheck %s --check-prefix=STRICT

// WHY: integers: sums of products of bytes in i32, then the scales
// WHY: integers: sums of products of bytes in i32
// WHY: integers: weights less their zero point do not fit i8

// Columns' sums are 0 and 10: times the zero point 3 they are taken away.
// CHECK-LABEL: @float
// CHECK: %[[I:.*]] = tensor.contract(%q, %{{.*}}) {{.*}}result_element = i32{{.*}}(tensor<5 x 4 x u8>, tensor<4 x 2 x i8>) -> tensor<5 x 2 x i32>
// CHECK: data<{{.*}}i32>>[0, 30, 0, 30
// CHECK: arith.sub(%[[I]],
// CHECK: arith.cast({{.*}}tensor<5 x 2 x f32>
// CHECK: arith.mul
// STRICT-LABEL: @float
// STRICT: tensor.contract({{.*}}(tensor<5 x 4 x f32>, tensor<4 x 2 x f32>)
core.func @float(%q: tensor<5 x 4 x u8>) -> (tensor<5 x 2 x f32>) {
  %w = core.constant {value = data<tensor<4 x 2 x i8>>[1, 1, -1, 2, 2, 3, -2, 4]} : () -> tensor<4 x 2 x i8>
  %three = core.constant {value = data<tensor<i32>>[3]} : () -> tensor<i32>
  %scale = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %scales = core.constant {value = data<tensor<2 x f32>>[0.25, 0.125]} : () -> tensor<2 x f32>
  %qi = arith.cast(%q) : (tensor<5 x 4 x u8>) -> tensor<5 x 4 x i32>
  %z = tensor.broadcast(%three) : (tensor<i32>) -> tensor<5 x 4 x i32>
  %qz = arith.sub(%qi, %z) : (tensor<5 x 4 x i32>, tensor<5 x 4 x i32>) -> tensor<5 x 4 x i32>
  %qf = arith.cast(%qz) : (tensor<5 x 4 x i32>) -> tensor<5 x 4 x f32>
  %s = tensor.broadcast(%scale) : (tensor<f32>) -> tensor<5 x 4 x f32>
  %x = arith.mul(%qf, %s) : (tensor<5 x 4 x f32>, tensor<5 x 4 x f32>) -> tensor<5 x 4 x f32>
  %wf = arith.cast(%w) : (tensor<4 x 2 x i8>) -> tensor<4 x 2 x f32>
  %t = tensor.broadcast(%scales) : (tensor<2 x f32>) -> tensor<4 x 2 x f32>
  %v = arith.mul(%wf, %t) : (tensor<4 x 2 x f32>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32>
  %y = tensor.contract(%x, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<5 x 4 x f32>, tensor<4 x 2 x f32>) -> tensor<5 x 2 x f32>
  core.return(%y) : (tensor<5 x 2 x f32>)
}

// A zero point that is computed; the padding becomes the zero point.
// CHECK-LABEL: @integer
// CHECK: tensor.pad(%q, %z)
// CHECK: tensor.conv({{.*}}pads_high = ints[0, 0], pads_low = ints[0, 0]{{.*}}(tensor<1 x 1 x 6 x 6 x u8>, tensor<1 x 1 x 3 x 3 x i8>) -> tensor<1 x 1 x 4 x 4 x i32>
core.func @integer(%q: tensor<1 x 1 x 4 x 4 x u8>, %z: tensor<u8>) -> (tensor<1 x 1 x 4 x 4 x i32>) {
  %w = core.constant {value = data<tensor<1 x 1 x 3 x 3 x i8>>[1, 2, 3, 4, 5, 6, 7, 8, 9]} : () -> tensor<1 x 1 x 3 x 3 x i8>
  %zi = arith.cast(%z) : (tensor<u8>) -> tensor<i32>
  %qi = arith.cast(%q) : (tensor<1 x 1 x 4 x 4 x u8>) -> tensor<1 x 1 x 4 x 4 x i32>
  %zb = tensor.broadcast(%zi) : (tensor<i32>) -> tensor<1 x 1 x 4 x 4 x i32>
  %a = arith.sub(%qi, %zb) : (tensor<1 x 1 x 4 x 4 x i32>, tensor<1 x 1 x 4 x 4 x i32>) -> tensor<1 x 1 x 4 x 4 x i32>
  %b = arith.cast(%w) : (tensor<1 x 1 x 3 x 3 x i8>) -> tensor<1 x 1 x 3 x 3 x i32>
  %y = tensor.conv(%a, %b) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 1 x 4 x 4 x i32>, tensor<1 x 1 x 3 x 3 x i32>) -> tensor<1 x 1 x 4 x 4 x i32>
  core.return(%y) : (tensor<1 x 1 x 4 x 4 x i32>)
}

// CHECK-LABEL: @wide
// CHECK: tensor.contract({{.*}}(tensor<5 x 4 x i32>, tensor<4 x 2 x i32>)
core.func @wide(%q: tensor<5 x 4 x u8>) -> (tensor<5 x 2 x i32>) {
  %w = core.constant {value = data<tensor<4 x 2 x u8>>[1, 1, 255, 2, 2, 3, 2, 4]} : () -> tensor<4 x 2 x u8>
  %a = arith.cast(%q) : (tensor<5 x 4 x u8>) -> tensor<5 x 4 x i32>
  %b = arith.cast(%w) : (tensor<4 x 2 x u8>) -> tensor<4 x 2 x i32>
  %y = tensor.contract(%a, %b) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<5 x 4 x i32>, tensor<4 x 2 x i32>) -> tensor<5 x 2 x i32>
  core.return(%y) : (tensor<5 x 2 x i32>)
}
