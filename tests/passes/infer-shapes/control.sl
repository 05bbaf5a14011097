// Shapes through branches and loops.
// RUN: sluice opt %s --passes=infer-shapes | FileCheck %s

// Both branches agree on axis 0, not on axis 1.
// CHECK-LABEL: @branches
// CHECK: tensor.if(%c) : (tensor<i1>) -> tensor<B x ?2 x f32>
// CHECK: arith.neg(%{{.*}}) : (tensor<B x ?2 x f32>) -> tensor<B x ?2 x f32>
core.func @branches(%c: tensor<i1>, %x: tensor<B x 4 x f32>, %y: tensor<B x 5 x f32>) -> (tensor<?1 x ?2 x f32>) {
  %r = tensor.if(%c) : (tensor<i1>) -> tensor<?1 x ?2 x f32> ({
    tensor.yield(%x) : (tensor<B x 4 x f32>)
  }, {
    tensor.yield(%y) : (tensor<B x 5 x f32>)
  })
  %n = arith.neg(%r) : (tensor<?1 x ?2 x f32>) -> tensor<?1 x ?2 x f32>
  core.return(%n) : (tensor<?1 x ?2 x f32>)
}

// The first carried value keeps its size, the second one grows: only ?3 is solved. The trip count is known, so the stack's length is.
// CHECK-LABEL: @loop
// CHECK: tensor.loop(%n, %t, %x, %x) {carried = 2, trip_count = expr(S)} : {{.*}} -> (tensor<B x f32>, tensor<?{{[0-9]+}} x f32>, tensor<S x B x f32>)
// CHECK-SAME: ^(%i: tensor<i64>, %c: tensor<i1>, %a: tensor<B x f32>, %b: tensor<?4 x f32>):
// CHECK: arith.exp(%a) : (tensor<B x f32>) -> tensor<B x f32>
core.func @loop(%x: tensor<B x f32>, %y: tensor<S x f32>) -> (tensor<?5 x f32>, tensor<?6 x f32>, tensor<?7 x ?8 x f32>) {
  %n = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %p, %q, %s = tensor.loop(%n, %t, %x, %x) {carried = 2} : (tensor<i64>, tensor<i1>, tensor<B x f32>, tensor<B x f32>) -> (tensor<?5 x f32>, tensor<?6 x f32>, tensor<?7 x ?8 x f32>) ({ ^(%i: tensor<i64>, %c: tensor<i1>, %a: tensor<?3 x f32>, %b: tensor<?4 x f32>):
    %e = arith.exp(%a) : (tensor<?3 x f32>) -> tensor<?3 x f32>
    %g = tensor.concat(%b, %e) {axis = 0} : (tensor<?4 x f32>, tensor<?3 x f32>) -> tensor<(?3 + ?4) x f32>
    tensor.yield(%c, %e, %g, %e) : (tensor<i1>, tensor<?3 x f32>, tensor<(?3 + ?4) x f32>, tensor<?3 x f32>)
  })
  core.return(%p, %q, %s) : (tensor<?5 x f32>, tensor<?6 x f32>, tensor<?7 x ?8 x f32>)
}
