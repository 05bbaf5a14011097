// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
// CHECK: :[[@LINE+3]]:1: error: core.func: `input_names` has 2 entries, expected 1
// CHECK: :[[@LINE+2]]:1: error: core.func: entry 0 of `output_names` must be a string
// CHECK: :[[@LINE+1]]:1: error: core.func: `output_types` has 2 entries, expected 1
core.func @names(%x: tensor<f32>) -> (tensor<f32>) {input_names = ["x", "y"], output_names = [1], output_types = [f32, f32]} {
  core.return(%x) : (tensor<f32>)
}
// CHECK: :[[@LINE+1]]:1: error: core.func: the name is empty
core.func @"" () {
  core.return
}
core.func @ends() {
// CHECK: :[[@LINE+1]]:3: error: tensor.yield: ends a region of tensor.if, tensor.loop or route.switch, not of core.func
  tensor.yield
}
// CHECK: :[[@LINE+1]]:1: error: core.func: `absent` must be a number of arguments, there are 1
core.func @absent(%x: tensor<f32>) -> (tensor<f32>) {absent = 2} {
  core.return(%x) : (tensor<f32>)
}
core.func @on_buffers(%x: buffer<4 x f32>) {buffers = true} {
// CHECK: :[[@LINE+1]]:3: error: core.return: a function on buffers returns no values
  core.return(%x) : (buffer<4 x f32>)
}
core.func @constants() {
// CHECK: :[[@LINE+1]]:3: error: core.constant: data of type tensor<2 x f32> does not make a result of type tensor<3 x f32>
  %0 = core.constant {value = data<tensor<2 x f32>>[1.0, 2.0]} : () -> tensor<3 x f32>
// CHECK: :[[@LINE+1]]:3: error: core.constant: data of type f32 does not make a result of type vector<4 x f16>
  %1 = core.constant {value = data<f32>[1.0]} : () -> vector<4 x f16>
// CHECK: :[[@LINE+1]]:3: error: core.constant: attribute `value` must be data<...>, not an integer (elements; the data's type is the result's type (a tensor of the same dims for a buffer), or its element for a vector splat)
  %2 = core.constant {value = 3} : () -> i64
// CHECK: :[[@LINE+1]]:3: error: core.dim: attribute `value` must be expr(...), not an integer (expression over shape symbols visible in the function; no loop indices)
  %3 = core.dim {value = 3} : () -> i64
// CHECK: :[[@LINE+1]]:3: error: core.guard: attribute `message` is missing (what the user did wrong)
  core.guard {left = expr(B), right = expr(4)}
  core.return
}
