// A weight that something reads is an error at the reader. What leaves it out is decided before: here nothing does.
// RUN: not sluice opt %s --passes=drop-absent 2>&1 | FileCheck %s
// CHECK: :[[@LINE+2]]:{{[0-9]+}}: error: needs the weight 'w', which is not in the model's files
core.func @main(%x: tensor<4 x f32>, %v: tensor<4 x f32>, %w: tensor<4 x f32>) -> (tensor<4 x f32>) {input_names = ["x", "v", "w"], output_names = ["y"], absent = 2} {
  %y = arith.add(%x, %w) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
  core.return(%y) : (tensor<4 x f32>)
}
