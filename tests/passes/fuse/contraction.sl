// Products and convolutions take what finishes their result.
// RUN: sluice opt %s --target x86-64-v3 --passes=lower-to-nest,fuse | FileCheck %s

// Bias, residual and activation; the result that is read elsewhere leaves the group too.
// CHECK-LABEL: @linear
// CHECK: %[[G:.*]] = nest.group {anchor = 0, kind = "contraction", reason = "fused: {{.*}}"} : () -> tensor<B x S x 64 x f32>
// CHECK: %[[A:.*]] = nest.generic(%x, %w)
// CHECK: arith.fma
// CHECK: nest.generic(%[[A]], %bias, %skip)
// CHECK-SAME: bounds = [expr(B), expr(S), expr(64)]
// CHECK-SAME: maps = [map(d0, d1, d2)[d0, d1, d2], map(d0, d1, d2)[d2], map(d0, d1, d2)[d0, d1, d2], map(d0, d1, d2)[d0, d1, d2]]
// CHECK: arith.add
// CHECK: arith.add
// CHECK: arith.max
// CHECK: core.return(%[[G]])
core.func @linear(%x: tensor<B x S x 32 x f32>, %w: tensor<32 x 64 x f32>, %bias: tensor<64 x f32>, %skip: tensor<B x S x 64 x f32>) -> (tensor<B x S x 64 x f32>) {
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[2], right_batch = ints[], right_sum = ints[0]} : (tensor<B x S x 32 x f32>, tensor<32 x 64 x f32>) -> tensor<B x S x 64 x f32>
  %b = tensor.broadcast(%bias) : (tensor<64 x f32>) -> tensor<B x S x 64 x f32>
  %s = arith.add(%y, %b) : (tensor<B x S x 64 x f32>, tensor<B x S x 64 x f32>) -> tensor<B x S x 64 x f32>
  %t = arith.add(%s, %skip) : (tensor<B x S x 64 x f32>, tensor<B x S x 64 x f32>) -> tensor<B x S x 64 x f32>
  %z = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<B x S x 64 x f32>
  %r = arith.max(%t, %z) : (tensor<B x S x 64 x f32>, tensor<B x S x 64 x f32>) -> tensor<B x S x 64 x f32>
  core.return(%r) : (tensor<B x S x 64 x f32>)
}

// The channels of a convolution with groups are two loops of the anchor; its epilogue runs over the same two.
// CHECK-LABEL: @groups
// CHECK: nest.group {anchor = 0, kind = "contraction"
// CHECK: %[[A:.*]] = nest.generic(%x, %w)
// CHECK: nest.generic(%[[A]], %bias)
// CHECK-SAME: bounds = [expr(N), expr(6), expr(2), expr(8)]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d0, d1, 8*d2 + d3], map(d0, d1, d2, d3)[8*d2 + d3], map(d0, d1, d2, d3)[d0, d1, 8*d2 + d3]]
core.func @groups(%x: tensor<N x 8 x 8 x f32>, %w: tensor<3 x 4 x 16 x f32>, %bias: tensor<16 x f32>) -> (tensor<N x 6 x 16 x f32>) {
  %y = tensor.conv(%x, %w) {dilations = ints[1], groups = 2, layout = "nhwc", pads_high = ints[0], pads_low = ints[0], strides = ints[1]} : (tensor<N x 8 x 8 x f32>, tensor<3 x 4 x 16 x f32>) -> tensor<N x 6 x 16 x f32>
  %b = tensor.broadcast(%bias) : (tensor<16 x f32>) -> tensor<N x 6 x 16 x f32>
  %r = arith.add(%y, %b) : (tensor<N x 6 x 16 x f32>, tensor<N x 6 x 16 x f32>) -> tensor<N x 6 x 16 x f32>
  core.return(%r) : (tensor<N x 6 x 16 x f32>)
}

// A sum of two products finishes the later one. The other group is before it.
// CHECK-LABEL: @two
// CHECK: %[[A:.*]] = nest.generic(%x, %v)
// CHECK: nest.group {anchor = 0, kind = "contraction"
// CHECK: %[[B:.*]] = nest.generic(%x, %w)
// CHECK: nest.generic(%[[A]], %[[B]])
core.func @two(%x: tensor<8 x 8 x f32>, %v: tensor<8 x 8 x f32>, %w: tensor<8 x 8 x f32>) -> (tensor<8 x 8 x f32>) {
  %a = tensor.contract(%x, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %b = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %r = arith.add(%a, %b) : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  core.return(%r) : (tensor<8 x 8 x f32>)
}

// What leads back into the group by another way stays outside: y + f(y) with f a whole-tensor op.
// CHECK-LABEL: @cycle
// CHECK-NOT: nest.group
// CHECK: %[[A:.*]] = nest.generic(%x, %w)
// CHECK: %[[C:.*]] = tensor.cumulate(%[[A]])
// CHECK: nest.generic(%[[A]], %[[C]])
core.func @cycle(%x: tensor<8 x 8 x f32>, %w: tensor<8 x 8 x f32>) -> (tensor<8 x 8 x f32>) {
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %c = tensor.cumulate(%y) {axis = 0, kind = "sum"} : (tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %r = arith.add(%y, %c) : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  core.return(%r) : (tensor<8 x 8 x f32>)
}

// A reader of half of the result, or of its transpose, is not at the anchor's point.
// CHECK-LABEL: @elsewhere
// CHECK-NOT: nest.group
// CHECK: core.return
core.func @elsewhere(%x: tensor<8 x 8 x f32>, %w: tensor<8 x 8 x f32>) -> (tensor<8 x 4 x f32>, tensor<8 x 8 x f32>) {
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %h = tensor.slice(%y) {starts = [expr(0), expr(4)], steps = ints[1, 1]} : (tensor<8 x 8 x f32>) -> tensor<8 x 4 x f32>
  %a = arith.exp(%h) : (tensor<8 x 4 x f32>) -> tensor<8 x 4 x f32>
  %t = tensor.transpose(%y) {perm = ints[1, 0]} : (tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  %b = arith.sub(%y, %t) : (tensor<8 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<8 x 8 x f32>
  core.return(%a, %b) : (tensor<8 x 4 x f32>, tensor<8 x 8 x f32>)
}

// A transposed convolution with stride 2: the product writes channels last, the bias finishes it, the pixels need no copy.
// CHECK-LABEL: @upsample
// CHECK: nest.group {anchor = 0, kind = "contraction"
// CHECK: %[[A:.*]] = nest.generic(%x, %w)
// CHECK-SAME: bounds = [expr(16), expr(2), expr(8), expr(4)]
// CHECK-SAME: map(d0, d1, d2, d3)[d0, d1, d2]]
// CHECK: nest.generic(%[[A]], %bias)
// CHECK: tensor.reshape
// CHECK-NEXT: core.return
core.func @upsample(%x: tensor<16 x 4 x f32>, %w: tensor<4 x 8 x 2 x f32>, %bias: tensor<8 x f32>) -> (tensor<32 x 8 x f32>) {
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<16 x 4 x f32>, tensor<4 x 8 x 2 x f32>) -> tensor<16 x 8 x 2 x f32>
  %t = tensor.transpose(%y) {perm = ints[0, 2, 1]} : (tensor<16 x 8 x 2 x f32>) -> tensor<16 x 2 x 8 x f32>
  %p = tensor.reshape(%t) : (tensor<16 x 2 x 8 x f32>) -> tensor<32 x 8 x f32>
  %b = tensor.broadcast(%bias) : (tensor<8 x f32>) -> tensor<32 x 8 x f32>
  %r = arith.add(%p, %b) : (tensor<32 x 8 x f32>, tensor<32 x 8 x f32>) -> tensor<32 x 8 x f32>
  core.return(%r) : (tensor<32 x 8 x f32>)
}

// Gate and up of a gated layer: the product that only the other's epilogue reads goes through the same rows with it.
// CHECK-LABEL: @gated
// CHECK: nest.group {anchor = 1, kind = "contraction", reason = "{{.*}}two products in one pass over the rows", twin = 0}
// CHECK: %[[U:.*]] = nest.generic(%x, %{{.*}})
// CHECK: %[[G:.*]] = nest.generic(%x, %{{.*}})
// CHECK: arith.tanh
core.func @gated(%x: tensor<M x 2 x f32>) -> (tensor<M x 4 x f32>) {
  %up = core.constant {value = data<tensor<2 x 4 x f32>>[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]} : () -> tensor<2 x 4 x f32>
  %gate = core.constant {value = data<tensor<2 x 4 x f32>>[8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5]} : () -> tensor<2 x 4 x f32>
  %u = tensor.contract(%x, %up) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %g = tensor.contract(%x, %gate) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %t = arith.tanh(%u) : (tensor<M x 4 x f32>) -> tensor<M x 4 x f32>
  %r = arith.mul(%t, %g) : (tensor<M x 4 x f32>, tensor<M x 4 x f32>) -> tensor<M x 4 x f32>
  core.return(%r) : (tensor<M x 4 x f32>)
}

// Not when somebody else reads it, nor when the rows are others.
// CHECK-LABEL: @not_gated
// CHECK-NOT: twin
// CHECK: core.return
core.func @not_gated(%x: tensor<M x 2 x f32>, %z: tensor<M x 2 x f32>) -> (tensor<M x 4 x f32>, tensor<M x 4 x f32>, tensor<M x 4 x f32>) {
  %up = core.constant {value = data<tensor<2 x 4 x f32>>[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]} : () -> tensor<2 x 4 x f32>
  %gate = core.constant {value = data<tensor<2 x 4 x f32>>[8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5]} : () -> tensor<2 x 4 x f32>
  %u = tensor.contract(%x, %up) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %g = tensor.contract(%x, %gate) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %v = tensor.contract(%z, %up) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %h = tensor.contract(%x, %gate) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 2 x f32>, tensor<2 x 4 x f32>) -> tensor<M x 4 x f32>
  %r = arith.mul(%u, %g) : (tensor<M x 4 x f32>, tensor<M x 4 x f32>) -> tensor<M x 4 x f32>
  %s = arith.mul(%v, %h) : (tensor<M x 4 x f32>, tensor<M x 4 x f32>) -> tensor<M x 4 x f32>
  core.return(%r, %u, %s) : (tensor<M x 4 x f32>, tensor<M x 4 x f32>, tensor<M x 4 x f32>)
}
