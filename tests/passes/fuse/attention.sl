// A sum of products, the softmax of its rows and a sum of products with that: one pass over the keys.
// RUN: sluice opt %s --target x86-64-v4 --passes=lower-to-nest,fuse | FileCheck %s
// RUN: sluice opt %s --target x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s --check-prefix=TILE
// RUN: sluice opt %s --target x86-64-v4 --strict --passes=lower-to-nest,fuse | FileCheck %s --check-prefix=STRICT

// STRICT-NOT: kind = "attention"

// Scale and mask stand between: they join. Sizes are not known; only the result leaves.
// CHECK-LABEL: @masked
// CHECK: %[[G:.*]] = nest.group {anchor = 0, kind = "attention", reason = "{{.*}}"} : () -> tensor<B x S x 64 x f32>
// CHECK: arith.fma
// CHECK: nest.generic(%mask
// CHECK: arith.max
// CHECK: arith.exp
// CHECK: arith.div
// CHECK: %[[O:.*]] = nest.generic({{.*}}, %v)
// CHECK: nest.yield(%[[O]])
// CHECK-NEXT: })
// CHECK-NEXT: core.return(%[[G]])
// TILE-LABEL: @masked
// TILE: kernel.launch(%q, %k, %mask, %v) {{.*}}callee = "attention_64x64"{{.*}}tasks = expr(B*floordiv(S + 63, 64))
core.func @masked(%q: tensor<B x S x 64 x f32>, %k: tensor<B x T x 64 x f32>, %v: tensor<B x T x 64 x f32>, %mask: tensor<S x T x f32>) -> (tensor<B x S x 64 x f32>) {
  %s = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<B x S x 64 x f32>, tensor<B x T x 64 x f32>) -> tensor<B x S x T x f32>
  %m3 = tensor.reshape(%mask) : (tensor<S x T x f32>) -> tensor<1 x S x T x f32>
  %mb = tensor.broadcast(%m3) : (tensor<1 x S x T x f32>) -> tensor<B x S x T x f32>
  %x = arith.add(%mb, %s) : (tensor<B x S x T x f32>, tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %max = tensor.reduce(%x) {axes = ints[2], kind = "max"} : (tensor<B x S x T x f32>) -> tensor<B x S x f32>
  %k1 = tensor.reshape(%max) : (tensor<B x S x f32>) -> tensor<B x S x 1 x f32>
  %kb = tensor.broadcast(%k1) : (tensor<B x S x 1 x f32>) -> tensor<B x S x T x f32>
  %d = arith.sub(%x, %kb) : (tensor<B x S x T x f32>, tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %e = arith.exp(%d) : (tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<B x S x T x f32>) -> tensor<B x S x f32>
  %u = tensor.reshape(%sum) : (tensor<B x S x f32>) -> tensor<B x S x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<B x S x 1 x f32>) -> tensor<B x S x T x f32>
  %p = arith.div(%e, %ub) : (tensor<B x S x T x f32>, tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %o = tensor.contract(%p, %v) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<B x S x T x f32>, tensor<B x T x 64 x f32>) -> tensor<B x S x 64 x f32>
  core.return(%o) : (tensor<B x S x 64 x f32>)
}

// The shares are wanted, too: they have to be made, so nothing is gained.
// CHECK-LABEL: @shares_wanted
// CHECK-NOT: kind = "attention"
core.func @shares_wanted(%q: tensor<B x S x 64 x f32>, %k: tensor<B x T x 64 x f32>, %v: tensor<B x T x 64 x f32>) -> (tensor<B x S x 64 x f32>, tensor<B x S x T x f32>) {
  %x = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<B x S x 64 x f32>, tensor<B x T x 64 x f32>) -> tensor<B x S x T x f32>
  %max = tensor.reduce(%x) {axes = ints[2], kind = "max"} : (tensor<B x S x T x f32>) -> tensor<B x S x f32>
  %k1 = tensor.reshape(%max) : (tensor<B x S x f32>) -> tensor<B x S x 1 x f32>
  %kb = tensor.broadcast(%k1) : (tensor<B x S x 1 x f32>) -> tensor<B x S x T x f32>
  %d = arith.sub(%x, %kb) : (tensor<B x S x T x f32>, tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %e = arith.exp(%d) : (tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<B x S x T x f32>) -> tensor<B x S x f32>
  %u = tensor.reshape(%sum) : (tensor<B x S x f32>) -> tensor<B x S x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<B x S x 1 x f32>) -> tensor<B x S x T x f32>
  %p = arith.div(%e, %ub) : (tensor<B x S x T x f32>, tensor<B x S x T x f32>) -> tensor<B x S x T x f32>
  %o = tensor.contract(%p, %v) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<B x S x T x f32>, tensor<B x T x 64 x f32>) -> tensor<B x S x 64 x f32>
  core.return(%o, %p) : (tensor<B x S x 64 x f32>, tensor<B x S x T x f32>)
}

// A single query: three steps are as fast.
// CHECK-LABEL: @one_query
// CHECK-NOT: kind = "attention"
core.func @one_query(%q: tensor<B x 1 x 64 x f32>, %k: tensor<B x T x 64 x f32>, %v: tensor<B x T x 64 x f32>) -> (tensor<B x 1 x 64 x f32>) {
  %x = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<B x 1 x 64 x f32>, tensor<B x T x 64 x f32>) -> tensor<B x 1 x T x f32>
  %max = tensor.reduce(%x) {axes = ints[2], kind = "max"} : (tensor<B x 1 x T x f32>) -> tensor<B x 1 x f32>
  %k1 = tensor.reshape(%max) : (tensor<B x 1 x f32>) -> tensor<B x 1 x 1 x f32>
  %kb = tensor.broadcast(%k1) : (tensor<B x 1 x 1 x f32>) -> tensor<B x 1 x T x f32>
  %d = arith.sub(%x, %kb) : (tensor<B x 1 x T x f32>, tensor<B x 1 x T x f32>) -> tensor<B x 1 x T x f32>
  %e = arith.exp(%d) : (tensor<B x 1 x T x f32>) -> tensor<B x 1 x T x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<B x 1 x T x f32>) -> tensor<B x 1 x f32>
  %u = tensor.reshape(%sum) : (tensor<B x 1 x f32>) -> tensor<B x 1 x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<B x 1 x 1 x f32>) -> tensor<B x 1 x T x f32>
  %p = arith.div(%e, %ub) : (tensor<B x 1 x T x f32>, tensor<B x 1 x T x f32>) -> tensor<B x 1 x T x f32>
  %o = tensor.contract(%p, %v) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<B x 1 x T x f32>, tensor<B x T x 64 x f32>) -> tensor<B x 1 x 64 x f32>
  core.return(%o) : (tensor<B x 1 x 64 x f32>)
}
