// Exact and fast algebra on elementwise ops; strict keeps what would change rounding or signed zeros.
// RUN: sluice opt %s --passes=simplify | FileCheck %s
// RUN: sluice opt %s --passes=simplify --strict | FileCheck %s --check-prefix=STRICT

// CHECK-LABEL: @neutral
// CHECK-NEXT: core.return(%x, %x, %x, %x)
// STRICT-LABEL: @neutral
// STRICT: %[[A:.*]] = arith.add(%x
// STRICT: core.return(%[[A]], %x, %x, %x)
core.func @neutral(%x: tensor<B x 4 x f32>) -> (tensor<B x 4 x f32>, tensor<B x 4 x f32>, tensor<B x 4 x f32>, tensor<B x 4 x f32>) {
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<B x 4 x f32>
  %ones = tensor.broadcast(%one) : (tensor<f32>) -> tensor<B x 4 x f32>
  %a = arith.add(%zeros, %x) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %b = arith.mul(%x, %ones) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %c = arith.div(%x, %ones) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %n = arith.neg(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %d = arith.neg(%n) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  core.return(%a, %b, %c, %d) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>, tensor<B x 4 x f32>, tensor<B x 4 x f32>)
}

// The quotient by a power of two is exact as a product; the one by 3 is not.
// CHECK-LABEL: @powers
// CHECK: core.constant {value = data<tensor<f32>>[0.125]}
// CHECK: arith.mul(%x
// CHECK: arith.div(%x
// CHECK: arith.mul(%x, %x)
// CHECK: arith.sqrt(%x)
// STRICT-LABEL: @powers
// STRICT: arith.mul(%x, %x)
// STRICT: arith.pow(%x
core.func @powers(%x: tensor<B x f32>) -> (tensor<B x f32>, tensor<B x f32>, tensor<B x f32>, tensor<B x f32>) {
  %c8 = core.constant {value = data<tensor<f32>>[8.0]} : () -> tensor<f32>
  %c3 = core.constant {value = data<tensor<f32>>[3.0]} : () -> tensor<f32>
  %c2 = core.constant {value = data<tensor<f32>>[2.0]} : () -> tensor<f32>
  %half = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %b8 = tensor.broadcast(%c8) : (tensor<f32>) -> tensor<B x f32>
  %b3 = tensor.broadcast(%c3) : (tensor<f32>) -> tensor<B x f32>
  %b2 = tensor.broadcast(%c2) : (tensor<f32>) -> tensor<B x f32>
  %bh = tensor.broadcast(%half) : (tensor<f32>) -> tensor<B x f32>
  %a = arith.div(%x, %b8) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %b = arith.div(%x, %b3) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %c = arith.pow(%x, %b2) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %d = arith.pow(%x, %bh) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  core.return(%a, %b, %c, %d) : (tensor<B x f32>, tensor<B x f32>, tensor<B x f32>, tensor<B x f32>)
}

// i32 to f64 and back is the identity; i32 to f64 to i8 saturates where i32 to i8 would wrap, so it stays.
// CHECK-LABEL: @casts
// CHECK: %[[F:.*]] = arith.cast(%x) : (tensor<4 x i32>) -> tensor<4 x f64>
// CHECK-NEXT: %[[N:.*]] = arith.cast(%[[F]])
// CHECK-NEXT: core.return(%x, %[[N]])
core.func @casts(%x: tensor<4 x i32>) -> (tensor<4 x i32>, tensor<4 x i8>) {
  %f = arith.cast(%x) : (tensor<4 x i32>) -> tensor<4 x f64>
  %i = arith.cast(%f) : (tensor<4 x f64>) -> tensor<4 x i32>
  %n = arith.cast(%f) : (tensor<4 x f64>) -> tensor<4 x i8>
  core.return(%i, %n) : (tensor<4 x i32>, tensor<4 x i8>)
}

// Equal ops are one op, whatever the order of commuting operands; what is dead goes, a guard stays.
// CHECK-LABEL: @duplicates
// CHECK: %[[S:.*]] = arith.add(%x, %y)
// CHECK-NEXT: core.guard
// CHECK-NEXT: arith.mul(%[[S]], %[[S]])
core.func @duplicates(%x: tensor<B x f32>, %y: tensor<B x f32>) -> (tensor<B x f32>) {
  %a = arith.add(%x, %y) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %b = arith.add(%y, %x) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %dead = arith.exp(%b) : (tensor<B x f32>) -> tensor<B x f32>
  core.guard {left = expr(B), message = "batch must be 4", right = expr(4)}
  %c = arith.mul(%a, %b) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  core.return(%c) : (tensor<B x f32>)
}

// CHECK-LABEL: @selects
// CHECK-NEXT: %[[S:.*]] = arith.select(%c, %y, %x)
// CHECK-NEXT: core.return(%x, %y, %[[S]])
core.func @selects(%c: tensor<4 x i1>, %x: tensor<4 x f32>, %y: tensor<4 x f32>) -> (tensor<4 x f32>, tensor<4 x f32>, tensor<4 x f32>) {
  %t = core.constant {value = data<tensor<4 x i1>>[1, 1, 1, 1]} : () -> tensor<4 x i1>
  %a = arith.select(%t, %x, %y) : (tensor<4 x i1>, tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
  %b = arith.select(%c, %y, %y) : (tensor<4 x i1>, tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
  %n = arith.not(%c) : (tensor<4 x i1>) -> tensor<4 x i1>
  %d = arith.select(%n, %x, %y) : (tensor<4 x i1>, tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
  core.return(%a, %b, %d) : (tensor<4 x f32>, tensor<4 x f32>, tensor<4 x f32>)
}
