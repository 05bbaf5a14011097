// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @main() {
  core.return
}
// CHECK: :[[@LINE+1]]:1: error: the name @main is used twice in the module
core.func @main(%x: tensor<f32>) {
  core.return
}
// CHECK: :[[@LINE+1]]:1: error: a module holds functions and kernels, not core.guard
core.guard {left = expr(B), message = "not in a function", right = expr(4)}
