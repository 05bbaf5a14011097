// A slice whose place and size are values of the run: the symbols get them from bind_slice, the slice is a view.
// RUN: sluice opt %s --evaluate | FileCheck %s
core.func @main() -> (tensor<2 x ?1 x i32>, tensor<1 x i64>) {
  %x = core.constant {value = data<tensor<2 x 4 x i32>>[1, 2, 3, 4, 5, 6, 7, 8]} : () -> tensor<2 x 4 x i32>
  %from = core.constant {value = data<tensor<1 x i64>>[-3]} : () -> tensor<1 x i64>
  %to = core.constant {value = data<tensor<1 x i64>>[99]} : () -> tensor<1 x i64>
  tensor.bind_slice(%from, %to) {begins = [expr(?2)], dims = [expr(4)], sizes = [expr(?1)]} : (tensor<1 x i64>, tensor<1 x i64>)
  // CHECK: i32[2, 3]: 2 3 4 6 7 8
  %y = tensor.slice(%x) {starts = [expr(0), expr(?2)], steps = ints[1, 1]} : (tensor<2 x 4 x i32>) -> tensor<2 x ?1 x i32>
  // CHECK: i64[1]: 4
  %n = tensor.from_dims {dims = [expr(?1 + ?2)]} : () -> tensor<1 x i64>
  core.return(%y, %n) : (tensor<2 x ?1 x i32>, tensor<1 x i64>)
}
