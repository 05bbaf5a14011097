// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @main(%keys: tensor<B x f32>, %plan: partition<2>, %x: tensor<B x 8 x f32>) {
// CHECK: :[[@LINE+1]]:3: error: route.partition: keys must be an integer tensor of rank 1 or 2, not tensor<B x f32>
  %0 = route.partition(%keys) : (tensor<B x f32>) -> partition<3>
// CHECK: :[[@LINE+1]]:3: error: route.count: expected 1 operand, found 2
  %1 = route.count(%plan, %plan) : (partition<2>, partition<2>) -> tensor<2 x i64>
// CHECK: :[[@LINE+1]]:3: error: route.switch: the plan has 2 branches, the op has 1 regions
  %2 = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<2>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    route.yield(%a) : (tensor<?1 x 8 x f32>)
  })
// CHECK: :[[@LINE+1]]:3: error: route.switch: `merge` is "blend", expected one of: place add keep
  %3 = route.switch(%plan, %x) {merge = "blend", rows = 1} : (partition<2>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    route.yield(%a) : (tensor<?1 x 8 x f32>)
  }, { ^(%a: tensor<?2 x 8 x f32>):
    route.yield
  })
// CHECK: :[[@LINE+1]]:3: error: route.switch: branch 1 takes 1 row tensors and yields 0 values; the op has 1 and 1
  %4 = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<2>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    route.yield(%a) : (tensor<?1 x 8 x f32>)
  }, { ^(%a: tensor<?2 x 9 x f32>):
    route.yield
  })
// CHECK: :[[@LINE+1]]:3: error: route.yield: a terminator must be the last op of its region
  route.yield
  core.return
}
core.func @split(%keys: tensor<B x f32>, %good: tensor<B x i64>, %starts: tensor<4 x i64>) {
// CHECK: :[[@LINE+1]]:3: error: route.sort: keys must be an integer tensor of rank 1 or 2, not tensor<B x f32>
  %0, %1, %2, %3, %4 = route.sort(%keys) {branches = 3} : (tensor<B x f32>) -> (tensor<4 x i64>, tensor<B x i64>, tensor<B x i64>, tensor<B x i64>, tensor<B x i64>)
// CHECK: :[[@LINE+1]]:3: error: route.sort: result 0 can't be tensor<3 x i64>
  %5, %6, %7, %8, %9 = route.sort(%good) {branches = 3} : (tensor<B x i64>) -> (tensor<3 x i64>, tensor<B x i64>, tensor<B x i64>, tensor<B x i64>, tensor<B x i64>)
// CHECK: :[[@LINE+1]]:3: error: route.dispatch: `counts` must be symbols
  %10 = route.dispatch(%starts) {begins = [expr(?2)], branches = ints[1], counts = [expr(7)], rows = expr(B)} : (tensor<4 x i64>) -> tensor<B x f32> ({
    %11 = core.constant {value = data<tensor<7 x f32>>splat(0.0)} : () -> tensor<7 x f32>
    route.yield(%11) : (tensor<7 x f32>)
  })
// CHECK: :[[@LINE+1]]:3: error: route.dispatch: region 0 must take nothing and yield rows for each of the 1 results
  %13 = route.dispatch(%starts) {begins = [expr(?2)], branches = ints[1], counts = [expr(?1)], rows = expr(B)} : (tensor<4 x i64>) -> tensor<B x f32> ({
    route.yield
  })
// CHECK: :[[@LINE+1]]:3: error: route.dispatch: `members` of region 0 must be ascending branches that begin with branches[0], `picks` pairs of a symbol and a number for each of them
  %14 = route.dispatch(%starts) {begins = [expr(?2)], branches = ints[1], counts = [expr(?1)], members = [ints[1, 0]], picks = [[]], rows = expr(B)} : (tensor<4 x i64>) -> tensor<B x f32> ({
    route.yield
  })
// CHECK: :[[@LINE+1]]:3: error: route.dispatch: `members` of region 0 must be ascending branches that begin with branches[0], `picks` pairs of a symbol and a number for each of them
  %15 = route.dispatch(%starts) {begins = [expr(?2)], branches = ints[1], counts = [expr(?1)], members = [ints[1, 2]], picks = [[[expr(?3), ints[0]]]], rows = expr(B)} : (tensor<4 x i64>) -> tensor<B x f32> ({
    route.yield
  })
// CHECK: :[[@LINE+1]]:3: error: route.dispatch: region 0 must take nothing and yield rows for each of the 1 results
  %12 = route.dispatch(%starts) {begins = [expr(?2)], branches = ints[1], counts = [expr(?1)], rows = expr(B)} : (tensor<4 x i64>) -> tensor<B x f32> ({
    route.yield
  })
  core.return
}
