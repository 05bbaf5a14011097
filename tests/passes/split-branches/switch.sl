// A sort, a dispatch over what computes something, a merge by plain ops: identity and constant branches are part of the merge. The evaluator gives the same values
// before and after, and compiled code too.
// RUN: sluice opt %s --passes=split-branches,simplify | FileCheck %s
// RUN: sluice opt %S/../../ir/run/route.sl --evaluate > %t.want
// RUN: sluice opt %S/../../ir/run/route.sl --passes=split-branches --evaluate > %t.got
// RUN: diff %t.want %t.got
// RUN: sluice opt %S/../../ir/run/route.sl --execute > %t.got
// RUN: diff %t.want %t.got

// CHECK-LABEL: core.func @main
// CHECK: %[[STARTS:.*]], %[[ROWS:.*]], %[[POSITION:.*]], %[[BRANCH:.*]], %{{.*}} = route.sort(%k) {branches = 3}
// CHECK: %[[P:.*]] = route.dispatch(%[[STARTS]]) {begins = [expr(?[[BEGIN:[0-9]+]])], branches = ints[0], counts = [expr(?[[N:[0-9]+]])], rows = expr(R)} : (tensor<4 x i64>) -> tensor<R x 4 x f32> ({
// CHECK:   %[[I:.*]] = tensor.slice(%[[ROWS]]) {starts = [expr(?[[BEGIN]])], steps = ints[1]} : (tensor<R x i64>) -> tensor<?[[N]] x i64>
// CHECK:   %[[X:.*]] = tensor.take(%x, %[[I]]) {axis = 0}
// CHECK:   %[[C:.*]] = tensor.cumulate(%[[X]])
// CHECK:   %[[E:.*]] = arith.exp(%[[C]])
// CHECK:   route.yield(%[[E]])
// CHECK: })
// CHECK: tensor.take(%[[P]], %{{.*}}) {axis = 0}
// CHECK: arith.select(%{{.*}}, %x, %{{.*}})
// CHECK-NOT: route.
core.func @main(%x: tensor<R x 4 x f32>, %k: tensor<R x i64>) -> (tensor<R x 4 x f32>, tensor<3 x i64>) {
  %p = route.partition(%k) : (tensor<R x i64>) -> partition<3>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<3>, tensor<R x 4 x f32>) -> tensor<R x 4 x f32> ({ ^(%a: tensor<?1 x 4 x f32>):
    %s = tensor.cumulate(%a) {axis = 1, kind = "sum"} : (tensor<?1 x 4 x f32>) -> tensor<?1 x 4 x f32>
    %e = arith.exp(%s) : (tensor<?1 x 4 x f32>) -> tensor<?1 x 4 x f32>
    tensor.yield(%e) : (tensor<?1 x 4 x f32>)
  }, { ^(%b: tensor<?2 x 4 x f32>):
    tensor.yield(%b) : (tensor<?2 x 4 x f32>)
  }, { ^(%c: tensor<?3 x 4 x f32>):
    %row = core.constant {value = data<tensor<4 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<4 x f32>
    %all = tensor.broadcast(%row) : (tensor<4 x f32>) -> tensor<?3 x 4 x f32>
    tensor.yield(%all) : (tensor<?3 x 4 x f32>)
  })
  %n = route.count(%p) : (partition<3>) -> tensor<3 x i64>
  core.return(%r, %n) : (tensor<R x 4 x f32>, tensor<3 x i64>)
}
