// Float arithmetic: NaN, signed zeros, rounding of narrow types; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<1 x f32>, tensor<1 x f16>, tensor<3 x f16>, tensor<3 x bf16>, tensor<3 x f8e4m3>, tensor<1 x f64>, tensor<1 x i1>) {
  %a = core.constant {value = data<tensor<6 x f32>>[1.0, nan, inf, -0.0, -7.5, 5.5]} : () -> tensor<6 x f32>
  %b = core.constant {value = data<tensor<6 x f32>>[2.0, 1.0, -inf, 0.0, 2.0, -2.0]} : () -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 3 nan {{-?}}nan 0 -5.5 3.5{{$}}
  %add = arith.add(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: -1 nan inf -0 -9.5 7.5{{$}}
  %sub = arith.sub(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 2 nan -inf -0 -15 -11{{$}}
  %mul = arith.mul(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 0.5 nan {{-?}}nan {{-?}}nan -3.75 -2.75{{$}}
  %div = arith.div(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 nan {{-?}}nan {{-?}}nan -1.5 1.5{{$}}
  %rem = arith.rem(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 nan {{-?}}nan {{-?}}nan 0.5 -0.5{{$}}
  %mod = arith.mod(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 2 nan inf 0 2 5.5{{$}}
  %max = arith.max(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 nan -inf -0 -7.5 -2{{$}}
  %min = arith.min(%a, %b) : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: -2 -1 inf -0 -2 2{{$}}
  %neg = arith.neg(%b) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 nan inf 0 7.5 5.5{{$}}
  %abs = arith.abs(%a) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 nan 1 0 -1 1{{$}}
  %sign = arith.sign(%a) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}i1[6]: 0 1 0 0 0 0{{$}}
  %isnan = arith.isnan(%a) : (tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 0 0 1 0 0 0{{$}}
  %isinf = arith.isinf(%a) : (tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 0 0 0 1 0 0{{$}}
  %eq = arith.cmp(%a, %b) {predicate = "eq"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 1 1 1 0 1 1{{$}}
  %ne = arith.cmp(%a, %b) {predicate = "ne"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 1 0 0 0 1 0{{$}}
  %lt = arith.cmp(%a, %b) {predicate = "lt"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 1 0 0 1 1 0{{$}}
  %le = arith.cmp(%a, %b) {predicate = "le"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 0 0 1 0 0 1{{$}}
  %gt = arith.cmp(%a, %b) {predicate = "gt"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}i1[6]: 0 0 1 1 0 1{{$}}
  %ge = arith.cmp(%a, %b) {predicate = "ge"} : (tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x i1>
  // CHECK-NEXT: {{^}}f32[6]: 1 1 -inf 0 -7.5 -2{{$}}
  %select = arith.select(%lt, %a, %b) : (tensor<6 x i1>, tensor<6 x f32>, tensor<6 x f32>) -> tensor<6 x f32>
  %r = core.constant {value = data<tensor<6 x f32>>[0.5, 1.5, 2.5, -0.5, -1.5, 1.25]} : () -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 0 2 2 -0 -2 1{{$}}
  %round = arith.round(%r) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 0 1 2 -1 -2 1{{$}}
  %floor = arith.floor(%r) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 1 2 3 -0 -1 2{{$}}
  %ceil = arith.ceil(%r) : (tensor<6 x f32>) -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}f32[6]: 0 1 2 -0 -1 1{{$}}
  %trunc = arith.trunc(%r) : (tensor<6 x f32>) -> tensor<6 x f32>
  // Functions where they are exact, and at their ends.
  %z = core.constant {value = data<tensor<2 x f32>>[0.0, 1.0]} : () -> tensor<2 x f32>
  %four = core.constant {value = data<tensor<2 x f32>>[4.0, -1.0]} : () -> tensor<2 x f32>
  %inf = core.constant {value = data<tensor<2 x f32>>[-inf, inf]} : () -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 2 {{-?}}nan{{$}}
  %sqrt = arith.sqrt(%four) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1 2.71828175{{$}}
  %exp = arith.exp(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: -inf 0{{$}}
  %log = arith.log(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 0.693147182{{$}}
  %log1p = arith.log1p(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 1.71828187{{$}}
  %expm1 = arith.expm1(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 0.841470957{{$}}
  %sin = arith.sin(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1 0.540302277{{$}}
  %cos = arith.cos(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 1.55740774{{$}}
  %tan = arith.tan(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 1.57079637{{$}}
  %asin = arith.asin(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1.57079637 0{{$}}
  %acos = arith.acos(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 0.785398185{{$}}
  %atan = arith.atan(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 1.17520118{{$}}
  %sinh = arith.sinh(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1 1.54308069{{$}}
  %cosh = arith.cosh(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: -1 1{{$}}
  %tanh = arith.tanh(%inf) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 0.881373584{{$}}
  %asinh = arith.asinh(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: {{-?}}nan 0{{$}}
  %acosh = arith.acosh(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0 inf{{$}}
  %atanh = arith.atanh(%z) : (tensor<2 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: -1 1{{$}}
  %erf = arith.erf(%inf) : (tensor<2 x f32>) -> tensor<2 x f32>
  %two = core.constant {value = data<tensor<2 x f32>>[2.0, 2.0]} : () -> tensor<2 x f32>
  %e = core.constant {value = data<tensor<2 x f32>>[-2.0, 0.5]} : () -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 0.25 1.41421354{{$}}
  %pow = arith.pow(%two, %e) : (tensor<2 x f32>, tensor<2 x f32>) -> tensor<2 x f32>
  // fma rounds once: (1 + 2^-12)^2 - 1 - 2^-11 = 2^-24; a product rounded first would give 0. The same for f16 with 2^-6.
  %x = core.constant {value = data<tensor<1 x f32>>[1.000244140625]} : () -> tensor<1 x f32>
  %y = core.constant {value = data<tensor<1 x f32>>[-1.00048828125]} : () -> tensor<1 x f32>
  // CHECK-NEXT: {{^}}f32[1]: 5.96046448e-08{{$}}
  %fma = arith.fma(%x, %x, %y) : (tensor<1 x f32>, tensor<1 x f32>, tensor<1 x f32>) -> tensor<1 x f32>
  %xh = core.constant {value = data<tensor<1 x f16>>[1.015625]} : () -> tensor<1 x f16>
  %yh = core.constant {value = data<tensor<1 x f16>>[-1.03125]} : () -> tensor<1 x f16>
  // CHECK-NEXT: {{^}}f16[1]: 0.000244140625{{$}}
  %fmah = arith.fma(%xh, %xh, %yh) : (tensor<1 x f16>, tensor<1 x f16>, tensor<1 x f16>) -> tensor<1 x f16>
  // Narrow floats round after each op, halves to even: f16 has 11 digits, bf16 8, f8e4m3 4 (and saturates at 448).
  %h = core.constant {value = data<tensor<3 x f16>>[2048.0, 2048.0, 60000.0]} : () -> tensor<3 x f16>
  %i = core.constant {value = data<tensor<3 x f16>>[1.0, 3.0, 60000.0]} : () -> tensor<3 x f16>
  // CHECK-NEXT: {{^}}f16[3]: 2048 2052 inf{{$}}
  %addh = arith.add(%h, %i) : (tensor<3 x f16>, tensor<3 x f16>) -> tensor<3 x f16>
  %bf = core.constant {value = data<tensor<3 x bf16>>[256.0, 256.0, 1.0]} : () -> tensor<3 x bf16>
  %bg = core.constant {value = data<tensor<3 x bf16>>[1.0, 3.0, 0.0078125]} : () -> tensor<3 x bf16>
  // CHECK-NEXT: {{^}}bf16[3]: 256 260 1.0078125{{$}}
  %addb = arith.add(%bf, %bg) : (tensor<3 x bf16>, tensor<3 x bf16>) -> tensor<3 x bf16>
  %f8 = core.constant {value = data<tensor<3 x f8e4m3>>[16.0, 16.0, 448.0]} : () -> tensor<3 x f8e4m3>
  %g8 = core.constant {value = data<tensor<3 x f8e4m3>>[1.0, 3.0, 448.0]} : () -> tensor<3 x f8e4m3>
  // CHECK-NEXT: {{^}}f8e4m3[3]: 16 20 448{{$}}
  %add8 = arith.add(%f8, %g8) : (tensor<3 x f8e4m3>, tensor<3 x f8e4m3>) -> tensor<3 x f8e4m3>
  %d = core.constant {value = data<tensor<1 x f64>>[0.1]} : () -> tensor<1 x f64>
  %d2 = core.constant {value = data<tensor<1 x f64>>[0.2]} : () -> tensor<1 x f64>
  // CHECK-NEXT: {{^}}f64[1]: 0.3{{$}}
  %addd = arith.add(%d, %d2) : (tensor<1 x f64>, tensor<1 x f64>) -> tensor<1 x f64>
  %third = core.constant {value = data<tensor<1 x f64>>[0.30000000000000004]} : () -> tensor<1 x f64>
  // CHECK-NEXT: {{^}}i1[1]: 1{{$}}
  %exact = arith.cmp(%addd, %third) {predicate = "eq"} : (tensor<1 x f64>, tensor<1 x f64>) -> tensor<1 x i1>
  core.return(%add, %sub, %mul, %div, %rem, %mod, %max, %min, %neg, %abs, %sign, %isnan, %isinf, %eq, %ne, %lt, %le, %gt, %ge, %select, %round, %floor, %ceil, %trunc, %sqrt, %exp, %log, %log1p, %expm1, %sin, %cos, %tan, %asin, %acos, %atan, %sinh, %cosh, %tanh, %asinh, %acosh, %atanh, %erf, %pow, %fma, %fmah, %addh, %addb, %add8, %addd, %exact) : (tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x i1>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<6 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<2 x f32>, tensor<1 x f32>, tensor<1 x f16>, tensor<3 x f16>, tensor<3 x bf16>, tensor<3 x f8e4m3>, tensor<1 x f64>, tensor<1 x i1>)
}
