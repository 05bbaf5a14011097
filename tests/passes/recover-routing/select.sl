// A select by row over two bodies becomes a switch: each row runs its own side. Inner selects are recovered inside.
// RUN: sluice opt %s --passes=recover-routing | FileCheck %s
// RUN: sluice opt %s --passes=recover-routing --strict | FileCheck %s --check-prefix=STRICT
// RUN: not sluice opt %s --passes=recover-routing --strict --deny=dense-fallback 2>&1 | FileCheck %s --check-prefix=DENY
// STRICT-NOT: route.
// DENY: error: runs dense: both sides are computed for all rows: skipping might differ where they meet NaN or infinity, and the mode is strict

// CHECK-LABEL: core.func @two_sides
// CHECK: %[[K:.*]] = arith.cast(%{{.*}}) : (tensor<R x i1>) -> tensor<R x i64>
// CHECK: %[[P:.*]] = route.partition(%[[K]]) : (tensor<R x i64>) -> partition<2>
// CHECK: route.switch(%[[P]], %x) {merge = "place", rows = 1} : {{.*}} ({ ^(%[[A:.*]]: tensor<?[[N:[0-9]+]] x 64 x f32>):
// CHECK:   tensor.contract(%[[A]], %v) {{.*}} -> tensor<?[[N]] x 64 x f32>
// CHECK:   route.yield
// CHECK: }, { ^(%[[B:.*]]: tensor<?[[M:[0-9]+]] x 64 x f32>):
// CHECK:   tensor.contract(%[[B]], %w) {{.*}} -> tensor<?[[M]] x 64 x f32>
// CHECK:   arith.exp
// CHECK:   route.yield
// CHECK-NOT: arith.select
core.func @two_sides(%x: tensor<R x 64 x f32>, %w: tensor<64 x 64 x f32>, %v: tensor<64 x 64 x f32>, %c: tensor<R x i1>) -> (tensor<R x 64 x f32>) {
  %column = tensor.reshape(%c) : (tensor<R x i1>) -> tensor<R x 1 x i1>
  %m = tensor.broadcast(%column) : (tensor<R x 1 x i1>) -> tensor<R x 64 x i1>
  %f = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %e = arith.exp(%f) : (tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %g = tensor.contract(%x, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %y = arith.select(%m, %e, %g) : (tensor<R x 64 x i1>, tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// A flattened exit inside of a flattened exit: the second switch is in the body of the first.
// CHECK-LABEL: core.func @exits
// CHECK: route.switch
// CHECK:   tensor.contract
// CHECK:   route.switch
// CHECK:     tensor.contract
// CHECK-NOT: arith.select
core.func @exits(%x: tensor<R x 64 x f32>, %w: tensor<64 x 64 x f32>, %v: tensor<64 x 64 x f32>, %c: tensor<R x 1 x i1>, %d: tensor<R x 1 x i1>) -> (tensor<R x 64 x f32>) {
  %m = tensor.broadcast(%c) : (tensor<R x 1 x i1>) -> tensor<R x 64 x i1>
  %n = tensor.broadcast(%d) : (tensor<R x 1 x i1>) -> tensor<R x 64 x i1>
  %f = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %g = tensor.contract(%f, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %inner = arith.select(%n, %f, %g) : (tensor<R x 64 x i1>, tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %y = arith.select(%m, %x, %inner) : (tensor<R x 64 x i1>, tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// What selects by element, and bodies that mix rows, stay.
// CHECK-LABEL: core.func @stays
// CHECK-NOT: route.
// CHECK: arith.select
// CHECK: arith.select
core.func @stays(%x: tensor<64 x 64 x f32>, %w: tensor<64 x 64 x f32>, %e: tensor<64 x 64 x i1>, %c: tensor<64 x 1 x i1>) -> (tensor<64 x 64 x f32>, tensor<64 x 64 x f32>) {
  %f = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<64 x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32>
  %y = arith.select(%e, %f, %x) : (tensor<64 x 64 x i1>, tensor<64 x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32>
  %m = tensor.broadcast(%c) : (tensor<64 x 1 x i1>) -> tensor<64 x 64 x i1>
  %h = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[1]} : (tensor<64 x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32>
  %g = tensor.cumulate(%h) {axis = 0, kind = "sum"} : (tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32>
  %z = arith.select(%m, %g, %x) : (tensor<64 x 64 x i1>, tensor<64 x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32>
  core.return(%y, %z) : (tensor<64 x 64 x f32>, tensor<64 x 64 x f32>)
}
