// Reductions and what shares their rows.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s

// Softmax: one kernel of three passes over a row; the exponentials are kept in the output's row between the second and the third.
// CHECK-LABEL: core.func @softmax
// CHECK: kernel.launch(%x) {{.*}}tasks = expr(B)
// CHECK-NOT: kernel.launch
core.func @softmax(%x: tensor<B x S x f32>) -> (tensor<B x S x f32>) {
  %m = tensor.reduce(%x) {axes = ints[1], kind = "max"} : (tensor<B x S x f32>) -> tensor<B x f32>
  %m1 = tensor.reshape(%m) : (tensor<B x f32>) -> tensor<B x 1 x f32>
  %mb = tensor.broadcast(%m1) : (tensor<B x 1 x f32>) -> tensor<B x S x f32>
  %d = arith.sub(%x, %mb) : (tensor<B x S x f32>, tensor<B x S x f32>) -> tensor<B x S x f32>
  %e = arith.exp(%d) : (tensor<B x S x f32>) -> tensor<B x S x f32>
  %s = tensor.reduce(%e) {axes = ints[1], kind = "sum"} : (tensor<B x S x f32>) -> tensor<B x f32>
  %s1 = tensor.reshape(%s) : (tensor<B x f32>) -> tensor<B x 1 x f32>
  %sb = tensor.broadcast(%s1) : (tensor<B x 1 x f32>) -> tensor<B x S x f32>
  %y = arith.div(%e, %sb) : (tensor<B x S x f32>, tensor<B x S x f32>) -> tensor<B x S x f32>
  core.return(%y) : (tensor<B x S x f32>)
}

// A sum over an outer axis: the lanes take the contiguous axis, so the order of the sum is that of the nest.
// CHECK-LABEL: core.func @columns
core.func @columns(%x: tensor<9 x 64 x f32>) -> (tensor<64 x f32>) {
  %y = tensor.reduce(%x) {axes = ints[0], kind = "sum"} : (tensor<9 x 64 x f32>) -> tensor<64 x f32>
  core.return(%y) : (tensor<64 x f32>)
}

// An extreme's position has no combiner that lanes could fold.
// CHECK-LABEL: core.func @position
core.func @position(%x: tensor<9 x f32>) -> (tensor<i64>) {
  %y = tensor.arg_reduce(%x) {axis = 0, kind = "max"} : (tensor<9 x f32>) -> tensor<i64>
  core.return(%y) : (tensor<i64>)
}

// CHECK-LABEL: kernel.func @rows_
// CHECK-SAME: reason = "rows: 3 passes, 16 lanes along the row, 1 kept
// CHECK: kernel.reduce{{.*}}kind = "max"
// CHECK: arith.exp
// CHECK: kernel.reduce{{.*}}kind = "sum"
// CHECK-NOT: arith.exp
// CHECK-LABEL: kernel.func @reduce_reducesum
// CHECK-SAME: 16 lanes along a row loop
// CHECK-NOT: kernel.reduce
// CHECK-LABEL: kernel.func @reduce_
// CHECK-SAME: 1 lanes along nothing
