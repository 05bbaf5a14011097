// What can't hold for any binding of the symbols is an error at the op.
// RUN: not sluice opt %s --passes=infer-shapes 2>&1 | FileCheck %s
// CHECK: conflict.sl:[[@LINE+2]]:{{[0-9]+}}: error:
core.func @sum(%x: tensor<3 x 4 x f32>, %w: tensor<5 x 6 x f32>) -> (tensor<3 x 6 x f32>) {
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<3 x 4 x f32>, tensor<5 x 6 x f32>) -> tensor<3 x 6 x f32>
  core.return(%y) : (tensor<3 x 6 x f32>)
}
