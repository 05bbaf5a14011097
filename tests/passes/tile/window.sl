// Convolutions over rectangles of pixels: an image with few channels is copied once with its padding, and windows are read in place.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s

// CHECK-LABEL: core.func @first_layer
// CHECK: kernel.launch
// CHECK-NOT: kernel.launch
core.func @first_layer(%x: tensor<N x 28 x 28 x 2 x f32>) -> (tensor<N x 14 x 14 x 4 x f32>) {
  %w = core.constant {value = data<tensor<3 x 3 x 2 x 4 x f32>>[0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0, 5.25, 5.5, 5.75, 6.0, 6.25, 6.5, 6.75, 7.0, 7.25, 7.5, 7.75, 8.0, 8.25, 8.5, 8.75, 9.0, 9.25, 9.5, 9.75, 10.0, 10.25, 10.5, 10.75, 11.0, 11.25, 11.5, 11.75, 12.0, 12.25, 12.5, 12.75, 13.0, 13.25, 13.5, 13.75, 14.0, 14.25, 14.5, 14.75, 15.0, 15.25, 15.5, 15.75, 16.0, 16.25, 16.5, 16.75, 17.0, 17.25, 17.5, 17.75]} : () -> tensor<3 x 3 x 2 x 4 x f32>
  %c = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<N x 28 x 28 x 2 x f32>, tensor<3 x 3 x 2 x 4 x f32>) -> tensor<N x 14 x 14 x 4 x f32>
  core.return(%c) : (tensor<N x 14 x 14 x 4 x f32>)
}

// Columns of the window and channels are one loop of 6.
// CHECK-LABEL: kernel.func @contract_nx4x18
// CHECK-SAME: reason = "contraction: rectangles of {{[0-9]+}}x14 pixels, 16 columns; bands of {{[0-9]+}} rows copied with their padding
// CHECK: kernel.for
