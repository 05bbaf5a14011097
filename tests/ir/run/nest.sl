// Nests: maps, reductions, reads outside of bounds, indices, extracts, groups; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<4 x f16>, tensor<4 x i64>, tensor<6 x i32>, tensor<f32>, tensor<2 x f32>) {
  %a = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x f32>
  %b = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 0.0, -1.0, 2.0, 1.0, 0.5]} : () -> tensor<2 x 3 x f32>
  %bias = core.constant {value = data<tensor<3 x f32>>[10.0, 20.0, 30.0]} : () -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 5 2 0 11 4 -1{{$}}
  %mm = nest.generic(%a, %b) {bounds = [expr(2), expr(3), expr(2)], init = [data<f32>[0.0]], iterators = ["parallel", "parallel", "reduction"], maps = [map(d0, d1, d2)[d0, d2], map(d0, d1, d2)[d2, d1], map(d0, d1, d2)[d0, d1]]} : (tensor<2 x 2 x f32>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32> ({ ^(%ma: f32, %mb: f32, %ms: f32):
    %my = arith.fma(%ma, %mb, %ms) : (f32, f32, f32) -> f32
    nest.yield(%my) : (f32)
  })
  // CHECK-NEXT: {{^}}f32[2, 3]: 15 22 30 21 24 29{{$}}
  %gr = nest.group {anchor = 0, kind = "contraction"} : () -> tensor<2 x 3 x f32> ({
    %gm = nest.generic(%a, %b) {bounds = [expr(2), expr(3), expr(2)], init = [data<f32>[0.0]], iterators = ["parallel", "parallel", "reduction"], maps = [map(d0, d1, d2)[d0, d2], map(d0, d1, d2)[d2, d1], map(d0, d1, d2)[d0, d1]]} : (tensor<2 x 2 x f32>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32> ({ ^(%ga: f32, %gb: f32, %gs: f32):
    %gy = arith.fma(%ga, %gb, %gs) : (f32, f32, f32) -> f32
    nest.yield(%gy) : (f32)
  })
    %ge = nest.generic(%gm, %bias) {bounds = [expr(2), expr(3)], init = [data<f32>[0.0]], iterators = ["parallel", "parallel"], maps = [map(d0, d1)[d0, d1], map(d0, d1)[d1], map(d0, d1)[d0, d1]]} : (tensor<2 x 3 x f32>, tensor<3 x f32>) -> tensor<2 x 3 x f32> ({ ^(%ga1: f32, %gb1: f32, %go1: f32):
      %gy1 = arith.add(%ga1, %gb1) : (f32, f32) -> f32
      nest.yield(%gy1) : (f32)
    })
    nest.yield(%ge) : (tensor<2 x 3 x f32>)
  })
  // A window sum with reads outside as 0, written in reverse; two results at once; the accumulator may be wider than the result.
  %v = core.constant {value = data<tensor<4 x f16>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<4 x f16>
  // CHECK-NEXT: {{^}}f16[4]: 7 9 6 3{{$}}
  // CHECK-NEXT: {{^}}i64[4]: 103 103 103 103{{$}}
  %w1, %w2 = nest.generic(%v) {bounds = [expr(4), expr(3)], init = [data<f32>[0.0], data<i64>[100]], iterators = ["parallel", "reduction"], maps = [map(d0, d1)[d0 + d1 - 1], map(d0, d1)[3 - d0], map(d0, d1)[d0]], outside = [data<f16>[0.0]]} : (tensor<4 x f16>) -> (tensor<4 x f16>, tensor<4 x i64>) ({ ^(%wx: f16, %ws: f32, %wi: i64):
    %wc = arith.cast(%wx) : (f16) -> f32
    %wy = arith.add(%ws, %wc) : (f32, f32) -> f32
    %wd = nest.index {loop = 1} : () -> i64
    %wn = arith.add(%wi, %wd) : (i64, i64) -> i64
    nest.yield(%wy, %wn) : (f32, i64)
  })
  // Maps that are not linear, an extract with a negative position, an index.
  %t = core.constant {value = data<tensor<5 x i32>>[10, 20, 30, 40, 50]} : () -> tensor<5 x i32>
  %ids = core.constant {value = data<tensor<3 x i64>>[0, -1, 2]} : () -> tensor<3 x i64>
  // CHECK-NEXT: {{^}}i32[6]: 10 51 32 13 54 35{{$}}
  %ex = nest.generic(%ids) {bounds = [expr(6)], init = [data<i32>[0]], iterators = ["parallel"], maps = [map(d0)[mod(d0, 3)], map(d0)[d0]]} : (tensor<3 x i64>) -> tensor<6 x i32> ({ ^(%xi: i64, %xo: i32):
    %xe = nest.extract(%t, %xi) : (tensor<5 x i32>, i64) -> i32
    %xd = nest.index {loop = 0} : () -> i64
    %xd32 = arith.cast(%xd) : (i64) -> i32
    %xy = arith.add(%xe, %xd32) : (i32, i32) -> i32
    nest.yield(%xy) : (i32)
  })
  // CHECK-NEXT: {{^}}f32[]: 4{{$}}
  %sc = nest.generic(%a) {bounds = [expr(2), expr(2)], init = [data<f32>[-inf]], iterators = ["reduction", "reduction"], maps = [map(d0, d1)[d0, d1], map(d0, d1)[]]} : (tensor<2 x 2 x f32>) -> tensor<f32> ({ ^(%rx: f32, %rm: f32):
    %ry = arith.max(%rx, %rm) : (f32, f32) -> f32
    nest.yield(%ry) : (f32)
  })
  // Reduced over nothing: the start values.
  %z = core.constant {value = data<tensor<2 x 0 x f32>>[]} : () -> tensor<2 x 0 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1 1{{$}}
  %ze = nest.generic(%z) {bounds = [expr(2), expr(0)], init = [data<f32>[1.0]], iterators = ["parallel", "reduction"], maps = [map(d0, d1)[d0, d1], map(d0, d1)[d0]]} : (tensor<2 x 0 x f32>) -> tensor<2 x f32> ({ ^(%zx: f32, %zm: f32):
    %zy = arith.mul(%zx, %zm) : (f32, f32) -> f32
    nest.yield(%zy) : (f32)
  })
  core.return(%mm, %gr, %w1, %w2, %ex, %sc, %ze) : (tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<4 x f16>, tensor<4 x i64>, tensor<6 x i32>, tensor<f32>, tensor<2 x f32>)
}
