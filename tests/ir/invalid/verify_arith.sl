// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @elements(%x: tensor<4 x f32>, %i: tensor<4 x i32>, %p: tensor<4 x i1>) {
// CHECK: :[[@LINE+1]]:3: error: arith.add: operands must have a numeric element type (float or integer, not i1)
  %0 = arith.add(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.sub: operands must have a numeric element type (float or integer, not i1)
  %1 = arith.sub(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.mul: operands must have a numeric element type (float or integer, not i1)
  %2 = arith.mul(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.div: operands must have a numeric element type (float or integer, not i1)
  %3 = arith.div(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.rem: operands must have a numeric element type (float or integer, not i1)
  %4 = arith.rem(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.mod: operands must have a numeric element type (float or integer, not i1)
  %5 = arith.mod(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.pow: operands must have a numeric element type (float or integer, not i1)
  %6 = arith.pow(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.max: operands must have a numeric element type (float or integer, not i1)
  %7 = arith.max(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.min: operands must have a numeric element type (float or integer, not i1)
  %8 = arith.min(%p, %p) : (tensor<4 x i1>, tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.and: operands must have an integer or i1 element type
  %9 = arith.and(%x, %x) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.or: operands must have an integer or i1 element type
  %10 = arith.or(%x, %x) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.xor: operands must have an integer or i1 element type
  %11 = arith.xor(%x, %x) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.shl: operands must have an integer or i1 element type
  %12 = arith.shl(%x, %x) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.shr: operands must have an integer or i1 element type
  %13 = arith.shr(%x, %x) : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.neg: operands must have a numeric element type (float or integer, not i1)
  %14 = arith.neg(%p) : (tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.abs: operands must have a numeric element type (float or integer, not i1)
  %15 = arith.abs(%p) : (tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.sign: operands must have a numeric element type (float or integer, not i1)
  %16 = arith.sign(%p) : (tensor<4 x i1>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.not: operands must have an integer or i1 element type
  %17 = arith.not(%x) : (tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.ceil: operands must have a floating-point element type
  %18 = arith.ceil(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.floor: operands must have a floating-point element type
  %19 = arith.floor(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.round: operands must have a floating-point element type
  %20 = arith.round(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.trunc: operands must have a floating-point element type
  %21 = arith.trunc(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.sqrt: operands must have a floating-point element type
  %22 = arith.sqrt(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.exp: operands must have a floating-point element type
  %23 = arith.exp(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.log: operands must have a floating-point element type
  %24 = arith.log(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.log1p: operands must have a floating-point element type
  %25 = arith.log1p(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.expm1: operands must have a floating-point element type
  %26 = arith.expm1(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.sin: operands must have a floating-point element type
  %27 = arith.sin(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.cos: operands must have a floating-point element type
  %28 = arith.cos(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.tan: operands must have a floating-point element type
  %29 = arith.tan(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.asin: operands must have a floating-point element type
  %30 = arith.asin(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.acos: operands must have a floating-point element type
  %31 = arith.acos(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.atan: operands must have a floating-point element type
  %32 = arith.atan(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.sinh: operands must have a floating-point element type
  %33 = arith.sinh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.cosh: operands must have a floating-point element type
  %34 = arith.cosh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.tanh: operands must have a floating-point element type
  %35 = arith.tanh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.asinh: operands must have a floating-point element type
  %36 = arith.asinh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.acosh: operands must have a floating-point element type
  %37 = arith.acosh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.atanh: operands must have a floating-point element type
  %38 = arith.atanh(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.erf: operands must have a floating-point element type
  %39 = arith.erf(%i) : (tensor<4 x i32>) -> tensor<4 x i32>
// CHECK: :[[@LINE+1]]:3: error: arith.isnan: operands must have a floating-point element type
  %40 = arith.isnan(%i) : (tensor<4 x i32>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.isinf: operands must have a floating-point element type
  %41 = arith.isinf(%i) : (tensor<4 x i32>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.fma: operands must have a floating-point element type
  %42 = arith.fma(%i, %i, %i) : (tensor<4 x i32>, tensor<4 x i32>, tensor<4 x i32>) -> tensor<4 x i32>
  core.return
}
core.func @shapes(%x: tensor<4 x f32>, %y: tensor<5 x f32>, %d: tensor<4 x f64>, %p: tensor<5 x i1>, %v: partition<2>) {
// CHECK: :[[@LINE+1]]:3: error: arith.add: operands 0 and 1 differ: tensor<4 x f32> and tensor<5 x f32>
  %0 = arith.add(%x, %y) : (tensor<4 x f32>, tensor<5 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.add: operands 0 and 1 differ: tensor<4 x f32> and tensor<4 x f64>
  %1 = arith.add(%x, %d) : (tensor<4 x f32>, tensor<4 x f64>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.neg: result 0 has type tensor<5 x f32>, expected tensor<4 x f32>
  %2 = arith.neg(%x) : (tensor<4 x f32>) -> tensor<5 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.cmp: `predicate` is "less", expected one of: eq ne lt le gt ge
  %3 = arith.cmp(%x, %x) {predicate = "less"} : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: arith.cmp: result 0 has type tensor<4 x f32>, expected tensor<4 x i1>
  %4 = arith.cmp(%x, %x) {predicate = "lt"} : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.select: the condition's shape differs from the operands': tensor<5 x i1> and tensor<4 x f32>
  %5 = arith.select(%p, %x, %x) : (tensor<5 x i1>, tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.select: the condition must have element type i1, not f32
  %6 = arith.select(%x, %x, %x) : (tensor<4 x f32>, tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: arith.cast: the shape can't change from tensor<4 x f32> to tensor<5 x f16>
  %7 = arith.cast(%x) : (tensor<4 x f32>) -> tensor<5 x f16>
// CHECK: :[[@LINE+1]]:3: error: arith.cast: `round` is "sideways", expected one of: nearest up down zero
  %8 = arith.cast(%x) {round = "sideways"} : (tensor<4 x f32>) -> tensor<4 x f16>
// CHECK: :[[@LINE+1]]:3: error: arith.bitcast: f32 and i64 have different widths
  %9 = arith.bitcast(%x) : (tensor<4 x f32>) -> tensor<4 x i64>
// CHECK: :[[@LINE+1]]:3: error: arith.cast: strings can't be converted
  %10 = arith.cast(%x) : (tensor<4 x f32>) -> tensor<4 x str>
// CHECK: :[[@LINE+1]]:3: error: arith.neg: operands must have a numeric element type (float or integer, not i1)
  %11 = arith.neg(%v) : (partition<2>) -> partition<2>
  core.return
}
