// Components of convolutions go channels-last, with transposes only where tensors enter and leave.
// RUN: sluice opt %s --target x86-64-v3 --passes=choose-layout,simplify | FileCheck %s

// One transpose at the input; the mean over the image and its reshape need none at the end. Weights and biases are constants in the new order.
// CHECK-LABEL: @classifier
// CHECK-COUNT-1: tensor.transpose(%x) {perm = ints[0, 2, 3, 1]}
// CHECK-NOT: tensor.transpose
// CHECK: tensor.conv({{.*}}layout = "nhwc"{{.*}}tensor<3 x 3 x 3 x 16 x f32>) -> tensor<N x 32 x 32 x 16 x f32>
// CHECK: tensor.pool({{.*}}layout = "nhwc"
// CHECK: tensor.concat({{.*}}) {axis = 3}
// CHECK: tensor.pad({{.*}}high = [expr(0), expr(1), expr(1), expr(0)]
// CHECK: tensor.reduce({{.*}}) {axes = ints[1, 2]
// CHECK-NOT: tensor.transpose
// CHECK: core.return
core.func @classifier(%x: tensor<N x 3 x 32 x 32 x f32>) -> (tensor<N x 32 x f32>) {
  %w = core.constant {value = data<tensor<16 x 3 x 3 x 3 x f32>> splat(0.5)} : () -> tensor<16 x 3 x 3 x 3 x f32>
  %bias = core.constant {value = data<tensor<16 x 1 x 1 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]} : () -> tensor<16 x 1 x 1 x f32>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %c = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<N x 3 x 32 x 32 x f32>, tensor<16 x 3 x 3 x 3 x f32>) -> tensor<N x 16 x 32 x 32 x f32>
  %b = tensor.broadcast(%bias) : (tensor<16 x 1 x 1 x f32>) -> tensor<N x 16 x 32 x 32 x f32>
  %s = arith.add(%c, %b) : (tensor<N x 16 x 32 x 32 x f32>, tensor<N x 16 x 32 x 32 x f32>) -> tensor<N x 16 x 32 x 32 x f32>
  %p = tensor.pool(%s) {dilations = ints[1, 1], kind = "max", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[2, 2], window = ints[2, 2]} : (tensor<N x 16 x 32 x 32 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  %e = arith.exp(%p) : (tensor<N x 16 x 16 x 16 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  %cat = tensor.concat(%p, %e) {axis = 1} : (tensor<N x 16 x 16 x 16 x f32>, tensor<N x 16 x 16 x 16 x f32>) -> tensor<N x 32 x 16 x 16 x f32>
  %pad = tensor.pad(%cat, %zero) {high = [expr(0), expr(0), expr(1), expr(1)], low = [expr(0), expr(0), expr(0), expr(0)], mode = "constant"} : (tensor<N x 32 x 16 x 16 x f32>, tensor<f32>) -> tensor<N x 32 x 17 x 17 x f32>
  %r = tensor.reduce(%pad) {axes = ints[2, 3], kind = "sum"} : (tensor<N x 32 x 17 x 17 x f32>) -> tensor<N x 32 x f32>
  core.return(%r) : (tensor<N x 32 x f32>)
}

// Squeeze and excitation: moving dims of extent 1 is a reshape.
// CHECK-LABEL: @excite
// CHECK: tensor.transpose(%x)
// CHECK-NOT: tensor.transpose
// CHECK: tensor.broadcast({{.*}}) : (tensor<N x 1 x 1 x 16 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
// CHECK: %[[L:.*]] = tensor.transpose({{.*}}) {perm = ints[0, 3, 1, 2]}
// CHECK: core.return(%[[L]])
core.func @excite(%x: tensor<N x 16 x 16 x 16 x f32>, %gate: tensor<N x 16 x f32>) -> (tensor<N x 16 x 16 x 16 x f32>) {
  %w = core.constant {value = data<tensor<16 x 16 x 3 x 3 x f32>> splat(0.5)} : () -> tensor<16 x 16 x 3 x 3 x f32>
  %c = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<N x 16 x 16 x 16 x f32>, tensor<16 x 16 x 3 x 3 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  %g = tensor.reshape(%gate) : (tensor<N x 16 x f32>) -> tensor<N x 16 x 1 x 1 x f32>
  %b = tensor.broadcast(%g) : (tensor<N x 16 x 1 x 1 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  %r = arith.mul(%c, %b) : (tensor<N x 16 x 16 x 16 x f32>, tensor<N x 16 x 16 x 16 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  core.return(%r) : (tensor<N x 16 x 16 x 16 x f32>)
}

// Patches to a sequence: the channels are last already, so no transpose is left.
// CHECK-LABEL: @patches
// CHECK: %[[C:.*]] = tensor.conv({{.*}}layout = "nhwc"
// CHECK-NEXT: %[[R:.*]] = tensor.reshape(%[[C]]) : (tensor<N x 4 x 4 x 64 x f32>) -> tensor<N x 16 x 64 x f32>
// CHECK-NEXT: core.return(%[[R]])
core.func @patches(%x: tensor<N x 3 x 32 x 32 x f32>) -> (tensor<N x 16 x 64 x f32>) {
  %w = core.constant {value = data<tensor<64 x 3 x 8 x 8 x f32>> splat(0.5)} : () -> tensor<64 x 3 x 8 x 8 x f32>
  %c = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[8, 8]} : (tensor<N x 3 x 32 x 32 x f32>, tensor<64 x 3 x 8 x 8 x f32>) -> tensor<N x 64 x 4 x 4 x f32>
  %f = tensor.reshape(%c) : (tensor<N x 64 x 4 x 4 x f32>) -> tensor<N x 64 x 16 x f32>
  %t = tensor.transpose(%f) {perm = ints[0, 2, 1]} : (tensor<N x 64 x 16 x f32>) -> tensor<N x 16 x 64 x f32>
  core.return(%t) : (tensor<N x 16 x 64 x f32>)
}

// Without a convolution nothing moves.
// CHECK-LABEL: @plain
// CHECK-NOT: tensor.transpose
// CHECK: tensor.pool(%x)
// CHECK-NOT: nhwc
// CHECK: core.return
core.func @plain(%x: tensor<N x 3 x 32 x 32 x f32>) -> (tensor<N x 3 x 16 x 16 x f32>) {
  %p = tensor.pool(%x) {dilations = ints[1, 1], kind = "max", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[2, 2], window = ints[2, 2]} : (tensor<N x 3 x 32 x 32 x f32>) -> tensor<N x 3 x 16 x 16 x f32>
  core.return(%p) : (tensor<N x 3 x 16 x 16 x f32>)
}

// Putting together the pixels of a transposed convolution: the two transposes around the reshape are one.
// CHECK-LABEL: @pixels
// CHECK: tensor.transpose(%y) {perm = ints[0, 2, 4, 3, 5, 1]}
// CHECK-NEXT: tensor.reshape({{.*}}) : (tensor<1 x 16 x 2 x 16 x 2 x 64 x f32>) -> tensor<1 x 32 x 32 x 64 x f32>
// CHECK: tensor.conv
// CHECK: core.return
core.func @pixels(%y: tensor<1 x 64 x 16 x 16 x 2 x 2 x f32>) -> (tensor<1 x 64 x f32>) {
  %w = core.constant {value = data<tensor<64 x 64 x 3 x 3 x f32>> splat(0.5)} : () -> tensor<64 x 64 x 3 x 3 x f32>
  %t = tensor.transpose(%y) {perm = ints[0, 1, 2, 4, 3, 5]} : (tensor<1 x 64 x 16 x 16 x 2 x 2 x f32>) -> tensor<1 x 64 x 16 x 2 x 16 x 2 x f32>
  %p = tensor.reshape(%t) : (tensor<1 x 64 x 16 x 2 x 16 x 2 x f32>) -> tensor<1 x 64 x 32 x 32 x f32>
  %c = tensor.conv(%p, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 64 x 32 x 32 x f32>, tensor<64 x 64 x 3 x 3 x f32>) -> tensor<1 x 64 x 32 x 32 x f32>
  %r = tensor.reduce(%c) {axes = ints[2, 3], kind = "max"} : (tensor<1 x 64 x 32 x 32 x f32>) -> tensor<1 x 64 x f32>
  core.return(%r) : (tensor<1 x 64 x f32>)
}
