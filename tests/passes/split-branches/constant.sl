// Constant keys: no sort, no dispatch; a branch without rows is gone, one with rows works on them alone (a slice where they lie one after the other).
// RUN: sluice opt %s --passes=split-branches,simplify | FileCheck %s
// CHECK-LABEL: core.func @main
// CHECK-NOT: route.
// CHECK: %[[X:.*]] = tensor.slice(%x) {starts = [expr(1), expr(0)], steps = ints[1, 1]} : {{.*}} -> tensor<2 x 4 x f32>
// CHECK: arith.exp(%[[X]]) : (tensor<2 x 4 x f32>)
// CHECK-NOT: route.
// CHECK: %[[C:.*]] = core.constant {value = data<tensor<3 x i64>>[2, 1, 1]}
// CHECK: core.return(%{{.*}}, %[[C]])
core.func @main(%x: tensor<4 x 4 x f32>, %k0: tensor<4 x i64>) -> (tensor<4 x 4 x f32>, tensor<3 x i64>) {
  %k = core.constant {value = data<tensor<4 x i64>>[1, 0, 0, 2]} : () -> tensor<4 x i64>
  %p = route.partition(%k) : (tensor<4 x i64>) -> partition<3>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<3>, tensor<4 x 4 x f32>) -> tensor<4 x 4 x f32> ({ ^(%a: tensor<?1 x 4 x f32>):
    %e = arith.exp(%a) : (tensor<?1 x 4 x f32>) -> tensor<?1 x 4 x f32>
    tensor.yield(%e) : (tensor<?1 x 4 x f32>)
  }, { ^(%b: tensor<?2 x 4 x f32>):
    tensor.yield(%b) : (tensor<?2 x 4 x f32>)
  }, { ^(%c: tensor<?3 x 4 x f32>):
    %row = core.constant {value = data<tensor<4 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<4 x f32>
    %all = tensor.broadcast(%row) : (tensor<4 x f32>) -> tensor<?3 x 4 x f32>
    tensor.yield(%all) : (tensor<?3 x 4 x f32>)
  })
  %n = route.count(%p) : (partition<3>) -> tensor<3 x i64>
  core.return(%r, %n) : (tensor<4 x 4 x f32>, tensor<3 x i64>)
}

// All rows go one way: what is left is the body.
// CHECK-LABEL: core.func @one_way
// CHECK-NEXT: %[[E:.*]] = arith.exp(%x) : (tensor<4 x 4 x f32>)
// CHECK-NEXT: core.return(%[[E]])
core.func @one_way(%x: tensor<4 x 4 x f32>) -> (tensor<4 x 4 x f32>) {
  %k = core.constant {value = data<tensor<4 x i64>>splat(1)} : () -> tensor<4 x i64>
  %p = route.partition(%k) : (tensor<4 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<4 x 4 x f32>) -> tensor<4 x 4 x f32> ({ ^(%a: tensor<?1 x 4 x f32>):
    %f = arith.neg(%a) : (tensor<?1 x 4 x f32>) -> tensor<?1 x 4 x f32>
    tensor.yield(%f) : (tensor<?1 x 4 x f32>)
  }, { ^(%b: tensor<?2 x 4 x f32>):
    %e = arith.exp(%b) : (tensor<?2 x 4 x f32>) -> tensor<?2 x 4 x f32>
    tensor.yield(%e) : (tensor<?2 x 4 x f32>)
  })
  core.return(%r) : (tensor<4 x 4 x f32>)
}
