// Rows that go nowhere and owe a copy take a second branch: the part of the body that makes the entry, nothing else of it. The evaluator and compiled code agree.
// RUN: sluice opt %s --passes=split-branches,simplify | FileCheck %s
// RUN: sluice opt %S/state_run.sl --evaluate | FileCheck %S/state_run.sl
// RUN: sluice opt %S/state_run.sl --passes=split-branches --evaluate | FileCheck %S/state_run.sl
// RUN: sluice opt %S/state_run.sl --execute | FileCheck %S/state_run.sl
// CHECK-LABEL: core.func @main
// CHECK-NOT: state =
// CHECK: route.sort({{.*}}) {branches = 2}
// CHECK: route.dispatch({{.*}}) {begins = {{.*}}, branches = ints[0, 1], counts = {{.*}}, owed = 1, rows = expr(R)}
// CHECK: arith.exp
// CHECK: arith.neg
// CHECK: route.yield
// CHECK-NOT: arith.exp
// CHECK: arith.neg
// CHECK: route.yield
core.func @main(%x: tensor<R x 2 x f32>, %k: tensor<R x i64>, %past: tensor<R x 2 x f32>) -> (tensor<R x 2 x f32>, tensor<R x 2 x f32>) {state = ints[2, 1]} {
  %p = route.partition(%k) : (tensor<R x i64>) -> partition<1>
  %h, %s = route.switch(%p, %x, %x, %past) {merge = "keep", rows = 1, state = ["", "copy"]} : (partition<1>, tensor<R x 2 x f32>, tensor<R x 2 x f32>, tensor<R x 2 x f32>) -> (tensor<R x 2 x f32>, tensor<R x 2 x f32>) ({ ^(%a: tensor<?1 x 2 x f32>):
    %e = arith.exp(%a) : (tensor<?1 x 2 x f32>) -> tensor<?1 x 2 x f32>
    %n = arith.neg(%a) : (tensor<?1 x 2 x f32>) -> tensor<?1 x 2 x f32>
    route.yield(%e, %n) : (tensor<?1 x 2 x f32>, tensor<?1 x 2 x f32>)
  })
  core.return(%h, %s) : (tensor<R x 2 x f32>, tensor<R x 2 x f32>)
}
