// Integer arithmetic: wrapping, division, shifts, powers; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<3 x u8>, tensor<3 x u8>, tensor<2 x u64>, tensor<2 x u64>, tensor<2 x u64>, tensor<2 x i1>, tensor<i64>, tensor<6 x i32>, tensor<4 x i1>, tensor<4 x i1>, tensor<4 x i1>, tensor<4 x i1>, tensor<3 x i4>, tensor<3 x i4>) {
  %a8 = core.constant {value = data<tensor<5 x i8>>[127, -128, -7, 7, 100]} : () -> tensor<5 x i8>
  %b8 = core.constant {value = data<tensor<5 x i8>>[1, -1, 2, -2, 0]} : () -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: -128 127 -5 5 100{{$}}
  %add = arith.add(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 126 -127 -9 9 100{{$}}
  %sub = arith.sub(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 127 -128 -14 -14 0{{$}}
  %mul = arith.mul(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 127 -128 -3 -3 0{{$}}
  %div = arith.div(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 0 0 -1 1 0{{$}}
  %rem = arith.rem(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 0 0 1 -1 0{{$}}
  %mod = arith.mod(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 127 -1 2 7 100{{$}}
  %max = arith.max(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 1 -128 -7 -2 0{{$}}
  %min = arith.min(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 1 -128 0 6 0{{$}}
  %and = arith.and(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 127 -1 -5 -1 100{{$}}
  %or = arith.or(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 126 127 -5 -7 100{{$}}
  %xor = arith.xor(%a8, %b8) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: -127 -128 7 -7 -100{{$}}
  %neg = arith.neg(%a8) : (tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 127 -128 7 7 100{{$}}
  %abs = arith.abs(%a8) : (tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 1 -1 1 -1 0{{$}}
  %sign = arith.sign(%b8) : (tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: -128 127 6 -8 -101{{$}}
  %not = arith.not(%a8) : (tensor<5 x i8>) -> tensor<5 x i8>
  // Shifts: a count that is not below the width (or negative) shifts everything out.
  %s = core.constant {value = data<tensor<5 x i8>>[-128, 1, 1, -1, 64]} : () -> tensor<5 x i8>
  %by = core.constant {value = data<tensor<5 x i8>>[1, 7, 8, -1, 1]} : () -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: 0 -128 0 0 -128{{$}}
  %shl = arith.shl(%s, %by) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  // CHECK-NEXT: {{^}}i8[5]: -64 0 0 -1 32{{$}}
  %shr = arith.shr(%s, %by) : (tensor<5 x i8>, tensor<5 x i8>) -> tensor<5 x i8>
  %us = core.constant {value = data<tensor<3 x u8>>[255, 128, 3]} : () -> tensor<3 x u8>
  %uby = core.constant {value = data<tensor<3 x u8>>[1, 8, 1]} : () -> tensor<3 x u8>
  // CHECK-NEXT: {{^}}u8[3]: 127 0 1{{$}}
  %ushr = arith.shr(%us, %uby) : (tensor<3 x u8>, tensor<3 x u8>) -> tensor<3 x u8>
  // CHECK-NEXT: {{^}}u8[3]: 254 0 6{{$}}
  %ushl = arith.shl(%us, %uby) : (tensor<3 x u8>, tensor<3 x u8>) -> tensor<3 x u8>
  // 64 bits, signed and unsigned.
  %w = core.constant {value = data<tensor<2 x u64>>[18446744073709551615, 9223372036854775808]} : () -> tensor<2 x u64>
  %v = core.constant {value = data<tensor<2 x u64>>[2, 3]} : () -> tensor<2 x u64>
  // CHECK-NEXT: {{^}}u64[2]: 9223372036854775807 3074457345618258602{{$}}
  %wdiv = arith.div(%w, %v) : (tensor<2 x u64>, tensor<2 x u64>) -> tensor<2 x u64>
  // CHECK-NEXT: {{^}}u64[2]: 1 2{{$}}
  %wrem = arith.rem(%w, %v) : (tensor<2 x u64>, tensor<2 x u64>) -> tensor<2 x u64>
  // CHECK-NEXT: {{^}}u64[2]: 18446744073709551615 9223372036854775808{{$}}
  %wmax = arith.max(%w, %v) : (tensor<2 x u64>, tensor<2 x u64>) -> tensor<2 x u64>
  // CHECK-NEXT: {{^}}i1[2]: 1 1{{$}}
  %wlt = arith.cmp(%v, %w) {predicate = "lt"} : (tensor<2 x u64>, tensor<2 x u64>) -> tensor<2 x i1>
  %l = core.constant {value = data<tensor<i64>>[-9223372036854775808]} : () -> tensor<i64>
  %m1 = core.constant {value = data<tensor<i64>>[-1]} : () -> tensor<i64>
  // CHECK-NEXT: {{^}}i64[]: -9223372036854775808{{$}}
  %ldiv = arith.div(%l, %m1) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // A negative exponent gives 0 except for bases 1 and -1.
  %base = core.constant {value = data<tensor<6 x i32>>[3, 2, -1, -1, 1, 2]} : () -> tensor<6 x i32>
  %exponent = core.constant {value = data<tensor<6 x i32>>[4, -1, -3, -2, -5, 33]} : () -> tensor<6 x i32>
  // CHECK-NEXT: {{^}}i32[6]: 81 0 -1 1 1 0{{$}}
  %pow = arith.pow(%base, %exponent) : (tensor<6 x i32>, tensor<6 x i32>) -> tensor<6 x i32>
  // i1 is logical.
  %p = core.constant {value = data<tensor<4 x i1>>[false, false, true, true]} : () -> tensor<4 x i1>
  %q = core.constant {value = data<tensor<4 x i1>>[false, true, false, true]} : () -> tensor<4 x i1>
  // CHECK-NEXT: {{^}}i1[4]: 0 0 0 1{{$}}
  %land = arith.and(%p, %q) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
  // CHECK-NEXT: {{^}}i1[4]: 0 1 1 1{{$}}
  %lor = arith.or(%p, %q) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
  // CHECK-NEXT: {{^}}i1[4]: 0 1 1 0{{$}}
  %lxor = arith.xor(%p, %q) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
  // CHECK-NEXT: {{^}}i1[4]: 1 1 0 0{{$}}
  %lnot = arith.not(%p) : (tensor<4 x i1>) -> tensor<4 x i1>
  // Sub-byte integers wrap, too.
  %n4 = core.constant {value = data<tensor<3 x i4>>[7, -8, 3]} : () -> tensor<3 x i4>
  %o4 = core.constant {value = data<tensor<3 x i4>>[1, -1, 3]} : () -> tensor<3 x i4>
  // CHECK-NEXT: {{^}}i4[3]: -8 7 6{{$}}
  %add4 = arith.add(%n4, %o4) : (tensor<3 x i4>, tensor<3 x i4>) -> tensor<3 x i4>
  // CHECK-NEXT: {{^}}i4[3]: 7 -8 -7{{$}}
  %mul4 = arith.mul(%n4, %o4) : (tensor<3 x i4>, tensor<3 x i4>) -> tensor<3 x i4>
  core.return(%add, %sub, %mul, %div, %rem, %mod, %max, %min, %and, %or, %xor, %neg, %abs, %sign, %not, %shl, %shr, %ushr, %ushl, %wdiv, %wrem, %wmax, %wlt, %ldiv, %pow, %land, %lor, %lxor, %lnot, %add4, %mul4) : (tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<5 x i8>, tensor<3 x u8>, tensor<3 x u8>, tensor<2 x u64>, tensor<2 x u64>, tensor<2 x u64>, tensor<2 x i1>, tensor<i64>, tensor<6 x i32>, tensor<4 x i1>, tensor<4 x i1>, tensor<4 x i1>, tensor<4 x i1>, tensor<3 x i4>, tensor<3 x i4>)
}
