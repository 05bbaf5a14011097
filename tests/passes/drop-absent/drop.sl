// Weights that the model's files lack are the last arguments; those that nothing reads go, with their names.
// RUN: sluice opt %s --passes=drop-absent | FileCheck %s
// CHECK: core.func @main(%x: tensor<4 x f32>) -> (tensor<4 x f32>) {input_names = ["x"], output_names = ["y"]}
// CHECK-NOT: absent
core.func @main(%x: tensor<4 x f32>, %w: tensor<4 x 4 x f32>) -> (tensor<4 x f32>) {input_names = ["x", "w"], output_names = ["y"], absent = 1} {
  %y = arith.neg(%x) : (tensor<4 x f32>) -> tensor<4 x f32>
  core.return(%y) : (tensor<4 x f32>)
}
