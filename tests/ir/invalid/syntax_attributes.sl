// Syntax errors: each is reported at its place, and reading goes on behind it.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @attributes(%x: tensor<2 x f32>) {
// CHECK: :[[@LINE+1]]:28: error: expected an attribute value, found `}`
  %0 = tensor.iota {axis = } : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:31: error: attribute `axis` is given twice
  %1 = tensor.iota {axis = 1, axis = 2} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:28: error: this integer does not fit in 64 bits
  %2 = tensor.iota {axis = 99999999999999999999} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:36: error: expected an integer, found `0.5`
  %3 = tensor.iota {axis = ints[1, 0.5]} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:35: error: expected an expression, found `)`
  %4 = core.dim {value = expr(B + )} : () -> i64
// CHECK: :[[@LINE+1]]:43: error: a divisor must be positive, not 0
  %5 = core.dim {value = expr(floordiv(B, 0))} : () -> i64
// CHECK: :[[@LINE+1]]:52: error: 1 elements for a type with 2
  %6 = core.constant {value = data<tensor<2 x f32>>[1.0]} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:55: error: this value does not fit in i8
  %7 = core.constant {value = data<tensor<2 x i8>>[1, 300]} : () -> tensor<2 x i8>
// CHECK: :[[@LINE+1]]:41: error: a floating-point value in data of element type i32
  %8 = core.constant {value = data<i32>[0.5]} : () -> i32
// CHECK: :[[@LINE+1]]:36: error: data needs a scalar type or a tensor type with constant dimensions of a sane size
  %9 = core.constant {value = data<tensor<B x f32>>[1.0]} : () -> tensor<2 x f32>
  %10 = core.constant {value = data<tensor<2 x f32>>@"missing"} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:65: error: blob "huge" has 4000000000000 bytes, which this text is too short to hold
  %11 = core.constant {value = data<tensor<1000000000000 x f32>>@"huge"} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:43: error: loop indices are named in order: expected `d1`
  %12 = nest.generic(%x) {maps = [map(d0, d2)[d0]]} : (tensor<2 x f32>) -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:29: error: this string has no closing quote
  %13 = tensor.iota {axis = "no end
// CHECK: :[[@LINE+1]]:29: error: malformed escape in this string: \" \\ \n \t and \xHH (not \x00) are known
  %14 = tensor.iota {axis = "bad \q escape"} : () -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:37: error: data can't hold strings
  %15 = core.constant {value = data<str>["a"]} : () -> str
// CHECK: :[[@LINE+1]]:29: error: this character has no meaning here
  %16 = tensor.iota {axis = ~} : () -> tensor<2 x f32>
  core.return
}
// CHECK: :[[@LINE+2]]:6: error: blob "unused" is used nowhere
// CHECK: :[[@LINE-16]]:53: error: blob "missing" has no section `blob "missing" = hex ...` in this text
blob "unused" = hex "00"
