// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @shape(%x: tensor<B x 4 x f32>, %i: tensor<3 x i64>, %s: tensor<f32>, %one: tensor<1 x i64>, %nd: tensor<5 x 2 x i64>, %i4: tensor<4 x i64>, %u: tensor<* x f32>) {
  %0 = tensor.broadcast(%s) : (tensor<f32>) -> tensor<B x 4 x f32>
  %1 = tensor.reshape(%x) : (tensor<B x 4 x f32>) -> tensor<B x 2 x 2 x f32>
  %2 = tensor.reshape(%x, %i) : (tensor<B x 4 x f32>, tensor<3 x i64>) -> tensor<?1 x ?2 x ?3 x f32>
  %3 = tensor.transpose(%x) {perm = ints[1, 0]} : (tensor<B x 4 x f32>) -> tensor<4 x B x f32>
  %4 = tensor.slice(%x) {starts = [expr(0), expr(3)], steps = ints[1, -1]} : (tensor<B x 4 x f32>) -> tensor<B x 2 x f32>
  %5 = tensor.slice_dynamic(%x, %one, %one, %one) {axes = ints[0]} : (tensor<B x 4 x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?4 x 4 x f32>
  %6 = tensor.concat(%x, %x) {axis = 0} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<(2*B) x 4 x f32>
  %7 = tensor.pad(%x, %s) {high = [expr(0), expr(1)], low = [expr(1), expr(0)], mode = "constant"} : (tensor<B x 4 x f32>, tensor<f32>) -> tensor<(B + 1) x 5 x f32>
  %8 = tensor.pad_dynamic(%x, %i4, %s) {mode = "edge"} : (tensor<B x 4 x f32>, tensor<4 x i64>, tensor<f32>) -> tensor<?5 x ?6 x f32>
  %9 = tensor.take(%x, %i) {axis = 0} : (tensor<B x 4 x f32>, tensor<3 x i64>) -> tensor<3 x 4 x f32>
  %10 = tensor.gather_elements(%x, %nd) {axis = 0} : (tensor<B x 4 x f32>, tensor<5 x 2 x i64>) -> tensor<5 x 2 x f32>
  %11 = tensor.gather_nd(%x, %nd) {batch_dims = 0} : (tensor<B x 4 x f32>, tensor<5 x 2 x i64>) -> tensor<5 x f32>
  %12 = tensor.scatter_elements(%x, %nd, %10) {axis = 0, reduction = "add"} : (tensor<B x 4 x f32>, tensor<5 x 2 x i64>, tensor<5 x 2 x f32>) -> tensor<B x 4 x f32>
  %13 = tensor.scatter_nd(%x, %nd, %11) {reduction = "none"} : (tensor<B x 4 x f32>, tensor<5 x 2 x i64>, tensor<5 x f32>) -> tensor<B x 4 x f32>
  %14 = tensor.iota {axis = 1} : () -> tensor<2 x B x i64>
  %15 = tensor.range(%s, %s, %s) : (tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<?7 x f32>
  %16 = tensor.fill(%s, %i) : (tensor<f32>, tensor<3 x i64>) -> tensor<?8 x ?9 x ?10 x f32>
  %17 = tensor.expand_dynamic(%x, %i) : (tensor<B x 4 x f32>, tensor<3 x i64>) -> tensor<?11 x ?12 x ?13 x f32>
  %18 = tensor.from_dims {dims = [expr(B), expr(4), expr(2*B + 1)]} : () -> tensor<3 x i64>
  %19 = tensor.from_dims {dims = [expr(B)], scalar = true} : () -> tensor<i64>
  %20 = tensor.shape_of(%u) : (tensor<* x f32>) -> tensor<?14 x i64>
  tensor.bind_slice(%one, %one) {begins = [expr(0)], dims = [expr(B)], sizes = [expr(?20)], weights = true} : (tensor<1 x i64>, tensor<1 x i64>)
  %21 = tensor.slice(%x) {starts = [expr(0), expr(0)], steps = ints[1, 1]} : (tensor<B x 4 x f32>) -> tensor<?20 x 4 x f32>
  core.return
}

core.func @compute(%x: tensor<B x 4 x f32>, %w: tensor<4 x 8 x f32>, %image: tensor<N x 3 x 32 x 32 x f32>, %filter: tensor<16 x 3 x 3 x 3 x f32>, %k: tensor<i64>, %m: tensor<N x 3 x 3 x f32>) {
  %0 = tensor.reduce(%x) {axes = ints[1], kind = "sum"} : (tensor<B x 4 x f32>) -> tensor<B x f32>
  %1 = tensor.arg_reduce(%x) {axis = 1, kind = "max", last = true} : (tensor<B x 4 x f32>) -> tensor<B x i64>
  %2 = tensor.cumulate(%x) {axis = 0, exclusive = true, kind = "sum", reverse = false} : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %3 = tensor.contract(%x, %w) {accumulate = f32, left_batch = ints[], left_sum = ints[1], result_element = f32, right_batch = ints[], right_sum = ints[0]} : (tensor<B x 4 x f32>, tensor<4 x 8 x f32>) -> tensor<B x 8 x f32>
  %4 = tensor.conv(%image, %filter) {dilations = ints[1, 1], groups = 1, layout = "nchw", pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<N x 3 x 32 x 32 x f32>, tensor<16 x 3 x 3 x 3 x f32>) -> tensor<N x 16 x 16 x 16 x f32>
  %5 = tensor.pool(%image) {dilations = ints[1, 1], kind = "max", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[2, 2], window = ints[2, 2]} : (tensor<N x 3 x 32 x 32 x f32>) -> tensor<N x 3 x 16 x 16 x f32>
  %top, %at = tensor.topk(%x, %k) {axis = 1, largest = true} : (tensor<B x 4 x f32>, tensor<i64>) -> (tensor<B x ?15 x f32>, tensor<B x ?15 x i64>)
  %6 = tensor.nonzero(%x) : (tensor<B x 4 x f32>) -> tensor<2 x ?16 x i64>
  %values, %first, %inverse, %counts = tensor.unique(%x) {sorted = true} : (tensor<B x 4 x f32>) -> (tensor<?17 x f32>, tensor<?17 x i64>, tensor<(4*B) x i64>, tensor<?17 x i64>)
  %7 = tensor.random {distribution = "normal", first = 0.0, second = 1.0, seed = 7} : () -> tensor<B x 4 x f32>
  %8 = tensor.determinant(%m) : (tensor<N x 3 x 3 x f32>) -> tensor<N x f32>
  core.return
}

core.func @suppression(%boxes: tensor<1 x N x 4 x f32>, %scores: tensor<1 x 2 x N x f32>, %most: tensor<i64>, %threshold: tensor<f32>) -> (tensor<?18 x 3 x i64>) {
  %0 = tensor.nonmax_suppression(%boxes, %scores, %most, %threshold, %threshold) {center_point = false} : (tensor<1 x N x 4 x f32>, tensor<1 x 2 x N x f32>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?18 x 3 x i64>
  core.return(%0) : (tensor<?18 x 3 x i64>)
}

core.func @control(%c: tensor<i1>, %n: tensor<i64>, %x: tensor<B x f32>) -> (tensor<B x f32>, tensor<B x f32>, tensor<?19 x B x f32>) {
  %0 = tensor.if(%c) : (tensor<i1>) -> tensor<B x f32> ({
    %1 = arith.neg(%x) : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%1) : (tensor<B x f32>)
  }, {
    tensor.yield(%x) : (tensor<B x f32>)
  })
  %last, %all = tensor.loop(%n, %c, %0) {carried = 1, trip_count = expr(3)} : (tensor<i64>, tensor<i1>, tensor<B x f32>) -> (tensor<B x f32>, tensor<?19 x B x f32>) ({ ^(%step: tensor<i64>, %go: tensor<i1>, %h: tensor<B x f32>):
    %2 = arith.exp(%h) : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%go, %2, %h) : (tensor<i1>, tensor<B x f32>, tensor<B x f32>)
  })
  core.return(%0, %last, %all) : (tensor<B x f32>, tensor<B x f32>, tensor<?19 x B x f32>)
}
