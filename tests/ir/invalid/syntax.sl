// Syntax errors: each is reported at its place, and reading goes on behind it.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @ops(%x: tensor<f32>) {
// CHECK: :[[@LINE+1]]:8: error: there is no op `tensor.nothing`
  %0 = tensor.nothing(%x) : (tensor<f32>) -> tensor<f32>
  %1 = arith.neg(%0) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:18: error: %y is not defined before this point
  %2 = arith.neg(%y) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:18: error: %x is used as tensor<f16> here, but was defined as tensor<f32>
  %3 = arith.neg(%x) : (tensor<f16>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:3: error: %x is defined already, on line {{[0-9]+}}
  %x = arith.neg(%x) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:3: error: 2 result names, but 1 result types
  %4, %5 = arith.neg(%x) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:22: error: 1 operands, but 0 operand types
  %6 = arith.neg(%x) : () -> tensor<f32>
  %7 = arith.neg(%x)
// CHECK: :[[@LINE+2]]:3: error: expected `:` and the op's types, found `%8`
// CHECK: :[[@LINE+1]]:6: error: expected `=` after the results, found `arith.neg`
  %8 arith.neg(%x) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:18: error: expected an operand such as %x, found `7`
  %9 = arith.neg(7) : (tensor<f32>) -> tensor<f32>
// CHECK: :[[@LINE+1]]:13: error: expected the end of the line, found `%x`
  arith.neg %x
// CHECK: :[[@LINE+1]]:3: error: core.module is the whole text and is not written
  core.module
  core.return
}
// CHECK: :[[@LINE+1]]:29: error: a number runs into a word; dimensions are separated by ` x ` with spaces
core.func @types(%a: tensor<4xf32>, %b: f32) {
  core.return
}
// CHECK: :[[@LINE+1]]:41: error: expected ` x ` after a dimension, found `>`
core.func @more_types(%a: tensor<4 x g32>) {
  core.return
}
// CHECK: :[[@LINE+1]]:35: error: result 0 is stated as tensor<f16>, but core.return gives tensor<f32>
core.func @after(%x: tensor<f32>) -> (tensor<f16>) {
  core.return(%x) : (tensor<f32>)
}
