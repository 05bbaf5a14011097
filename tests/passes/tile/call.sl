// Tensor ops that stay whole: routines of the runtime, and concatenation as one copying kernel.
// RUN: sluice opt %s --passes=tile | FileCheck %s

// CHECK-LABEL: core.func @routines
// CHECK: kernel.call(%x) {inputs = 1, ints = ints[1, 0, 0, 1], routine = "cumulate"}
// CHECK: kernel.call(%x) {inputs = 1, routine = "nonzero"}
core.func @routines(%x: tensor<4 x 5 x f32>) -> (tensor<4 x 5 x f32>, tensor<2 x ?0 x i64>) {
  %a = tensor.cumulate(%x) {axis = 1, kind = "sum", reverse = true} : (tensor<4 x 5 x f32>) -> tensor<4 x 5 x f32>
  %b = tensor.nonzero(%x) : (tensor<4 x 5 x f32>) -> tensor<2 x ?0 x i64>
  core.return(%a, %b) : (tensor<4 x 5 x f32>, tensor<2 x ?0 x i64>)
}

// CHECK-LABEL: core.func @joined
// CHECK: kernel.launch(%x, %y) {{.*}}callee = "concat"{{.*}}tasks = expr(4)
core.func @joined(%x: tensor<4 x 5 x f32>, %y: tensor<4 x 7 x f32>) -> (tensor<4 x 12 x f32>) {
  %a = tensor.concat(%x, %y) {axis = 1} : (tensor<4 x 5 x f32>, tensor<4 x 7 x f32>) -> tensor<4 x 12 x f32>
  core.return(%a) : (tensor<4 x 12 x f32>)
}
