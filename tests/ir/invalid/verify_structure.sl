// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @captures(%x: tensor<f32>) {
  core.func @inner(%z: tensor<f32>) {
// CHECK: :[[@LINE+1]]:5: error: arith.neg: operand 0 is defined outside of the op around it, which may capture nothing
    %y = arith.neg(%x) : (tensor<f32>) -> tensor<f32>
    core.return
  }
  core.return
}
core.func @counts(%x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: arith.neg: expected 1 operand, found 2
  %0 = arith.neg(%x, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:3: error: arith.neg: expected 1 result, found 0
  arith.neg(%x) : (tensor<f32>)
// CHECK: :[[@LINE+2]]:3: error: kernel.load: expected 2 to 3 operands, found 1
// CHECK: :[[@LINE+1]]:3: error: kernel.load: expected 1 result, found 0
  kernel.load(%x) : (tensor<f32>)
// CHECK: :[[@LINE+2]]:3: error: tensor.concat: expected at least 1 operand, found 0
// CHECK: :[[@LINE+1]]:3: error: tensor.concat: expected 1 result, found 0
  tensor.concat {axis = 0}
  core.return
}
core.func @attributes(%x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.iota: attribute `axis` is missing (axis)
  %0 = tensor.iota : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.iota: attribute `axis` must be an integer, not a string (axis)
  %1 = tensor.iota {axis = "0"} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.neg: there is no attribute `colour`
  %2 = arith.neg(%x) {colour = 1} : (tensor<f32>) -> tensor<f32>
  core.return
}
core.func @no_terminator(%x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: core.func: region 0 must end with a terminator, found arith.neg
  %0 = arith.neg(%x) : (tensor<f32>) -> tensor<f32>
}
// CHECK: :[[@LINE+1]]:1: error: core.func: region 0 must end with a terminator, found nothing
core.func @empty() {
}
core.func @early(%x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: core.return: a terminator must be the last op of its region
  core.return
  core.return
}
core.func @constraints(%p: tensor<i1>, %i: tensor<i32>, %x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: arith.add: operands must have a numeric element type (float or integer, not i1)
  %0 = arith.add(%p, %p) : (tensor<i1>, tensor<i1>) -> tensor<i1>
// CHECK: :[[@LINE+1]]:3: error: arith.and: operands must have an integer or i1 element type
  %1 = arith.and(%x, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:3: error: arith.exp: operands must have a floating-point element type
  %2 = arith.exp(%i) : (tensor<i32>) -> tensor<i32>
  core.return
}
