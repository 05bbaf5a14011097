// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @main(%x: tensor<B x 4 x f32>, %s: tensor<f32>) {
// CHECK: :[[@LINE+1]]:3: error: nest.generic: iterator 1 is "sideways", expected parallel or reduction
  %0 = nest.generic(%x) {bounds = [expr(B), expr(4)], init = [data<f32>[0.0]], iterators = ["parallel", "sideways"], maps = [map(d0, d1)[d0, d1], map(d0, d1)[d0, d1]]} : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32> ({ ^(%a: f32, %out: f32):
    nest.yield(%a) : (f32)
  })
// CHECK: :[[@LINE+2]]:3: error: nest.generic: the map of operand 0 gives 1 positions; its type is tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: nest.generic: the map of result 0 uses the reduction index d1
  %1 = nest.generic(%x) {bounds = [expr(B), expr(4)], init = [data<f32>[0.0]], iterators = ["parallel", "reduction"], maps = [map(d0, d1)[d0], map(d0, d1)[d1]]} : (tensor<B x 4 x f32>) -> tensor<B x f32> ({ ^(%a: f32, %out: f32):
    nest.yield(%a) : (f32)
  })
// CHECK: :[[@LINE+1]]:3: error: nest.generic: init 0 is f16; its block argument (f32) and yielded value (f32) must be the same
  %2 = nest.generic(%x) {bounds = [expr(B)], init = [data<f16>[0.0]], iterators = ["parallel"], maps = [map(d0)[d0, 0], map(d0)[d0]]} : (tensor<B x 4 x f32>) -> tensor<B x f32> ({ ^(%a: f32, %out: f32):
// CHECK: :[[@LINE+1]]:5: error: nest.index: loop 1 of a nest with 1 loops
    %i = nest.index {loop = 1} : () -> i64
// CHECK: :[[@LINE+1]]:5: error: tensor.iota can't stand in the body of a nest.generic
    %t = tensor.iota {axis = 0} : () -> tensor<4 x f32>
    nest.yield(%a) : (f32)
  })
// CHECK: :[[@LINE+2]]:3: error: nest.extract stands in the body of a nest.generic only
// CHECK: :[[@LINE+1]]:3: error: nest.extract: expected a tensor and one position per dim, found tensor<B x 4 x f32> and 0 positions
  %3 = nest.extract(%x) : (tensor<B x 4 x f32>) -> f32
// CHECK: :[[@LINE+1]]:3: error: nest.group: the anchor is 0, but there are 0 nests
  %4 = nest.group {anchor = 0, kind = "pointwise"} : () -> tensor<B x 4 x f32> ({
    nest.yield(%x) : (tensor<B x 4 x f32>)
  })
// CHECK: :[[@LINE+2]]:3: error: nest.group: the anchor is 0, but there are 0 nests
// CHECK: :[[@LINE+1]]:3: error: nest.group: the twin is 0; expected one of 0 nests other than the anchor
  %6 = nest.group {anchor = 0, kind = "contraction", twin = 0} : () -> tensor<B x 4 x f32> ({
    nest.yield(%x) : (tensor<B x 4 x f32>)
  })
// CHECK: :[[@LINE+1]]:3: error: nest.group: `kind` is "pile", expected one of: pointwise rows contraction
  %5 = nest.group {anchor = 0, kind = "pile"} : () -> tensor<f32> ({
// CHECK: :[[@LINE+2]]:5: error: arith.neg can't stand in a nest.group
// CHECK: :[[@LINE-2]]:3: error: nest.group: the anchor is 0, but there are 0 nests
    %n = arith.neg(%s) : (tensor<f32>) -> tensor<f32>
    nest.yield(%n) : (tensor<f32>)
  })
// CHECK: :[[@LINE+2]]:3: error: nest.yield: expected at least 1 operand, found 0
// CHECK: :[[@LINE+1]]:3: error: nest.yield: a terminator must be the last op of its region
  nest.yield
  core.return
}
