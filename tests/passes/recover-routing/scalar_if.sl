// A scalar If stays what it is: its result enters the bodies as rows. One that only a side reads is not moved into it.
// RUN: sluice opt %s --passes=recover-routing | FileCheck %s
// CHECK-LABEL: core.func @main
// CHECK: %[[R:.*]] = tensor.if(%p)
// CHECK: %[[P:.*]] = route.partition
// CHECK: route.switch(%[[P]], %{{.*}}, %{{.*}}) {merge = "place", rows = 2}
// CHECK: tensor.contract({{.*}}, %w)
// CHECK-NOT: tensor.if
core.func @main(%x: tensor<R x 32 x f32>, %p: tensor<i1>, %c: tensor<R x i1>, %w: tensor<32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %r = tensor.if(%p) : (tensor<i1>) -> tensor<R x 32 x f32> ({
    %e = arith.exp(%x) : (tensor<R x 32 x f32>) -> tensor<R x 32 x f32>
    tensor.yield(%e) : (tensor<R x 32 x f32>)
  }, {
    tensor.yield(%x) : (tensor<R x 32 x f32>)
  })
  %f = tensor.contract(%r, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<R x 32 x f32>
  %g = tensor.contract(%f, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 32 x f32>, tensor<32 x 32 x f32>) -> tensor<R x 32 x f32>
  %column = tensor.reshape(%c) : (tensor<R x i1>) -> tensor<R x 1 x i1>
  %m = tensor.broadcast(%column) : (tensor<R x 1 x i1>) -> tensor<R x 32 x i1>
  %y = arith.select(%m, %g, %x) : (tensor<R x 32 x i1>, tensor<R x 32 x f32>, tensor<R x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}
