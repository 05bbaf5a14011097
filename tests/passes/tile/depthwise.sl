// Depthwise convolutions: columns of a row share what they read.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s

// Two tiles of 14 columns with one padded tap each: 3 weights and 15 inputs a window row.
// CHECK-LABEL: core.func @edges
// CHECK: kernel.launch
// CHECK-NOT: kernel.launch
core.func @edges(%x: tensor<N x 28 x 28 x 32 x f32>) -> (tensor<N x 28 x 28 x 32 x f32>) {
  %w = core.constant {value = data<tensor<3 x 3 x 1 x 32 x f32>>splat(0.5)} : () -> tensor<3 x 3 x 1 x 32 x f32>
  %y = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 32, layout = "nhwc", pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<N x 28 x 28 x 32 x f32>, tensor<3 x 3 x 1 x 32 x f32>) -> tensor<N x 28 x 28 x 32 x f32>
  core.return(%y) : (tensor<N x 28 x 28 x 32 x f32>)
}

// Weights that are not known while compiling may be infinite: 0 times them is not nothing, so no tap is left out.
// CHECK-LABEL: core.func @unknown
core.func @unknown(%x: tensor<1 x 8 x 8 x 32 x f32>, %w: tensor<3 x 3 x 1 x 32 x f32>) -> (tensor<1 x 8 x 8 x 32 x f32>) {
  %y = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 32, layout = "nhwc", pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 8 x 8 x 32 x f32>, tensor<3 x 3 x 1 x 32 x f32>) -> tensor<1 x 8 x 8 x 32 x f32>
  core.return(%y) : (tensor<1 x 8 x 8 x 32 x f32>)
}

// CHECK-LABEL: kernel.func @depthwise
// CHECK-SAME: reason = "depthwise: 28 columns in tiles of 14, 3 taps a row, 0.38 loads an FMA"
// CHECK-COUNT-18: kernel.load
// CHECK: kernel.store
// CHECK-LABEL: kernel.func @reduce_
// CHECK-SAME: reason = "rows:
