// Between sums of bytes and the next bytes: one fma, a rounding and a cast. The division by the scale is folded into the constants; clamps that bytes do anyway go.
// RUN: sluice opt %s --passes=recover-integers,simplify --decisions=recover-integers -o %t.sl 2> %t.decisions
// RUN: FileCheck %s --input-file %t.sl
// RUN: FileCheck %s --check-prefix=WHY --input-file %t.decisions
// RUN: sluice opt %s --passes=recover-integers --strict | FileCheck %s --check-prefix=STRICT

// WHY: requantized: the scales of sums and of the bytes that they become in one
// WHY: requantized: the scales of sums and of the bytes that they become in one
// WHY-NOT: requantized

// y = f32(sum) * [0.125, 0.0625] + bias, in steps of 0.5 around 3: f32(sum) * [0.25, 0.125] + (bias / 0.5 + 3). The clamp to 0 and more stays, because bytes begin at -1.5.
// CHECK-LABEL: @product
// CHECK: tensor.contract({{.*}}-> tensor<5 x 2 x i32>
// CHECK: data<{{.*}}f32>>[0.25, 0.125,
// CHECK: data<{{.*}}f32>>[5.0, 1.0,
// CHECK: arith.fma(
// CHECK: arith.max
// CHECK-NEXT: arith.round
// CHECK-NEXT: arith.cast({{.*}}-> tensor<5 x 2 x u8>
// CHECK-NOT: arith.div
// STRICT-LABEL: @product
// STRICT: arith.div
core.func @product(%q: tensor<5 x 4 x u8>) -> (tensor<5 x 2 x u8>) {
  %w = core.constant {value = data<tensor<4 x 2 x i8>>[1, 1, -1, 2, 2, 3, -2, 4]} : () -> tensor<4 x 2 x i8>
  %scale = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %scales = core.constant {value = data<tensor<2 x f32>>[0.25, 0.125]} : () -> tensor<2 x f32>
  %bias = core.constant {value = data<tensor<2 x f32>>[1, -1]} : () -> tensor<2 x f32>
  %three = core.constant {value = data<tensor<f32>>[3]} : () -> tensor<f32>
  %nothing = core.constant {value = data<tensor<f32>>[0]} : () -> tensor<f32>
  %qi = arith.cast(%q) : (tensor<5 x 4 x u8>) -> tensor<5 x 4 x i32>
  %qf = arith.cast(%qi) : (tensor<5 x 4 x i32>) -> tensor<5 x 4 x f32>
  %s = tensor.broadcast(%scale) : (tensor<f32>) -> tensor<5 x 4 x f32>
  %x = arith.mul(%qf, %s) : (tensor<5 x 4 x f32>, tensor<5 x 4 x f32>) -> tensor<5 x 4 x f32>
  %wf = arith.cast(%w) : (tensor<4 x 2 x i8>) -> tensor<4 x 2 x f32>
  %t = tensor.broadcast(%scales) : (tensor<2 x f32>) -> tensor<4 x 2 x f32>
  %v = arith.mul(%wf, %t) : (tensor<4 x 2 x f32>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32>
  %y = tensor.contract(%x, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<5 x 4 x f32>, tensor<4 x 2 x f32>) -> tensor<5 x 2 x f32>
  %b = tensor.broadcast(%bias) : (tensor<2 x f32>) -> tensor<5 x 2 x f32>
  %z = arith.add(%y, %b) : (tensor<5 x 2 x f32>, tensor<5 x 2 x f32>) -> tensor<5 x 2 x f32>
  %o = tensor.broadcast(%nothing) : (tensor<f32>) -> tensor<5 x 2 x f32>
  %r = arith.max(%z, %o) : (tensor<5 x 2 x f32>, tensor<5 x 2 x f32>) -> tensor<5 x 2 x f32>
  %so = tensor.broadcast(%scale) : (tensor<f32>) -> tensor<5 x 2 x f32>
  %d = arith.div(%r, %so) : (tensor<5 x 2 x f32>, tensor<5 x 2 x f32>) -> tensor<5 x 2 x f32>
  %n = arith.round(%d) : (tensor<5 x 2 x f32>) -> tensor<5 x 2 x f32>
  %zo = tensor.broadcast(%three) : (tensor<f32>) -> tensor<5 x 2 x f32>
  %a = arith.add(%n, %zo) : (tensor<5 x 2 x f32>, tensor<5 x 2 x f32>) -> tensor<5 x 2 x f32>
  %u = arith.cast(%a) : (tensor<5 x 2 x f32>) -> tensor<5 x 2 x u8>
  core.return(%u) : (tensor<5 x 2 x u8>)
}

// Bytes from sums in i32 and from other bytes; what u8 holds makes the clamps to [0, 200] at 0.5 a step superfluous.
// CHECK-LABEL: @branches
// CHECK: arith.fma(
// CHECK-NOT: arith.max
// CHECK-NOT: arith.min
// CHECK: arith.round
core.func @branches(%i: tensor<7 x i32>, %q: tensor<7 x u8>) -> (tensor<7 x u8>) {
  %scale = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %low = core.constant {value = data<tensor<f32>>[0]} : () -> tensor<f32>
  %high = core.constant {value = data<tensor<f32>>[200]} : () -> tensor<f32>
  %s = tensor.broadcast(%scale) : (tensor<f32>) -> tensor<7 x f32>
  %l = tensor.broadcast(%low) : (tensor<f32>) -> tensor<7 x f32>
  %h = tensor.broadcast(%high) : (tensor<f32>) -> tensor<7 x f32>
  %if = arith.cast(%i) : (tensor<7 x i32>) -> tensor<7 x f32>
  %qf = arith.cast(%q) : (tensor<7 x u8>) -> tensor<7 x f32>
  %x = arith.mul(%if, %s) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %y = arith.mul(%qf, %s) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %sum = arith.add(%x, %y) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %a = arith.max(%sum, %l) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %b = arith.min(%a, %h) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %d = arith.div(%b, %s) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %n = arith.round(%d) : (tensor<7 x f32>) -> tensor<7 x f32>
  %u = arith.cast(%n) : (tensor<7 x f32>) -> tensor<7 x u8>
  core.return(%u) : (tensor<7 x u8>)
}

// A quantization of anything else stays exact.
// CHECK-LABEL: @plain
// CHECK: arith.div
core.func @plain(%x: tensor<7 x f32>) -> (tensor<7 x u8>) {
  %scale = core.constant {value = data<tensor<f32>>[0.3]} : () -> tensor<f32>
  %s = tensor.broadcast(%scale) : (tensor<f32>) -> tensor<7 x f32>
  %d = arith.div(%x, %s) : (tensor<7 x f32>, tensor<7 x f32>) -> tensor<7 x f32>
  %n = arith.round(%d) : (tensor<7 x f32>) -> tensor<7 x f32>
  %u = arith.cast(%n) : (tensor<7 x f32>) -> tensor<7 x u8>
  core.return(%u) : (tensor<7 x u8>)
}
