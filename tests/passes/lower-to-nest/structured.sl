// Reductions, sums of products, windows and lookups as nests. Loops of extent 1 do not appear.
// RUN: sluice opt %s --passes=lower-to-nest | FileCheck %s

// CHECK-LABEL: @reduce
// CHECK: nest.generic(%x)
// CHECK-SAME: bounds = [expr(B), expr(C), expr(H), expr(W)]
// CHECK-SAME: init = [data<f32>[-inf]]
// CHECK-SAME: iterators = ["parallel", "parallel", "reduction", "reduction"]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d0, d2, d1, d3], map(d0, d1, d2, d3)[d0, d1]]
// CHECK: arith.max
// Narrow floats sum in f32; the result is rounded once.
// CHECK: nest.generic(%h)
// CHECK-SAME: init = [data<f32>[0.0]]
// CHECK-SAME: -> tensor<B x f16>
// CHECK: arith.cast({{.*}}) : (f16) -> f32
core.func @reduce(%x: tensor<B x H x C x W x f32>, %h: tensor<B x 8 x f16>) -> (tensor<B x C x f32>, tensor<B x f16>) {
  %a = tensor.reduce(%x) {axes = ints[1, 3], kind = "max"} : (tensor<B x H x C x W x f32>) -> tensor<B x C x f32>
  %b = tensor.reduce(%h) {axes = ints[1], kind = "sum"} : (tensor<B x 8 x f16>) -> tensor<B x f16>
  core.return(%a, %b) : (tensor<B x C x f32>, tensor<B x f16>)
}

// CHECK-LABEL: @arg_reduce
// CHECK: nest.generic(%x)
// CHECK-SAME: -> (tensor<B x i64>, tensor<B x f32>)
// CHECK: arith.cmp({{.*}}) {predicate = "lt"}
// CHECK: arith.isnan
core.func @arg_reduce(%x: tensor<B x 8 x f32>) -> (tensor<B x i64>) {
  %a = tensor.arg_reduce(%x) {axis = 1, kind = "min"} : (tensor<B x 8 x f32>) -> tensor<B x i64>
  core.return(%a) : (tensor<B x i64>)
}

// CHECK-LABEL: @contract
// CHECK: nest.generic(%x, %w)
// CHECK-SAME: bounds = [expr(B), expr(M), expr(N), expr(K)]
// CHECK-SAME: init = [data<f32>[0.0]]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d1, d0, d3], map(d0, d1, d2, d3)[d0, d2, d3], map(d0, d1, d2, d3)[d0, d1, d2]]
// CHECK: arith.cast
// CHECK: arith.fma
core.func @contract(%x: tensor<M x B x K x bf16>, %w: tensor<B x N x K x bf16>) -> (tensor<B x M x N x bf16>) {
  %r = tensor.contract(%x, %w) {left_batch = ints[1], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<M x B x K x bf16>, tensor<B x N x K x bf16>) -> tensor<B x M x N x bf16>
  core.return(%r) : (tensor<B x M x N x bf16>)
}

// Channels last: the group loop before the channels of a group; taps then channels are summed.
// CHECK-LABEL: @conv
// CHECK: nest.generic(%x, %w)
// CHECK-SAME: bounds = [expr(N), expr(4), expr(4), expr(2), expr(16), expr(3), expr(3), expr(4)]
// CHECK-SAME: map(d0, d1, d2, d3, d4, d5, d6, d7)[d0, 2*d1 + d5 - 1, 2*d2 + d6 - 1, 4*d3 + d7]
// CHECK-SAME: map(d0, d1, d2, d3, d4, d5, d6, d7)[d5, d6, d7, 16*d3 + d4]
// CHECK-SAME: map(d0, d1, d2, d3, d4, d5, d6, d7)[d0, d1, d2, 16*d3 + d4]
// CHECK-SAME: outside = [data<f32>[0.0], false]
// A depthwise convolution has one loop for its channels and none to sum over them.
// CHECK: nest.generic(%d, %v)
// CHECK-SAME: bounds = [expr(N), expr(8), expr(6), expr(6), expr(3), expr(3)]
// CHECK-SAME: maps = [map(d0, d1, d2, d3, d4, d5)[d0, d1, d2 + d4, d3 + d5], map(d0, d1, d2, d3, d4, d5)[d1, 0, d4, d5]
// CHECK-NOT: outside
core.func @conv(%x: tensor<N x 8 x 8 x 8 x f32>, %w: tensor<3 x 3 x 4 x 32 x f32>, %d: tensor<N x 8 x 8 x 8 x f32>, %v: tensor<8 x 1 x 3 x 3 x f32>) -> (tensor<N x 4 x 4 x 32 x f32>, tensor<N x 8 x 6 x 6 x f32>) {
  %a = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 2, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<N x 8 x 8 x 8 x f32>, tensor<3 x 3 x 4 x 32 x f32>) -> tensor<N x 4 x 4 x 32 x f32>
  %b = tensor.conv(%d, %v) {dilations = ints[1, 1], groups = 8, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<N x 8 x 8 x 8 x f32>, tensor<8 x 1 x 3 x 3 x f32>) -> tensor<N x 8 x 6 x 6 x f32>
  core.return(%a, %b) : (tensor<N x 4 x 4 x 32 x f32>, tensor<N x 8 x 6 x 6 x f32>)
}

// The padding of a pool is the identity of its reduction.
// CHECK-LABEL: @pool
// CHECK: nest.generic(%x)
// CHECK-SAME: init = [data<f32>[-inf]]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d0, d1, 2*d2 + d3 - 1]
// CHECK-SAME: outside = [data<f32>[-inf]]
core.func @pool(%x: tensor<N x C x 8 x f32>) -> (tensor<N x C x 4 x f32>) {
  %a = tensor.pool(%x) {dilations = ints[1], kind = "max", pads_high = ints[0], pads_low = ints[1], strides = ints[2], window = ints[3]} : (tensor<N x C x 8 x f32>) -> tensor<N x C x 4 x f32>
  core.return(%a) : (tensor<N x C x 4 x f32>)
}

// CHECK-LABEL: @lookup
// CHECK: nest.generic(%ids)
// CHECK-SAME: bounds = [expr(B), expr(S), expr(64)]
// CHECK: %[[I:.*]] = arith.cast(%{{.*}}) : (i32) -> i64
// CHECK: %[[J:.*]] = nest.index {loop = 2}
// CHECK: nest.extract(%table, %[[I]], %[[J]])
core.func @lookup(%table: tensor<V x 64 x f32>, %ids: tensor<B x S x i32>) -> (tensor<B x S x 64 x f32>) {
  %a = tensor.take(%table, %ids) {axis = 0} : (tensor<V x 64 x f32>, tensor<B x S x i32>) -> tensor<B x S x 64 x f32>
  core.return(%a) : (tensor<B x S x 64 x f32>)
}

// Splat constants and sizes are part of the body.
// CHECK-LABEL: @scalars
// CHECK: nest.generic(%x)
// CHECK: core.constant {value = data<f32>[0.5]} : () -> f32
// CHECK: core.dim {value = expr(S)} : () -> i64
core.func @scalars(%x: tensor<B x S x f32>) -> (tensor<B x S x f32>, tensor<B x S x i64>) {
  %half = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %h = tensor.broadcast(%half) : (tensor<f32>) -> tensor<B x S x f32>
  %a = arith.mul(%x, %h) : (tensor<B x S x f32>, tensor<B x S x f32>) -> tensor<B x S x f32>
  %size = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>
  %s = tensor.broadcast(%size) : (tensor<i64>) -> tensor<B x S x i64>
  %i = arith.cast(%x) : (tensor<B x S x f32>) -> tensor<B x S x i64>
  %b = arith.add(%i, %s) : (tensor<B x S x i64>, tensor<B x S x i64>) -> tensor<B x S x i64>
  core.return(%a, %b) : (tensor<B x S x f32>, tensor<B x S x i64>)
}
