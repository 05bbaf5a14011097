// Experts that are computed for all rows and multiplied by gates: a sum of products, a stack times gates, products with stacked weights.
// RUN: sluice opt %s --passes=recover-routing | FileCheck %s
// RUN: sluice opt %s --passes=recover-routing --strict | FileCheck %s --check-prefix=STRICT
// RUN: not sluice opt %s --passes=recover-routing --deny=dense-fallback 2>&1 | FileCheck %s --check-prefix=DENY
// STRICT-NOT: route.
// DENY: error: runs dense: all experts are computed for all rows: their gates are not 0 by construction
// DENY: error: runs dense: all experts are computed for all rows: their gates are not 0 by construction
// DENY: error: runs dense: all experts are computed for all rows: {{[0-9]+}} multiply-adds a row that would be saved are not worth moving {{[0-9]+}} elements

// A sum of products; what has no gate (a shared expert, the residual) stays outside, and the branches are numbered by the sum, not by the gate's columns.
// CHECK-LABEL: core.func @sum
// CHECK: %values, %[[PICKS:.*]] = tensor.topk
// CHECK: %f1 = tensor.contract(%x, %w1)
// CHECK: %[[KEYS:.*]] = tensor.take(%{{.*}}, %[[PICKS]]) {axis = 0} : (tensor<3 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i64>
// CHECK: %[[ALL:.*]] = tensor.concat({{.*}}) {axis = 1} {{.*}} -> tensor<R x 2 x f32>
// CHECK: %[[W:.*]] = tensor.gather_elements(%[[ALL]], {{.*}}) {axis = 1}
// CHECK: %[[P:.*]] = route.partition(%[[KEYS]]) : (tensor<R x 2 x i64>) -> partition<2>
// CHECK: %[[Y:.*]] = route.switch(%[[P]], %x, %[[W]]) {merge = "add", rows = 1, weighted = true} {{.*}} ({ ^(%[[A:.*]]: tensor<?[[N:[0-9]+]] x 64 x f32>):
// CHECK: tensor.contract(%[[A]], %w2)
// CHECK: }, { ^(%[[B:.*]]: tensor<?[[M:[0-9]+]] x 64 x f32>):
// CHECK: tensor.contract(%[[B]], %w0)
// CHECK: arith.exp
// CHECK: arith.add(%f1, %[[Y]])
// CHECK-NOT: arith.mul
core.func @sum(%x: tensor<R x 64 x f32>, %scores: tensor<R x 3 x f32>, %w0: tensor<64 x 64 x f32>, %w1: tensor<64 x 64 x f32>, %w2: tensor<64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 3 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = tensor.scatter_elements(%zeros, %picks, %values) {axis = 1, reduction = "none"} : (tensor<R x 3 x f32>, tensor<R x 2 x i64>, tensor<R x 2 x f32>) -> tensor<R x 3 x f32>
  %g0 = tensor.slice(%gate) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<R x 3 x f32>) -> tensor<R x 1 x f32>
  %g2 = tensor.slice(%gate) {starts = [expr(0), expr(2)], steps = ints[1, 1]} : (tensor<R x 3 x f32>) -> tensor<R x 1 x f32>
  %b0 = tensor.broadcast(%g0) : (tensor<R x 1 x f32>) -> tensor<R x 64 x f32>
  %b2 = tensor.broadcast(%g2) : (tensor<R x 1 x f32>) -> tensor<R x 64 x f32>
  %f0 = tensor.contract(%x, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %e0 = arith.exp(%f0) : (tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %f1 = tensor.contract(%x, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %f2 = tensor.contract(%x, %w2) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %m0 = arith.mul(%e0, %b0) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %m2 = arith.mul(%b2, %f2) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %s = arith.add(%m2, %f1) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %y = arith.add(%s, %m0) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// A stack of bodies, contracted with the gates.
// CHECK-LABEL: core.func @stack
// CHECK: %[[P:.*]] = route.partition(%picks)
// CHECK: route.switch(%[[P]], %x, %{{.*}}) {merge = "add", rows = 1, weighted = true}
// CHECK: tensor.contract({{.*}}, %w0)
// CHECK: tensor.contract({{.*}}, %w1)
// CHECK: tensor.contract({{.*}}, %w2)
// CHECK-NOT: tensor.contract
core.func @stack(%x: tensor<R x 64 x f32>, %scores: tensor<R x 3 x f32>, %w0: tensor<64 x 64 x f32>, %w1: tensor<64 x 64 x f32>, %w2: tensor<64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 3 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = tensor.scatter_elements(%zeros, %picks, %values) {axis = 1, reduction = "none"} : (tensor<R x 3 x f32>, tensor<R x 2 x i64>, tensor<R x 2 x f32>) -> tensor<R x 3 x f32>
  %f0 = tensor.contract(%x, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %r0 = tensor.reshape(%f0) : (tensor<R x 64 x f32>) -> tensor<R x 1 x 64 x f32>
  %f1 = tensor.contract(%x, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %r1 = tensor.reshape(%f1) : (tensor<R x 64 x f32>) -> tensor<R x 1 x 64 x f32>
  %f2 = tensor.contract(%x, %w2) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %r2 = tensor.reshape(%f2) : (tensor<R x 64 x f32>) -> tensor<R x 1 x 64 x f32>
  %all = tensor.concat(%r0, %r1, %r2) {axis = 1} : (tensor<R x 1 x 64 x f32>, tensor<R x 1 x 64 x f32>, tensor<R x 1 x 64 x f32>) -> tensor<R x 3 x 64 x f32>
  %y = tensor.contract(%all, %gate) {left_batch = ints[0], left_sum = ints[1], right_batch = ints[0], right_sum = ints[1]} : (tensor<R x 3 x 64 x f32>, tensor<R x 3 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// Products with stacked weights: each body has its slice.
// CHECK-LABEL: core.func @batched
// CHECK: %[[P:.*]] = route.partition(%picks)
// CHECK: tensor.slice(%w) {starts = [expr(1), expr(0), expr(0)]
// CHECK: route.switch(%[[P]], %x,
// CHECK: tensor.contract({{.*}}) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?{{.*}} x 64 x f32>, tensor<64 x 64 x f32>)
// CHECK-NOT: tensor.reduce
core.func @batched(%x: tensor<R x 64 x f32>, %scores: tensor<R x 3 x f32>, %w: tensor<3 x 64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 3 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = tensor.scatter_elements(%zeros, %picks, %values) {axis = 1, reduction = "none"} : (tensor<R x 3 x f32>, tensor<R x 2 x i64>, tensor<R x 2 x f32>) -> tensor<R x 3 x f32>
  %xs = tensor.broadcast(%x) : (tensor<R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %h = tensor.contract(%xs, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x R x 64 x f32>, tensor<3 x 64 x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %turned = tensor.transpose(%gate) {perm = ints[1, 0]} : (tensor<R x 3 x f32>) -> tensor<3 x R x f32>
  %column = tensor.reshape(%turned) : (tensor<3 x R x f32>) -> tensor<3 x R x 1 x f32>
  %spread = tensor.broadcast(%column) : (tensor<3 x R x 1 x f32>) -> tensor<3 x R x 64 x f32>
  %weighted = arith.mul(%h, %spread) : (tensor<3 x R x 64 x f32>, tensor<3 x R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %y = tensor.reduce(%weighted) {axes = ints[0], kind = "sum"} : (tensor<3 x R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// A rectified gate is 0 where it is: one column for each expert.
// CHECK-LABEL: core.func @rectified
// CHECK: arith.cmp({{.*}}) {predicate = "ne"}
// CHECK: arith.select
// CHECK: %[[P:.*]] = route.partition({{.*}}) : (tensor<R x 3 x i64>) -> partition<3>
// CHECK: route.switch(%[[P]]
core.func @rectified(%x: tensor<R x 64 x f32>, %scores: tensor<R x 3 x f32>, %w: tensor<3 x 64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = arith.max(%scores, %zeros) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %xs = tensor.broadcast(%x) : (tensor<R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %h = tensor.contract(%xs, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x R x 64 x f32>, tensor<3 x 64 x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %turned = tensor.transpose(%gate) {perm = ints[1, 0]} : (tensor<R x 3 x f32>) -> tensor<3 x R x f32>
  %column = tensor.reshape(%turned) : (tensor<3 x R x f32>) -> tensor<3 x R x 1 x f32>
  %spread = tensor.broadcast(%column) : (tensor<3 x R x 1 x f32>) -> tensor<3 x R x 64 x f32>
  %weighted = arith.mul(%h, %spread) : (tensor<3 x R x 64 x f32>, tensor<3 x R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %y = tensor.reduce(%weighted) {axes = ints[0], kind = "sum"} : (tensor<3 x R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

// Gates that may be anything, and bodies too small to be worth it, stay.
// CHECK-LABEL: core.func @anything
// CHECK-NOT: route.
core.func @anything(%x: tensor<R x 64 x f32>, %gate: tensor<R x 3 x f32>, %w: tensor<3 x 64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %xs = tensor.broadcast(%x) : (tensor<R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %h = tensor.contract(%xs, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x R x 64 x f32>, tensor<3 x 64 x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %turned = tensor.transpose(%gate) {perm = ints[1, 0]} : (tensor<R x 3 x f32>) -> tensor<3 x R x f32>
  %column = tensor.reshape(%turned) : (tensor<3 x R x f32>) -> tensor<3 x R x 1 x f32>
  %spread = tensor.broadcast(%column) : (tensor<3 x R x 1 x f32>) -> tensor<3 x R x 64 x f32>
  %weighted = arith.mul(%h, %spread) : (tensor<3 x R x 64 x f32>, tensor<3 x R x 64 x f32>) -> tensor<3 x R x 64 x f32>
  %y = tensor.reduce(%weighted) {axes = ints[0], kind = "sum"} : (tensor<3 x R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

core.func @soft(%x: tensor<R x 64 x f32>, %g: tensor<R x 3 x f32>, %w0: tensor<64 x 64 x f32>, %w1: tensor<64 x 64 x f32>) -> (tensor<R x 64 x f32>) {
  %g0 = tensor.slice(%g) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<R x 3 x f32>) -> tensor<R x 1 x f32>
  %g1 = tensor.slice(%g) {starts = [expr(0), expr(1)], steps = ints[1, 1]} : (tensor<R x 3 x f32>) -> tensor<R x 1 x f32>
  %b0 = tensor.broadcast(%g0) : (tensor<R x 1 x f32>) -> tensor<R x 64 x f32>
  %b1 = tensor.broadcast(%g1) : (tensor<R x 1 x f32>) -> tensor<R x 64 x f32>
  %f0 = tensor.contract(%x, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %f1 = tensor.contract(%x, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 64 x f32>, tensor<64 x 64 x f32>) -> tensor<R x 64 x f32>
  %m0 = arith.mul(%f0, %b0) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %m1 = arith.mul(%f1, %b1) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  %y = arith.add(%m0, %m1) : (tensor<R x 64 x f32>, tensor<R x 64 x f32>) -> tensor<R x 64 x f32>
  core.return(%y) : (tensor<R x 64 x f32>)
}

core.func @small(%x: tensor<R x 16 x f32>, %scores: tensor<R x 3 x f32>, %w: tensor<3 x 16 x 16 x f32>) -> (tensor<R x 16 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 3 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = tensor.scatter_elements(%zeros, %picks, %values) {axis = 1, reduction = "none"} : (tensor<R x 3 x f32>, tensor<R x 2 x i64>, tensor<R x 2 x f32>) -> tensor<R x 3 x f32>
  %xs = tensor.broadcast(%x) : (tensor<R x 16 x f32>) -> tensor<3 x R x 16 x f32>
  %h = tensor.contract(%xs, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x R x 16 x f32>, tensor<3 x 16 x 16 x f32>) -> tensor<3 x R x 16 x f32>
  %turned = tensor.transpose(%gate) {perm = ints[1, 0]} : (tensor<R x 3 x f32>) -> tensor<3 x R x f32>
  %column = tensor.reshape(%turned) : (tensor<3 x R x f32>) -> tensor<3 x R x 1 x f32>
  %spread = tensor.broadcast(%column) : (tensor<3 x R x 1 x f32>) -> tensor<3 x R x 16 x f32>
  %weighted = arith.mul(%h, %spread) : (tensor<3 x R x 16 x f32>, tensor<3 x R x 16 x f32>) -> tensor<3 x R x 16 x f32>
  %y = tensor.reduce(%weighted) {axes = ints[0], kind = "sum"} : (tensor<3 x R x 16 x f32>) -> tensor<R x 16 x f32>
  core.return(%y) : (tensor<R x 16 x f32>)
}

