// Ops that move elements: composed, cancelled, or turned into views.
// RUN: sluice opt %s --passes=simplify | FileCheck %s

// CHECK-LABEL: @views
// CHECK-NEXT: %[[R:.*]] = tensor.reshape(%x) : (tensor<2 x 3 x 4 x f32>) -> tensor<24 x f32>
// CHECK-NEXT: %[[T:.*]] = tensor.reshape(%y) : (tensor<1 x 5 x 1 x 6 x f32>) -> tensor<5 x 1 x 6 x 1 x f32>
// CHECK-NEXT: core.return(%[[R]], %x, %[[T]])
core.func @views(%x: tensor<2 x 3 x 4 x f32>, %y: tensor<1 x 5 x 1 x 6 x f32>) -> (tensor<24 x f32>, tensor<2 x 3 x 4 x f32>, tensor<5 x 1 x 6 x 1 x f32>) {
  %a = tensor.reshape(%x) : (tensor<2 x 3 x 4 x f32>) -> tensor<6 x 4 x f32>
  %b = tensor.reshape(%a) : (tensor<6 x 4 x f32>) -> tensor<24 x f32>
  %c = tensor.transpose(%x) {perm = ints[1, 2, 0]} : (tensor<2 x 3 x 4 x f32>) -> tensor<3 x 4 x 2 x f32>
  %d = tensor.transpose(%c) {perm = ints[2, 0, 1]} : (tensor<3 x 4 x 2 x f32>) -> tensor<2 x 3 x 4 x f32>
  %e = tensor.transpose(%y) {perm = ints[1, 0, 3, 2]} : (tensor<1 x 5 x 1 x 6 x f32>) -> tensor<5 x 1 x 6 x 1 x f32>
  core.return(%b, %d, %e) : (tensor<24 x f32>, tensor<2 x 3 x 4 x f32>, tensor<5 x 1 x 6 x 1 x f32>)
}

// CHECK-LABEL: @slices
// CHECK-NEXT: %[[A:.*]] = tensor.slice(%x) {starts = [expr(5)], steps = ints[6]} : (tensor<20 x f32>) -> tensor<2 x f32>
// CHECK: tensor.concat(%x, %y, %x)
// CHECK: core.return(%[[A]], %{{.*}}, %x)
core.func @slices(%x: tensor<20 x f32>, %y: tensor<S x f32>) -> (tensor<2 x f32>, tensor<2 x f32>, tensor<20 x f32>) {
  %a = tensor.slice(%x) {starts = [expr(1)], steps = ints[2]} : (tensor<20 x f32>) -> tensor<8 x f32>
  %b = tensor.slice(%a) {starts = [expr(2)], steps = ints[3]} : (tensor<8 x f32>) -> tensor<2 x f32>
  %c = tensor.concat(%x, %y, %x) {axis = 0} : (tensor<20 x f32>, tensor<S x f32>, tensor<20 x f32>) -> tensor<(S + 40) x f32>
  %d = tensor.slice(%c) {starts = [expr(21)], steps = ints[1]} : (tensor<(S + 40) x f32>) -> tensor<2 x f32>
  %e = tensor.slice(%x) {starts = [expr(0)], steps = ints[1]} : (tensor<20 x f32>) -> tensor<7 x f32>
  %f = tensor.slice(%x) {starts = [expr(7)], steps = ints[1]} : (tensor<20 x f32>) -> tensor<13 x f32>
  %g = tensor.concat(%e, %f) {axis = 0} : (tensor<7 x f32>, tensor<13 x f32>) -> tensor<20 x f32>
  core.return(%b, %d, %g) : (tensor<2 x f32>, tensor<2 x f32>, tensor<20 x f32>)
}

// Only where the slice lies in one operand for every S.
// CHECK-LABEL: @slice_of_concat
// CHECK-NEXT: %[[A:.*]] = tensor.slice(%x) {starts = [expr(2)], steps = ints[1]} : (tensor<20 x f32>) -> tensor<3 x f32>
// CHECK-NEXT: core.return(%[[A]])
core.func @slice_of_concat(%x: tensor<20 x f32>, %y: tensor<S x f32>) -> (tensor<3 x f32>) {
  %c = tensor.concat(%y, %x) {axis = 0} : (tensor<S x f32>, tensor<20 x f32>) -> tensor<(S + 20) x f32>
  %d = tensor.slice(%c) {starts = [expr(S + 2)], steps = ints[1]} : (tensor<(S + 20) x f32>) -> tensor<3 x f32>
  core.return(%d) : (tensor<3 x f32>)
}

// The exponential of a broadcast row is taken once per row element.
// CHECK-LABEL: @hoist
// CHECK-NEXT: %[[E:.*]] = arith.exp(%x) : (tensor<4 x f32>) -> tensor<4 x f32>
// CHECK-NEXT: tensor.broadcast(%[[E]]) : (tensor<4 x f32>) -> tensor<B x 4 x f32>
core.func @hoist(%x: tensor<4 x f32>) -> (tensor<B x 4 x f32>) {
  %r = tensor.reshape(%x) : (tensor<4 x f32>) -> tensor<1 x 4 x f32>
  %b = tensor.broadcast(%r) : (tensor<1 x 4 x f32>) -> tensor<B x 4 x f32>
  %e = arith.exp(%b) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  core.return(%e) : (tensor<B x 4 x f32>)
}

// CHECK-LABEL: @take_one
// CHECK-NEXT: %[[S:.*]] = tensor.slice(%x) {starts = [expr(0), expr(2)], steps = ints[1, 1]} : (tensor<B x 3 x f32>) -> tensor<B x 1 x f32>
// CHECK-NEXT: tensor.reshape(%[[S]]) : (tensor<B x 1 x f32>) -> tensor<B x f32>
core.func @take_one(%x: tensor<B x 3 x f32>) -> (tensor<B x f32>) {
  %i = core.constant {value = data<tensor<i64>>[-1]} : () -> tensor<i64>
  %t = tensor.take(%x, %i) {axis = 1} : (tensor<B x 3 x f32>, tensor<i64>) -> tensor<B x f32>
  core.return(%t) : (tensor<B x f32>)
}

// CHECK-LABEL: @conv_pad
// CHECK: tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[2, 3], pads_low = ints[1, 3], strides = ints[1, 1]}
core.func @conv_pad(%x: tensor<1 x 2 x 8 x 8 x f32>, %w: tensor<4 x 2 x 3 x 3 x f32>) -> (tensor<1 x 4 x 9 x 12 x f32>) {
  %z = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %p = tensor.pad(%x, %z) {low = [expr(0), expr(0), expr(1), expr(2)], high = [expr(0), expr(0), expr(1), expr(2)], mode = "constant"} : (tensor<1 x 2 x 8 x 8 x f32>, tensor<f32>) -> tensor<1 x 2 x 10 x 12 x f32>
  %c = tensor.conv(%p, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[0, 1], strides = ints[1, 1]} : (tensor<1 x 2 x 10 x 12 x f32>, tensor<4 x 2 x 3 x 3 x f32>) -> tensor<1 x 4 x 9 x 12 x f32>
  core.return(%c) : (tensor<1 x 4 x 9 x 12 x f32>)
}

// Elements are narrowed before they are put side by side; a concat that others read, or a widening cast, stays.
// CHECK-LABEL: @narrowed
// CHECK-DAG: %[[A:.*]] = arith.cast(%x) : (tensor<4 x 2 x f32>) -> tensor<4 x 2 x bf16>
// CHECK-DAG: %[[B:.*]] = arith.cast(%y) : (tensor<4 x N x f32>) -> tensor<4 x N x bf16>
// CHECK: tensor.concat(%[[A]], %[[B]]) {axis = 1} : (tensor<4 x 2 x bf16>, tensor<4 x N x bf16>) -> tensor<4 x (N + 2) x bf16>
// CHECK: tensor.concat(%u, %u)
// CHECK-NEXT: arith.cast({{.*}} -> tensor<6 x f32>
core.func @narrowed(%x: tensor<4 x 2 x f32>, %y: tensor<4 x N x f32>, %u: tensor<3 x u8>) -> (tensor<4 x N + 2 x bf16>, tensor<6 x f32>) {
  %c = tensor.concat(%x, %y) {axis = 1} : (tensor<4 x 2 x f32>, tensor<4 x N x f32>) -> tensor<4 x N + 2 x f32>
  %n = arith.cast(%c) : (tensor<4 x N + 2 x f32>) -> tensor<4 x (N + 2) x bf16>
  %d = tensor.concat(%u, %u) {axis = 0} : (tensor<3 x u8>, tensor<3 x u8>) -> tensor<6 x u8>
  %w = arith.cast(%d) : (tensor<6 x u8>) -> tensor<6 x f32>
  core.return(%n, %w) : (tensor<4 x N + 2 x bf16>, tensor<6 x f32>)
}
