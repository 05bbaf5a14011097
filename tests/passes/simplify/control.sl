// Control flow whose course is known. A branch more precise than the declared result refines all users.
// RUN: sluice opt %s --passes=simplify | FileCheck %s

// CHECK-LABEL: @constant_if
// CHECK-NEXT: %[[E:.*]] = arith.exp(%x) : (tensor<4 x f32>) -> tensor<4 x f32>
// CHECK-NEXT: %[[N:.*]] = arith.neg(%[[E]]) : (tensor<4 x f32>) -> tensor<4 x f32>
// CHECK-NEXT: core.return(%[[N]])
core.func @constant_if(%x: tensor<4 x f32>) -> (tensor<?1 x f32>) {
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %r = tensor.if(%t) : (tensor<i1>) -> tensor<?1 x f32> ({
    %e = arith.exp(%x) : (tensor<4 x f32>) -> tensor<4 x f32>
    tensor.yield(%e) : (tensor<4 x f32>)
  }, {
    %c = core.constant {value = data<tensor<1 x f32>>[0.0]} : () -> tensor<1 x f32>
    tensor.yield(%c) : (tensor<1 x f32>)
  })
  %n = arith.neg(%r) : (tensor<?1 x f32>) -> tensor<?1 x f32>
  core.return(%n) : (tensor<?1 x f32>)
}

// CHECK-LABEL: @loops
// CHECK-NOT: tensor.loop
// CHECK: %[[E:.*]] = arith.exp(%x)
// CHECK-NEXT: %[[S:.*]] = tensor.reshape(%[[E]]) : (tensor<4 x f32>) -> tensor<1 x 4 x f32>
// CHECK-NEXT: core.return(%[[E]], %[[S]], %x)
core.func @loops(%x: tensor<4 x f32>) -> (tensor<4 x f32>, tensor<1 x 4 x f32>, tensor<4 x f32>) {
  %one = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %a, %s = tensor.loop(%one, %t, %x) {carried = 1, trip_count = expr(1)} : (tensor<i64>, tensor<i1>, tensor<4 x f32>) -> (tensor<4 x f32>, tensor<1 x 4 x f32>) ({ ^(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<4 x f32>):
    %e = arith.exp(%v) : (tensor<4 x f32>) -> tensor<4 x f32>
    tensor.yield(%c, %e, %e) : (tensor<i1>, tensor<4 x f32>, tensor<4 x f32>)
  })
  %b = tensor.loop(%zero, %t, %x) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<4 x f32>) -> tensor<4 x f32> ({ ^(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<4 x f32>):
    %e = arith.neg(%v) : (tensor<4 x f32>) -> tensor<4 x f32>
    tensor.yield(%c, %e) : (tensor<i1>, tensor<4 x f32>)
  })
  core.return(%a, %s, %b) : (tensor<4 x f32>, tensor<1 x 4 x f32>, tensor<4 x f32>)
}

// Unused control flow without effects is dead; with a guard inside it stays.
// CHECK-LABEL: @dead
// CHECK: tensor.if
// CHECK: core.guard
// CHECK-NOT: tensor.if
core.func @dead(%c: tensor<i1>, %x: tensor<B x f32>) -> (tensor<B x f32>) {
  %r = tensor.if(%c) : (tensor<i1>) -> tensor<B x f32> ({
    %e = arith.exp(%x) : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%e) : (tensor<B x f32>)
  }, {
    tensor.yield(%x) : (tensor<B x f32>)
  })
  %s = tensor.if(%c) : (tensor<i1>) -> tensor<B x f32> ({
    core.guard {left = expr(B), message = "odd", right = expr(4)}
    tensor.yield(%x) : (tensor<B x f32>)
  }, {
    tensor.yield(%x) : (tensor<B x f32>)
  })
  core.return(%x) : (tensor<B x f32>)
}

// An op whose results are unused stays while the size that it finds out is asked for, and goes with the last one who asks.
// CHECK-LABEL: @shape_only
// CHECK-NEXT: tensor.nonzero(%x) : (tensor<B x f32>) -> tensor<1 x ?[[N:[0-9]+]] x i64>
// CHECK-NEXT: tensor.from_dims {dims = [expr(?[[N]])]}
// CHECK-NEXT: core.return
core.func @shape_only(%x: tensor<B x f32>) -> (tensor<1 x i64>) {
  %n = tensor.nonzero(%x) : (tensor<B x f32>) -> tensor<1 x ?1 x i64>
  %d = tensor.from_dims {dims = [expr(?1)]} : () -> tensor<1 x i64>
  %m = tensor.nonzero(%x) : (tensor<B x f32>) -> tensor<1 x ?2 x i64>
  %e = tensor.from_dims {dims = [expr(?2)]} : () -> tensor<1 x i64>
  core.return(%d) : (tensor<1 x i64>)
}
