// Reshapes move out from between a product and what follows it; scalars stay next to the product in front of the split in heads.
// RUN: sluice opt %s --passes=lower-to-nest --strict | FileCheck %s
// RUN: sluice opt %s --passes=lower-to-nest | FileCheck %s --check-prefix=FAST

// Flattening for a matrix product and its undoing cancel: one iteration space.
// CHECK-LABEL: @flattened
// CHECK-NOT: tensor.reshape
// CHECK: nest.generic(%x, %w)
// CHECK-SAME: bounds = [expr(B), expr(S), expr(8), expr(4)]
// CHECK-NOT: tensor.reshape
// CHECK: nest.generic
// CHECK-SAME: bounds = [expr(B), expr(S), expr(8)]
// CHECK-NOT: tensor.reshape
// CHECK: core.return
core.func @flattened(%x: tensor<B x S x 4 x f32>, %w: tensor<4 x 8 x f32>, %bias: tensor<8 x f32>) -> (tensor<B x S x 8 x f32>) {
  %flat = tensor.reshape(%x) : (tensor<B x S x 4 x f32>) -> tensor<(B*S) x 4 x f32>
  %y = tensor.contract(%flat, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<(B*S) x 4 x f32>, tensor<4 x 8 x f32>) -> tensor<(B*S) x 8 x f32>
  %b = tensor.broadcast(%bias) : (tensor<8 x f32>) -> tensor<(B*S) x 8 x f32>
  %z = arith.add(%y, %b) : (tensor<(B*S) x 8 x f32>, tensor<(B*S) x 8 x f32>) -> tensor<(B*S) x 8 x f32>
  %r = tensor.reshape(%z) : (tensor<(B*S) x 8 x f32>) -> tensor<B x S x 8 x f32>
  core.return(%r) : (tensor<B x S x 8 x f32>)
}

// CHECK-LABEL: @scaled
// CHECK: %[[Q:.*]] = nest.generic(%x, %w)
// CHECK: %[[S:.*]] = nest.generic(%[[Q]])
// CHECK-SAME: bounds = [expr(S), expr(64)]
// CHECK: arith.mul
// CHECK: nest.generic(%[[S]], %k)
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d1, 16*d0 + d3]
// Where rounding may change, the factor goes behind the product of which the queries are a factor.
// FAST-LABEL: @scaled
// FAST: %[[Q:.*]] = nest.generic(%x, %w)
// FAST-NOT: arith.mul
// FAST: %[[P:.*]] = nest.generic(%[[Q]], %k)
// FAST-SAME: maps = [map(d0, d1, d2, d3)[d1, 16*d0 + d3]
// FAST: nest.generic(%[[P]])
// FAST: arith.mul
core.func @scaled(%x: tensor<S x 4 x f32>, %w: tensor<4 x 64 x f32>, %k: tensor<4 x T x 16 x f32>) -> (tensor<4 x S x T x f32>) {
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<S x 4 x f32>, tensor<4 x 64 x f32>) -> tensor<S x 64 x f32>
  %heads = tensor.reshape(%y) : (tensor<S x 64 x f32>) -> tensor<S x 4 x 16 x f32>
  %q = tensor.transpose(%heads) {perm = ints[1, 0, 2]} : (tensor<S x 4 x 16 x f32>) -> tensor<4 x S x 16 x f32>
  %c = core.constant {value = data<tensor<f32>>[0.25]} : () -> tensor<f32>
  %scale = tensor.broadcast(%c) : (tensor<f32>) -> tensor<4 x S x 16 x f32>
  %scaled = arith.mul(%q, %scale) : (tensor<4 x S x 16 x f32>, tensor<4 x S x 16 x f32>) -> tensor<4 x S x 16 x f32>
  %r = tensor.contract(%scaled, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<4 x S x 16 x f32>, tensor<4 x T x 16 x f32>) -> tensor<4 x S x T x f32>
  core.return(%r) : (tensor<4 x S x T x f32>)
}
