// Register tiles: 12 to 14 rows of two 16-lane vectors for AVX-512, weights packed into zero-padded panels while compiling, the epilogue on the accumulators.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s

// CHECK-LABEL: core.func @weights
// One panel of 2 x 16, zero beyond the 3 columns.
// CHECK: %[[W:.*]] = core.constant {value = data<tensor<32 x f32>>[1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 5.0, 6.0, 0.0
// CHECK-NOT: core.constant
// CHECK: kernel.launch(%x, %[[W]], %bias) {{.*}}callee = "contract_28x3x2_add"
core.func @weights(%x: tensor<28 x 2 x f32>, %bias: tensor<3 x f32>) -> (tensor<28 x 3 x f32>) {
  %w = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]} : () -> tensor<2 x 3 x f32>
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<28 x 2 x f32>, tensor<2 x 3 x f32>) -> tensor<28 x 3 x f32>
  %b = tensor.broadcast(%bias) : (tensor<3 x f32>) -> tensor<28 x 3 x f32>
  %z = arith.add(%y, %b) : (tensor<28 x 3 x f32>, tensor<28 x 3 x f32>) -> tensor<28 x 3 x f32>
  core.return(%z) : (tensor<28 x 3 x f32>)
}

// Keys of attention: k is contiguous in both operands, so a task transposes its panel of the right one in registers.
// CHECK-LABEL: core.func @keys
// CHECK: kernel.launch(%k, %q) {{.*}}tasks = expr(B)
core.func @keys(%q: tensor<B x 32 x 64 x f32>, %k: tensor<B x 32 x 64 x f32>) -> (tensor<B x 32 x 32 x f32>) {
  %y = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<B x 32 x 64 x f32>, tensor<B x 32 x 64 x f32>) -> tensor<B x 32 x 32 x f32>
  core.return(%y) : (tensor<B x 32 x 32 x f32>)
}

// A 3x3 window with padding: rows are packed by the task.
// CHECK-LABEL: core.func @window
core.func @window(%x: tensor<1 x 9 x 9 x 16 x f32>, %w: tensor<3 x 3 x 16 x 32 x f32>) -> (tensor<1 x 9 x 9 x 32 x f32>) {
  %y = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 9 x 9 x 16 x f32>, tensor<3 x 3 x 16 x 32 x f32>) -> tensor<1 x 9 x 9 x 32 x f32>
  core.return(%y) : (tensor<1 x 9 x 9 x 32 x f32>)
}

// CHECK-LABEL: kernel.func @contract_28x3x2_add
// CHECK-SAME: reason = "contraction: tile {{[0-9]+}}x{{[0-9]+}} of 32 registers{{.*}}rows in place, weights packed when compiling"
// CHECK: kernel.for
// CHECK: arith.fma{{.*}} : (vector<16 x f32>, vector<16 x f32>, vector<16 x f32>)
// CHECK-LABEL: kernel.func @contract_32x32x64
// CHECK-SAME: columns packed by task
// CHECK: kernel.shuffle
// CHECK-LABEL: kernel.func @contract_81x32x144
// CHECK-SAME: rows packed by task
