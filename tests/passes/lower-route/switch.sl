// Each branch packs its rows, runs behind a test of their number, and scatters into the results so far. The evaluator gives the same values before and after.
// RUN: sluice opt %s --passes=lower-route,simplify | FileCheck %s
// RUN: sluice opt %S/../../ir/run/route.sl --evaluate > %t.want
// RUN: sluice opt %S/../../ir/run/route.sl --passes=lower-route --evaluate > %t.got
// RUN: diff %t.want %t.got
// RUN: sluice opt %s --passes=default -o %t.sl

// The number of rows sent beyond the last branch must be 0: the positions that bind it stay, though nobody reads them.
// CHECK-LABEL: core.func @main
// CHECK: arith.cmp(%{{.*}}) {predicate = "ge"}
// CHECK: tensor.nonzero(%{{.*}}) : {{.*}} -> tensor<1 x ?[[BAD:[0-9]+]] x i64>
// CHECK: core.guard {left = expr(?[[BAD]]), message = "a row is sent to a branch that does not exist", right = expr(0)}
// CHECK: %[[W:.*]] = tensor.nonzero(%{{.*}}) : {{.*}} -> tensor<1 x ?[[N:[0-9]+]] x i64>
// CHECK: %[[R:.*]] = tensor.if(%{{.*}}) : (tensor<i1>) -> tensor<R x 4 x f32> ({
// CHECK:   %[[I:.*]] = tensor.reshape(%[[W]])
// CHECK:   %[[P:.*]] = tensor.take(%x, %[[I]]) {axis = 0} : {{.*}} -> tensor<?[[N]] x 4 x f32>
// CHECK:   %[[E:.*]] = arith.exp(%[[P]]) : (tensor<?[[N]] x 4 x f32>)
// CHECK:   %[[S:.*]] = tensor.scatter_nd(%{{.*}}, %{{.*}}, %[[E]]) {reduction = "none"}
// CHECK:   tensor.yield(%[[S]])
// CHECK: }, {
// CHECK:   tensor.yield
// CHECK-NOT: route.
core.func @main(%x: tensor<R x 4 x f32>, %k: tensor<R x i64>) -> (tensor<R x 4 x f32>) {
  %p = route.partition(%k) : (tensor<R x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<R x 4 x f32>) -> tensor<R x 4 x f32> ({ ^(%a: tensor<?1 x 4 x f32>):
    %e = arith.exp(%a) : (tensor<?1 x 4 x f32>) -> tensor<?1 x 4 x f32>
    tensor.yield(%e) : (tensor<?1 x 4 x f32>)
  }, { ^(%b: tensor<?2 x 4 x f32>):
    %f = arith.neg(%b) : (tensor<?2 x 4 x f32>) -> tensor<?2 x 4 x f32>
    tensor.yield(%f) : (tensor<?2 x 4 x f32>)
  })
  core.return(%r) : (tensor<R x 4 x f32>)
}
