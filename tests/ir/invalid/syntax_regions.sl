// Syntax errors: each is reported at its place, and reading goes on behind it.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @regions(%c: tensor<i1>, %n: tensor<i64>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.if has 2 regions, found 1
  tensor.if(%c) : (tensor<i1>) ({
    %inside = arith.not(%c) : (tensor<i1>) -> tensor<i1>
    tensor.yield
  })
// CHECK: :[[@LINE+1]]:18: error: %inside is not defined before this point
  %0 = arith.not(%inside) : (tensor<i1>) -> tensor<i1>
  tensor.if(%c) : (tensor<i1>) ({
    tensor.yield
  }, {
    tensor.yield
// CHECK: :[[@LINE+1]]:6: error: tensor.if has 2 regions, here is one more
  }, {
    tensor.yield
  })
// CHECK: :[[@LINE+1]]:73: error: expected `:` after the block argument, found `tensor`
  tensor.loop(%n, %c) {carried = 0} : (tensor<i64>, tensor<i1>) ({ ^(%i tensor<i64>):
    tensor.yield(%c) : (tensor<i1>)
  })
  core.return
}
}
// CHECK: :[[@LINE+1]]:28: error: a dimension can't be negative (-1)
core.func @dims(%a: tensor<(-1) x f32>, %b: i64) {
  core.return
}
// CHECK: :[[@LINE+1]]:27: error: this `{` is never closed
core.func @never_closed() {
  core.return
