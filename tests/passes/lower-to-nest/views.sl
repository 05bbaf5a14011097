// Pure views become index maps of their readers; what a reader can't follow is stored once.
// RUN: sluice opt %s --passes=lower-to-nest | FileCheck %s

// CHECK-LABEL: @folded
// CHECK: nest.generic(%x, %bias)
// CHECK-SAME: bounds = [expr(8), expr(S), expr(16)]
// CHECK-SAME: maps = [map(d0, d1, d2)[d1, 16*d0 + d2], map(d0, d1, d2)[d1, 0], map(d0, d1, d2)[d0, d1, d2]]
// CHECK-NOT: tensor.
// CHECK: core.return
core.func @folded(%x: tensor<S x 128 x f32>, %bias: tensor<S x 1 x f32>) -> (tensor<8 x S x 16 x f32>) {
  %heads = tensor.reshape(%x) : (tensor<S x 128 x f32>) -> tensor<S x 8 x 16 x f32>
  %t = tensor.transpose(%heads) {perm = ints[1, 0, 2]} : (tensor<S x 8 x 16 x f32>) -> tensor<8 x S x 16 x f32>
  %flat = tensor.reshape(%bias) : (tensor<S x 1 x f32>) -> tensor<S x 1 x f32>
  %b = tensor.broadcast(%flat) : (tensor<S x 1 x f32>) -> tensor<8 x S x 16 x f32>
  %r = arith.add(%t, %b) : (tensor<8 x S x 16 x f32>, tensor<8 x S x 16 x f32>) -> tensor<8 x S x 16 x f32>
  core.return(%r) : (tensor<8 x S x 16 x f32>)
}

// A slice with a negative step, a lookup at a constant position, a padded read.
// CHECK-LABEL: @moved
// CHECK: nest.generic(%x, %x)
// CHECK-SAME: maps = [map(d0)[3, -d0 + 3], map(d0)[d0 - 1, 2], map(d0)[d0]]
// CHECK-SAME: outside = [false, data<f32>[0.5]]
core.func @moved(%x: tensor<4 x 4 x f32>) -> (tensor<4 x f32>) {
  %last = core.constant {value = data<tensor<i64>>[-1]} : () -> tensor<i64>
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %half = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %row = tensor.take(%x, %last) {axis = 0} : (tensor<4 x 4 x f32>, tensor<i64>) -> tensor<4 x f32>
  %turned = tensor.slice(%row) {starts = [expr(3)], steps = ints[-1]} : (tensor<4 x f32>) -> tensor<4 x f32>
  %padded = tensor.pad(%x, %half) {high = [expr(-1), expr(0)], low = [expr(1), expr(0)], mode = "constant"} : (tensor<4 x 4 x f32>, tensor<f32>) -> tensor<4 x 4 x f32>
  %column = tensor.take(%padded, %two) {axis = 1} : (tensor<4 x 4 x f32>, tensor<i64>) -> tensor<4 x f32>
  %r = arith.sub(%turned, %column) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
  core.return(%r) : (tensor<4 x f32>)
}

// A transpose whose producer has no other reader becomes that producer's result map; one of an input is copied; views read only by views never exist.
// CHECK-LABEL: @stored
// CHECK: %[[P:.*]] = nest.generic(%q, %k)
// CHECK-SAME: bounds = [expr(S), expr(H), expr(T), expr(D)]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d1, d0, d3], map(d0, d1, d2, d3)[d1, d2, d3], map(d0, d1, d2, d3)[d0, d1, d2]]
// CHECK-SAME: -> tensor<S x H x T x f32>
// CHECK: %[[M:.*]] = tensor.reshape(%[[P]])
// CHECK: %[[C:.*]] = nest.generic(%q)
// CHECK-SAME: bounds = [expr(S), expr(D)]
// CHECK-SAME: maps = [map(d0, d1)[0, d0, d1], map(d0, d1)[d0, d1]]
// CHECK-NEXT: nest.yield
// CHECK-NEXT: }
// CHECK-NEXT: core.return(%[[M]], %[[C]])
core.func @stored(%q: tensor<H x S x D x f32>, %k: tensor<H x T x D x f32>) -> (tensor<S x (H*T) x f32>, tensor<S x D x f32>) {
  %s = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<H x S x D x f32>, tensor<H x T x D x f32>) -> tensor<H x S x T x f32>
  %t = tensor.transpose(%s) {perm = ints[1, 0, 2]} : (tensor<H x S x T x f32>) -> tensor<S x H x T x f32>
  %m = tensor.reshape(%t) : (tensor<S x H x T x f32>) -> tensor<S x (H*T) x f32>
  %first = tensor.slice(%q) {starts = [expr(0), expr(0), expr(0)], steps = ints[1, 1, 1]} : (tensor<H x S x D x f32>) -> tensor<1 x S x D x f32>
  %turned = tensor.transpose(%first) {perm = ints[1, 0, 2]} : (tensor<1 x S x D x f32>) -> tensor<S x 1 x D x f32>
  %zero = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %c = tensor.take(%turned, %zero) {axis = 1} : (tensor<S x 1 x D x f32>, tensor<i64>) -> tensor<S x D x f32>
  core.return(%m, %c) : (tensor<S x (H*T) x f32>, tensor<S x D x f32>)
}
