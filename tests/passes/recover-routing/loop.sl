// Loops over experts that find, gather and scatter the rows of each one. They skip rows already, so strict mode has them, too.
// RUN: sluice opt %s --passes=recover-routing,simplify 2>%t.err | FileCheck %s
// RUN: sluice opt %s --passes=recover-routing,simplify --strict 2>/dev/null | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.err

// index_add: the keys need not be picks of a TopK; what is no expert goes nowhere.
// CHECK-LABEL: core.func @added
// CHECK-NOT: tensor.nonzero
// CHECK: arith.select(
// CHECK: %[[P:.*]] = route.partition({{.*}}) : (tensor<R x 2 x i64>) -> partition<2>
// CHECK: route.switch(%[[P]], %x, %weights) {merge = "add", rows = 1, weighted = true}
// CHECK: tensor.contract({{.*}}, %w0)
// CHECK: tensor.contract({{.*}}, %w1)
// CHECK-NOT: tensor.scatter_nd
core.func @added(%x: tensor<R x 32 x f32>, %scores: tensor<R x 2 x f32>, %keys: tensor<R x 2 x i64>, %weights: tensor<R x 2 x f32>, %w0: tensor<32 x 32 x f32>, %w1: tensor<32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 2 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %y0 = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 32 x f32>
  %e0 = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %s0 = tensor.broadcast(%e0) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m0 = arith.cmp(%keys, %s0) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f0 = tensor.nonzero(%m0) : (tensor<R x 2 x i1>) -> tensor<2 x ?1 x i64>
  %t0 = tensor.transpose(%f0) {perm = ints[1, 0]} : (tensor<2 x ?1 x i64>) -> tensor<?1 x 2 x i64>
  %r0 = tensor.slice(%t0) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?1 x 2 x i64>) -> tensor<?1 x 1 x i64>
  %x0 = tensor.gather_nd(%x, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %h0 = tensor.contract(%x0, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?1 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %g0 = tensor.gather_nd(%weights, %t0) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?1 x 2 x i64>) -> tensor<?1 x f32>
  %k0 = tensor.reshape(%g0) : (tensor<?1 x f32>) -> tensor<?1 x 1 x f32>
  %b0 = tensor.broadcast(%k0) : (tensor<?1 x 1 x f32>) -> tensor<?1 x 32 x f32>
  %o0 = arith.mul(%h0, %b0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %y1 = tensor.scatter_nd(%y0, %r0, %o0) {reduction = "add"} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>, tensor<?1 x 32 x f32>) -> tensor<R x 32 x f32>
  %e1 = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %s1 = tensor.broadcast(%e1) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m1 = arith.cmp(%keys, %s1) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f1 = tensor.nonzero(%m1) : (tensor<R x 2 x i1>) -> tensor<2 x ?2 x i64>
  %t1 = tensor.transpose(%f1) {perm = ints[1, 0]} : (tensor<2 x ?2 x i64>) -> tensor<?2 x 2 x i64>
  %r1 = tensor.slice(%t1) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?2 x 2 x i64>) -> tensor<?2 x 1 x i64>
  %x1 = tensor.gather_nd(%x, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %h1 = tensor.contract(%x1, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?2 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %g1 = tensor.gather_nd(%weights, %t1) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?2 x 2 x i64>) -> tensor<?2 x f32>
  %k1 = tensor.reshape(%g1) : (tensor<?2 x f32>) -> tensor<?2 x 1 x f32>
  %b1 = tensor.broadcast(%k1) : (tensor<?2 x 1 x f32>) -> tensor<?2 x 32 x f32>
  %o1 = arith.mul(%h1, %b1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %y2 = tensor.scatter_nd(%y1, %r1, %o1) {reduction = "add"} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>, tensor<?2 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y2) : (tensor<R x 32 x f32>)
}

// y[rows] += ..: rows are there once for each expert, since picks differ.
// CHECK-LABEL: core.func @put_back
// CHECK-NOT: tensor.nonzero
// CHECK: %[[Q:.*]] = route.partition(%picks)
// CHECK: route.switch(%[[Q]], %x, %weights) {merge = "add", rows = 1, weighted = true}
// CHECK-NOT: tensor.scatter_nd
core.func @put_back(%x: tensor<R x 32 x f32>, %scores: tensor<R x 2 x f32>, %keys: tensor<R x 2 x i64>, %weights: tensor<R x 2 x f32>, %w0: tensor<32 x 32 x f32>, %w1: tensor<32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 2 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %y0 = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 32 x f32>
  %e0 = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %s0 = tensor.broadcast(%e0) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m0 = arith.cmp(%picks, %s0) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f0 = tensor.nonzero(%m0) : (tensor<R x 2 x i1>) -> tensor<2 x ?1 x i64>
  %t0 = tensor.transpose(%f0) {perm = ints[1, 0]} : (tensor<2 x ?1 x i64>) -> tensor<?1 x 2 x i64>
  %r0 = tensor.slice(%t0) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?1 x 2 x i64>) -> tensor<?1 x 1 x i64>
  %x0 = tensor.gather_nd(%x, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %h0 = tensor.contract(%x0, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?1 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %g0 = tensor.gather_nd(%weights, %t0) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?1 x 2 x i64>) -> tensor<?1 x f32>
  %k0 = tensor.reshape(%g0) : (tensor<?1 x f32>) -> tensor<?1 x 1 x f32>
  %b0 = tensor.broadcast(%k0) : (tensor<?1 x 1 x f32>) -> tensor<?1 x 32 x f32>
  %o0 = arith.mul(%h0, %b0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %old0 = tensor.gather_nd(%y0, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %new0 = arith.add(%old0, %o0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %y1 = tensor.scatter_nd(%y0, %r0, %new0) {reduction = "none"} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>, tensor<?1 x 32 x f32>) -> tensor<R x 32 x f32>
  %e1 = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %s1 = tensor.broadcast(%e1) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m1 = arith.cmp(%picks, %s1) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f1 = tensor.nonzero(%m1) : (tensor<R x 2 x i1>) -> tensor<2 x ?2 x i64>
  %t1 = tensor.transpose(%f1) {perm = ints[1, 0]} : (tensor<2 x ?2 x i64>) -> tensor<?2 x 2 x i64>
  %r1 = tensor.slice(%t1) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?2 x 2 x i64>) -> tensor<?2 x 1 x i64>
  %x1 = tensor.gather_nd(%x, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %h1 = tensor.contract(%x1, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?2 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %g1 = tensor.gather_nd(%weights, %t1) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?2 x 2 x i64>) -> tensor<?2 x f32>
  %k1 = tensor.reshape(%g1) : (tensor<?2 x f32>) -> tensor<?2 x 1 x f32>
  %b1 = tensor.broadcast(%k1) : (tensor<?2 x 1 x f32>) -> tensor<?2 x 32 x f32>
  %o1 = arith.mul(%h1, %b1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %old1 = tensor.gather_nd(%y1, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %new1 = arith.add(%old1, %o1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %y2 = tensor.scatter_nd(%y1, %r1, %new1) {reduction = "none"} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>, tensor<?2 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y2) : (tensor<R x 32 x f32>)
}

// The same with keys of which two may be equal: of two additions to one row the last one stays.
// CHECK-LABEL: core.func @twice
// CHECK: tensor.scatter_nd
// CHECK: tensor.scatter_nd
// CHECK-NOT: route.
// REMARK: remark: stays a loop over experts that finds, gathers and scatters rows for each one: a row may be found twice for one expert
core.func @twice(%x: tensor<R x 32 x f32>, %scores: tensor<R x 2 x f32>, %keys: tensor<R x 2 x i64>, %weights: tensor<R x 2 x f32>, %w0: tensor<32 x 32 x f32>, %w1: tensor<32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 2 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %y0 = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 32 x f32>
  %e0 = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %s0 = tensor.broadcast(%e0) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m0 = arith.cmp(%keys, %s0) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f0 = tensor.nonzero(%m0) : (tensor<R x 2 x i1>) -> tensor<2 x ?1 x i64>
  %t0 = tensor.transpose(%f0) {perm = ints[1, 0]} : (tensor<2 x ?1 x i64>) -> tensor<?1 x 2 x i64>
  %r0 = tensor.slice(%t0) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?1 x 2 x i64>) -> tensor<?1 x 1 x i64>
  %x0 = tensor.gather_nd(%x, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %h0 = tensor.contract(%x0, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?1 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %g0 = tensor.gather_nd(%weights, %t0) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?1 x 2 x i64>) -> tensor<?1 x f32>
  %k0 = tensor.reshape(%g0) : (tensor<?1 x f32>) -> tensor<?1 x 1 x f32>
  %b0 = tensor.broadcast(%k0) : (tensor<?1 x 1 x f32>) -> tensor<?1 x 32 x f32>
  %o0 = arith.mul(%h0, %b0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %old0 = tensor.gather_nd(%y0, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %new0 = arith.add(%old0, %o0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %y1 = tensor.scatter_nd(%y0, %r0, %new0) {reduction = "none"} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>, tensor<?1 x 32 x f32>) -> tensor<R x 32 x f32>
  %e1 = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %s1 = tensor.broadcast(%e1) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m1 = arith.cmp(%keys, %s1) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f1 = tensor.nonzero(%m1) : (tensor<R x 2 x i1>) -> tensor<2 x ?2 x i64>
  %t1 = tensor.transpose(%f1) {perm = ints[1, 0]} : (tensor<2 x ?2 x i64>) -> tensor<?2 x 2 x i64>
  %r1 = tensor.slice(%t1) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?2 x 2 x i64>) -> tensor<?2 x 1 x i64>
  %x1 = tensor.gather_nd(%x, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %h1 = tensor.contract(%x1, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?2 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %g1 = tensor.gather_nd(%weights, %t1) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?2 x 2 x i64>) -> tensor<?2 x f32>
  %k1 = tensor.reshape(%g1) : (tensor<?2 x f32>) -> tensor<?2 x 1 x f32>
  %b1 = tensor.broadcast(%k1) : (tensor<?2 x 1 x f32>) -> tensor<?2 x 32 x f32>
  %o1 = arith.mul(%h1, %b1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %old1 = tensor.gather_nd(%y1, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %new1 = arith.add(%old1, %o1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %y2 = tensor.scatter_nd(%y1, %r1, %new1) {reduction = "none"} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>, tensor<?2 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y2) : (tensor<R x 32 x f32>)
}

// A body that mixes rows.
// CHECK-LABEL: core.func @mixes
// CHECK-NOT: route.
// REMARK: remark: stays a loop over experts that finds, gathers and scatters rows for each one: a body reads rows that are not those of the routing
core.func @mixes(%x: tensor<R x 32 x f32>, %scores: tensor<R x 2 x f32>, %keys: tensor<R x 2 x i64>, %weights: tensor<R x 2 x f32>, %w0: tensor<32 x 32 x f32>, %w1: tensor<32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %values, %picks = tensor.topk(%scores, %two) {axis = 1, largest = true} : (tensor<R x 2 x f32>, tensor<i64>) -> (tensor<R x 2 x f32>, tensor<R x 2 x i64>)
  %y0 = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 32 x f32>
  %e0 = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %s0 = tensor.broadcast(%e0) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m0 = arith.cmp(%keys, %s0) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f0 = tensor.nonzero(%m0) : (tensor<R x 2 x i1>) -> tensor<2 x ?1 x i64>
  %t0 = tensor.transpose(%f0) {perm = ints[1, 0]} : (tensor<2 x ?1 x i64>) -> tensor<?1 x 2 x i64>
  %r0 = tensor.slice(%t0) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?1 x 2 x i64>) -> tensor<?1 x 1 x i64>
  %x0 = tensor.gather_nd(%x, %r0) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>) -> tensor<?1 x 32 x f32>
  %h0 = tensor.contract(%x0, %w0) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?1 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %c0 = tensor.cumulate(%h0) {axis = 0, kind = "sum"} : (tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %g0 = tensor.gather_nd(%weights, %t0) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?1 x 2 x i64>) -> tensor<?1 x f32>
  %k0 = tensor.reshape(%g0) : (tensor<?1 x f32>) -> tensor<?1 x 1 x f32>
  %b0 = tensor.broadcast(%k0) : (tensor<?1 x 1 x f32>) -> tensor<?1 x 32 x f32>
  %o0 = arith.mul(%c0, %b0) : (tensor<?1 x 32 x f32>, tensor<?1 x 32 x f32>) -> tensor<?1 x 32 x f32>
  %y1 = tensor.scatter_nd(%y0, %r0, %o0) {reduction = "add"} : (tensor<R x 32 x f32>, tensor<?1 x 1 x i64>, tensor<?1 x 32 x f32>) -> tensor<R x 32 x f32>
  %e1 = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %s1 = tensor.broadcast(%e1) : (tensor<i64>) -> tensor<R x 2 x i64>
  %m1 = arith.cmp(%keys, %s1) {predicate = "eq"} : (tensor<R x 2 x i64>, tensor<R x 2 x i64>) -> tensor<R x 2 x i1>
  %f1 = tensor.nonzero(%m1) : (tensor<R x 2 x i1>) -> tensor<2 x ?2 x i64>
  %t1 = tensor.transpose(%f1) {perm = ints[1, 0]} : (tensor<2 x ?2 x i64>) -> tensor<?2 x 2 x i64>
  %r1 = tensor.slice(%t1) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<?2 x 2 x i64>) -> tensor<?2 x 1 x i64>
  %x1 = tensor.gather_nd(%x, %r1) {batch_dims = 0} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>) -> tensor<?2 x 32 x f32>
  %h1 = tensor.contract(%x1, %w1) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?2 x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %c1 = tensor.cumulate(%h1) {axis = 0, kind = "sum"} : (tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %g1 = tensor.gather_nd(%weights, %t1) {batch_dims = 0} : (tensor<R x 2 x f32>, tensor<?2 x 2 x i64>) -> tensor<?2 x f32>
  %k1 = tensor.reshape(%g1) : (tensor<?2 x f32>) -> tensor<?2 x 1 x f32>
  %b1 = tensor.broadcast(%k1) : (tensor<?2 x 1 x f32>) -> tensor<?2 x 32 x f32>
  %o1 = arith.mul(%c1, %b1) : (tensor<?2 x 32 x f32>, tensor<?2 x 32 x f32>) -> tensor<?2 x 32 x f32>
  %y2 = tensor.scatter_nd(%y1, %r1, %o1) {reduction = "add"} : (tensor<R x 32 x f32>, tensor<?2 x 1 x i64>, tensor<?2 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y2) : (tensor<R x 32 x f32>)
}

