// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @main(%x: tensor<B x K x f32>, %w: tensor<K x N x f32>, %bias: tensor<N x f32>, %table: tensor<V x f32>, %ids: tensor<B x i64>) -> (tensor<B x N x f32>, tensor<B x f32>, tensor<B x i64>) {
  %0 = nest.group {anchor = 0, kind = "contraction", reason = "epilogue into the tile", tile = ints[4, 16, 0]} : () -> tensor<B x N x f32> ({
    %1 = nest.generic(%x, %w) {bounds = [expr(B), expr(N), expr(K)], init = [data<f32>[0.0]], iterators = ["parallel", "parallel", "reduction"], maps = [map(d0, d1, d2)[d0, d2], map(d0, d1, d2)[d2, d1], map(d0, d1, d2)[d0, d1]], reason = "tensor.contract"} : (tensor<B x K x f32>, tensor<K x N x f32>) -> tensor<B x N x f32> ({ ^(%a: f32, %b: f32, %sum: f32):
      %2 = arith.fma(%a, %b, %sum) : (f32, f32, f32) -> f32
      nest.yield(%2) : (f32)
    })
    %3 = nest.generic(%1, %bias) {bounds = [expr(B), expr(N)], init = [data<f32>[0.0]], iterators = ["parallel", "parallel"], maps = [map(d0, d1)[d0, d1], map(d0, d1)[d1], map(d0, d1)[d0, d1]]} : (tensor<B x N x f32>, tensor<N x f32>) -> tensor<B x N x f32> ({ ^(%c: f32, %d: f32, %out: f32):
      %4 = arith.add(%c, %d) : (f32, f32) -> f32
      nest.yield(%4) : (f32)
    })
    nest.yield(%3) : (tensor<B x N x f32>)
  })
  %5 = nest.generic(%ids) {bounds = [expr(B)], init = [data<f32>[0.0]], iterators = ["parallel"], maps = [map(d0)[d0], map(d0)[d0]], outside = [false]} : (tensor<B x i64>) -> tensor<B x f32> ({ ^(%id: i64, %out_1: f32):
    %6 = nest.extract(%table, %id) : (tensor<V x f32>, i64) -> f32
    nest.yield(%6) : (f32)
  })
  %7 = nest.generic(%ids) {bounds = [expr(B)], init = [data<i64>[0]], iterators = ["parallel"], maps = [map(d0)[d0 - 1], map(d0)[d0]], outside = [data<i64>[-1]]} : (tensor<B x i64>) -> tensor<B x i64> ({ ^(%e: i64, %out_2: i64):
    %8 = nest.index {loop = 0} : () -> i64
    %9 = arith.add(%e, %8) : (i64, i64) -> i64
    nest.yield(%9) : (i64)
  })
  core.return(%0, %5, %7) : (tensor<B x N x f32>, tensor<B x f32>, tensor<B x i64>)
}
