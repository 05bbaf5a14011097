// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @views(%x: tensor<2 x 4 x f32>, %i: tensor<3 x i64>, %s: tensor<f32>, %u: tensor<* x f32>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.broadcast: tensor<2 x 4 x f32> can't be broadcast to tensor<3 x 4 x f32>
  %0 = tensor.broadcast(%x) : (tensor<2 x 4 x f32>) -> tensor<3 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.reshape: tensor<2 x 4 x f32> and tensor<3 x 3 x f32> have different numbers of elements
  %1 = tensor.reshape(%x) : (tensor<2 x 4 x f32>) -> tensor<3 x 3 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.reshape: the shape operand must be a 1-d integer tensor, not tensor<f32>
  %2 = tensor.reshape(%x, %s) : (tensor<2 x 4 x f32>, tensor<f32>) -> tensor<?1 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.transpose: perm is not a permutation of 0..1
  %3 = tensor.transpose(%x) {perm = ints[0, 0]} : (tensor<2 x 4 x f32>) -> tensor<2 x 2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.transpose: result 0 has type tensor<2 x 4 x f32>, expected tensor<4 x 2 x f32>
  %4 = tensor.transpose(%x) {perm = ints[1, 0]} : (tensor<2 x 4 x f32>) -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.slice: 2 elements from 3 in steps of 1 leave axis 1 of size 4
  %5 = tensor.slice(%x) {starts = [expr(0), expr(3)], steps = ints[1, 1]} : (tensor<2 x 4 x f32>) -> tensor<2 x 2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.slice: the step of axis 1 is 0
  %6 = tensor.slice(%x) {starts = [expr(0), expr(0)], steps = ints[1, 0]} : (tensor<2 x 4 x f32>) -> tensor<2 x 2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.slice_dynamic: axis 5 is out of range for rank 2
  %7 = tensor.slice_dynamic(%x, %i, %i, %i) {axes = ints[5]} : (tensor<2 x 4 x f32>, tensor<3 x i64>, tensor<3 x i64>, tensor<3 x i64>) -> tensor<?2 x ?3 x f32>
  core.return
}
core.func @bound_slices(%one: tensor<1 x i64>, %three: tensor<3 x i64>, %f: tensor<1 x f32>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.bind_slice: operand 1 must hold 1 positions, not tensor<3 x i64>
  tensor.bind_slice(%one, %three) {begins = [expr(0)], dims = [expr(4)], sizes = [expr(?1)]} : (tensor<1 x i64>, tensor<3 x i64>)
// CHECK: :[[@LINE+1]]:3: error: tensor.bind_slice: operand 0 must be a tensor of integers, not tensor<1 x f32>
  tensor.bind_slice(%f, %one) {begins = [expr(0)], dims = [expr(4)], sizes = [expr(?1)]} : (tensor<1 x f32>, tensor<1 x i64>)
// CHECK: :[[@LINE+1]]:3: error: tensor.bind_slice: `sizes` has 2 entries, expected 1
  tensor.bind_slice(%one, %one) {begins = [expr(0)], dims = [expr(4)], sizes = [expr(?1), expr(?2)]} : (tensor<1 x i64>, tensor<1 x i64>)
  core.return
}
core.func @joins(%x: tensor<2 x 4 x f32>, %i: tensor<3 x i64>, %s: tensor<f32>, %nd: tensor<5 x 3 x i64>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.concat: axis 2 is out of range for rank 2
  %0 = tensor.concat(%x, %x) {axis = 2} : (tensor<2 x 4 x f32>, tensor<2 x 4 x f32>) -> tensor<4 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.concat: operands 0 and 1 have different ranks: 2 and 0
  %1 = tensor.concat(%x, %s) {axis = 0} : (tensor<2 x 4 x f32>, tensor<f32>) -> tensor<4 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.pad: attribute `low` has 1 entries, expected 2
  %2 = tensor.pad(%x, %s) {high = [expr(0)], low = [expr(0)], mode = "constant"} : (tensor<2 x 4 x f32>, tensor<f32>) -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.pad: `mode` is "mirror", expected one of: constant reflect edge wrap
  %3 = tensor.pad(%x, %s) {high = [expr(0), expr(0)], low = [expr(0), expr(0)], mode = "mirror"} : (tensor<2 x 4 x f32>, tensor<f32>) -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.pad_dynamic: expected 3 operands, found 2
  %4 = tensor.pad_dynamic(%x, %i) {mode = "edge"} : (tensor<2 x 4 x f32>, tensor<3 x i64>) -> tensor<?1 x ?2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.take: indices must be integers, not f32
  %5 = tensor.take(%x, %x) {axis = 0} : (tensor<2 x 4 x f32>, tensor<2 x 4 x f32>) -> tensor<2 x 4 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.gather_elements: expected 2 operands, found 1
  %6 = tensor.gather_elements(%x) {axis = 0} : (tensor<2 x 4 x f32>) -> tensor<5 x 3 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.gather_nd: attribute `batch_dims` is missing (shared leading dims)
  %7 = tensor.gather_nd(%x, %nd) : (tensor<2 x 4 x f32>, tensor<5 x 3 x i64>) -> tensor<5 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_elements: attribute `reduction` is missing (none (the last wins), add, mul, max or min)
  %8 = tensor.scatter_elements(%x, %nd, %x) {axis = 0} : (tensor<2 x 4 x f32>, tensor<5 x 3 x i64>, tensor<2 x 4 x f32>) -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_nd: expected 3 operands, found 2
  %9 = tensor.scatter_nd(%x, %nd) {reduction = "none"} : (tensor<2 x 4 x f32>, tensor<5 x 3 x i64>) -> tensor<2 x 4 x f32>
  core.return
}
core.func @makers(%x: tensor<2 x 4 x f32>, %i: tensor<3 x i64>, %s: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.iota: axis 2 is out of range for tensor<2 x 4 x f32>
  %0 = tensor.iota {axis = 2} : () -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.range: expected 3 operands, found 2
  %1 = tensor.range(%s, %s) : (tensor<f32>, tensor<f32>) -> tensor<?1 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.fill: expected 2 operands, found 1
  %2 = tensor.fill(%s) : (tensor<f32>) -> tensor<?2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.expand_dynamic: expected 2 operands, found 1
  %3 = tensor.expand_dynamic(%x) : (tensor<2 x 4 x f32>) -> tensor<?3 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.from_dims: attribute `dims` is missing (exprs)
  %4 = tensor.from_dims : () -> tensor<3 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.shape_of: expected 1 operand, found 2
  %5 = tensor.shape_of(%x, %x) : (tensor<2 x 4 x f32>, tensor<2 x 4 x f32>) -> tensor<2 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.random: attribute `first` must be a float, not an integer (first parameter)
  %6 = tensor.random {distribution = "normal", first = 0, second = 1.0, seed = 7} : () -> tensor<4 x f32>
  core.return
}
core.func @sums(%x: tensor<2 x 4 x f32>, %w: tensor<5 x 8 x f32>, %image: tensor<1 x 3 x 8 x 8 x f32>, %filter: tensor<16 x 4 x 3 x 3 x f32>, %k: tensor<i64>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.reduce: axis 2 is out of range for rank 2
  %0 = tensor.reduce(%x) {axes = ints[2], kind = "sum"} : (tensor<2 x 4 x f32>) -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.reduce: `kind` is "mean", expected one of: sum prod max min and or
  %1 = tensor.reduce(%x) {axes = ints[1], kind = "mean"} : (tensor<2 x 4 x f32>) -> tensor<2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.arg_reduce: axis -1 is out of range for rank 2
  %2 = tensor.arg_reduce(%x) {axis = -1, kind = "max"} : (tensor<2 x 4 x f32>) -> tensor<2 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.cumulate: attribute `kind` is missing (sum or prod)
  %3 = tensor.cumulate(%x) {axis = 0} : (tensor<2 x 4 x f32>) -> tensor<2 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.contract: contracted sizes differ: axis 1 of the left has 4, axis 0 of the right has 5
  %4 = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x 4 x f32>, tensor<5 x 8 x f32>) -> tensor<2 x 8 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.conv: x has 3 channels; w expects 4 per group in 1 groups
  %5 = tensor.conv(%image, %filter) {dilations = ints[1, 1], groups = 1, pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 3 x 8 x 8 x f32>, tensor<16 x 4 x 3 x 3 x f32>) -> tensor<1 x 16 x 8 x 8 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.pool: attribute `strides` has 1 entries, expected 2
  %6 = tensor.pool(%image) {dilations = ints[1, 1], kind = "max", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[2], window = ints[2, 2]} : (tensor<1 x 3 x 8 x 8 x f32>) -> tensor<1 x 3 x 4 x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.topk: expected 2 results, found 1
  %7 = tensor.topk(%x, %k) {axis = 1, largest = true} : (tensor<2 x 4 x f32>, tensor<i64>) -> tensor<2 x ?1 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.nonzero: result 0 has type tensor<3 x ?2 x i64>, expected tensor<2 x ?5 x i64>
  %8 = tensor.nonzero(%x) : (tensor<2 x 4 x f32>) -> tensor<3 x ?2 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.unique: expected 4 results, found 1
  %9 = tensor.unique(%x) {sorted = true} : (tensor<2 x 4 x f32>) -> tensor<?3 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.nonmax_suppression: expected 5 operands, found 2
  %10 = tensor.nonmax_suppression(%x, %x) {center_point = false} : (tensor<2 x 4 x f32>, tensor<2 x 4 x f32>) -> tensor<?4 x 3 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.determinant: the last two axes of tensor<2 x 4 x f32> are no square matrix
  %11 = tensor.determinant(%x) : (tensor<2 x 4 x f32>) -> tensor<f32>
  core.return
}
core.func @control(%c: tensor<i1>, %n: tensor<i64>, %x: tensor<4 x f32>) {
// CHECK: :[[@LINE+2]]:3: error: tensor.if: the condition must be a rank-0 i1, not tensor<i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.if: branch 1 yields 0 values, the op has 1 results
  %0 = tensor.if(%n) : (tensor<i64>) -> tensor<4 x f32> ({
    tensor.yield(%x) : (tensor<4 x f32>)
  }, {
    tensor.yield
  })
// CHECK: :[[@LINE+1]]:3: error: tensor.loop: with 2 carried values it takes 4 operands and 4 block arguments and yields a condition and one value per result; it has 3 operands, 3 arguments, 1 results and yields 2 values
  %1 = tensor.loop(%n, %c, %x) {carried = 2} : (tensor<i64>, tensor<i1>, tensor<4 x f32>) -> tensor<4 x f32> ({ ^(%step: tensor<i64>, %go: tensor<i1>, %h: tensor<4 x f32>):
    tensor.yield(%go, %h) : (tensor<i1>, tensor<4 x f32>)
  })
  core.return
}
core.func @unrelated(%c: tensor<i1>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.yield: a terminator must be the last op of its region
  tensor.yield
  core.return
}
