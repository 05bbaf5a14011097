// Partition and switch: packing, merging, empty branches, weights, kept rows; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<3 x i64>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<2 x i64>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<4 x f32>, tensor<3 x i64>, tensor<8 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x f32>) {
  %x = core.constant {value = data<tensor<4 x 2 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]} : () -> tensor<4 x 2 x f32>
  %keys = core.constant {value = data<tensor<4 x i32>>[2, 0, -1, 2]} : () -> tensor<4 x i32>
  %plan = route.partition(%keys) : (tensor<4 x i32>) -> partition<3>
  // CHECK-NEXT: {{^}}i64[3]: 1 0 2{{$}}
  %count = route.count(%plan) : (partition<3>) -> tensor<3 x i64>
  // Row 0 and 3 are squared, row 1 negated, row 2 goes nowhere: zeros with place, the old value with keep. Branch 1 has no rows: it must not run (it would fail).
  // CHECK-NEXT: {{^}}f32[4, 2]: 1 4 -3 -4 0 0 49 64{{$}}
  %place = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<3>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32> ({ ^(%ax: tensor<?1 x 2 x f32>):
    %ay = arith.neg(%ax) : (tensor<?1 x 2 x f32>) -> tensor<?1 x 2 x f32>
    route.yield(%ay) : (tensor<?1 x 2 x f32>)
  }, { ^(%bx: tensor<?2 x 2 x f32>):
    %bi = core.constant {value = data<tensor<i64>>[9]} : () -> tensor<i64>
    %bf = tensor.take(%bx, %bi) {axis = 1} : (tensor<?2 x 2 x f32>, tensor<i64>) -> tensor<?2 x f32>
    route.yield(%bx) : (tensor<?2 x 2 x f32>)
  }, { ^(%cx: tensor<?3 x 2 x f32>):
    %cy = arith.mul(%cx, %cx) : (tensor<?3 x 2 x f32>, tensor<?3 x 2 x f32>) -> tensor<?3 x 2 x f32>
    route.yield(%cy) : (tensor<?3 x 2 x f32>)
  })
  // CHECK-NEXT: {{^}}f32[4, 2]: 1 4 -3 -4 5 6 49 64{{$}}
  %keep = route.switch(%plan, %x, %x) {merge = "keep", rows = 1} : (partition<3>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32> ({ ^(%dx: tensor<?4 x 2 x f32>):
    %dy = arith.neg(%dx) : (tensor<?4 x 2 x f32>) -> tensor<?4 x 2 x f32>
    route.yield(%dy) : (tensor<?4 x 2 x f32>)
  }, { ^(%ex: tensor<?5 x 2 x f32>):
    %ei = core.constant {value = data<tensor<i64>>[9]} : () -> tensor<i64>
    %ef = tensor.take(%ex, %ei) {axis = 1} : (tensor<?5 x 2 x f32>, tensor<i64>) -> tensor<?5 x f32>
    route.yield(%ex) : (tensor<?5 x 2 x f32>)
  }, { ^(%fx: tensor<?6 x 2 x f32>):
    %fy = arith.mul(%fx, %fx) : (tensor<?6 x 2 x f32>, tensor<?6 x 2 x f32>) -> tensor<?6 x 2 x f32>
    route.yield(%fy) : (tensor<?6 x 2 x f32>)
  })
  // Two choices a row with weights; a choice below 0 adds nothing.
  %k2 = core.constant {value = data<tensor<4 x 2 x i64>>[0, 1, 1, 1, 1, 0, -1, 0]} : () -> tensor<4 x 2 x i64>
  %w = core.constant {value = data<tensor<4 x 2 x f32>>[1.0, 0.5, 1.0, 1.0, 2.0, 3.0, 9.0, 10.0]} : () -> tensor<4 x 2 x f32>
  %plan2 = route.partition(%k2) : (tensor<4 x 2 x i64>) -> partition<2>
  // CHECK-NEXT: {{^}}i64[2]: 3 4{{$}}
  %count2 = route.count(%plan2) : (partition<2>) -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}f32[4, 2]: 0 0 12 16 5 6 -70 -80{{$}}
  %add = route.switch(%plan2, %x, %w) {merge = "add", rows = 1, weighted = true} : (partition<2>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32> ({ ^(%gx: tensor<?7 x 2 x f32>):
    %gy = arith.neg(%gx) : (tensor<?7 x 2 x f32>) -> tensor<?7 x 2 x f32>
    route.yield(%gy) : (tensor<?7 x 2 x f32>)
  }, { ^(%hx: tensor<?8 x 2 x f32>):
    %hy = arith.add(%hx, %hx) : (tensor<?8 x 2 x f32>, tensor<?8 x 2 x f32>) -> tensor<?8 x 2 x f32>
    route.yield(%hy) : (tensor<?8 x 2 x f32>)
  })
  // CHECK-NEXT: {{^}}f32[4, 2]: 1 2 12 16 5 6 -7 -8{{$}}
  %add1 = route.switch(%plan2, %x) {merge = "add", rows = 1} : (partition<2>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32> ({ ^(%ix: tensor<?9 x 2 x f32>):
    %iy = arith.neg(%ix) : (tensor<?9 x 2 x f32>) -> tensor<?9 x 2 x f32>
    route.yield(%iy) : (tensor<?9 x 2 x f32>)
  }, { ^(%jx: tensor<?10 x 2 x f32>):
    %jy = arith.add(%jx, %jx) : (tensor<?10 x 2 x f32>, tensor<?10 x 2 x f32>) -> tensor<?10 x 2 x f32>
    route.yield(%jy) : (tensor<?10 x 2 x f32>)
  })
  // No row goes anywhere; a branch may change the row.
  %none = core.constant {value = data<tensor<4 x i8>>[-1, -1, -1, -1]} : () -> tensor<4 x i8>
  %plan3 = route.partition(%none) : (tensor<4 x i8>) -> partition<1>
  // CHECK-NEXT: {{^}}f32[4, 2]: 0 0 0 0 0 0 0 0{{$}}
  %zeros = route.switch(%plan3, %x) {merge = "place", rows = 1} : (partition<1>, tensor<4 x 2 x f32>) -> tensor<4 x 2 x f32> ({ ^(%kx: tensor<?11 x 2 x f32>):
    %ky = arith.neg(%kx) : (tensor<?11 x 2 x f32>) -> tensor<?11 x 2 x f32>
    route.yield(%ky) : (tensor<?11 x 2 x f32>)
  })
  // CHECK-NEXT: {{^}}f32[4]: 2 7 0 56{{$}}
  %sums = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<3>, tensor<4 x 2 x f32>) -> tensor<4 x f32> ({ ^(%lx: tensor<?12 x 2 x f32>):
    %ly = tensor.reduce(%lx) {axes = ints[1], kind = "sum"} : (tensor<?12 x 2 x f32>) -> tensor<?12 x f32>
    route.yield(%ly) : (tensor<?12 x f32>)
  }, { ^(%mx: tensor<?13 x 2 x f32>):
    %my = tensor.reduce(%mx) {axes = ints[1], kind = "max"} : (tensor<?13 x 2 x f32>) -> tensor<?13 x f32>
    route.yield(%my) : (tensor<?13 x f32>)
  }, { ^(%nx: tensor<?14 x 2 x f32>):
    %ny = tensor.reduce(%nx) {axes = ints[1], kind = "prod"} : (tensor<?14 x 2 x f32>) -> tensor<?14 x f32>
    route.yield(%ny) : (tensor<?14 x f32>)
  })
  // What split-branches makes of a partition: positions by branch; a row's choices in ascending order of branch, those of nowhere last.
  // CHECK-NEXT: {{^}}i64[3]: 0 3 7{{$}}
  // CHECK-NEXT: {{^}}i64[8]: 0 2 3 0 1 1 2 0{{$}}
  // CHECK-NEXT: {{^}}i64[4, 2]: 0 3 4 5 1 6 2 -1{{$}}
  // CHECK-NEXT: {{^}}i64[4, 2]: 0 1 1 1 0 1 0 -1{{$}}
  // CHECK-NEXT: {{^}}i64[4, 2]: 0 1 0 1 1 0 1 0{{$}}
  %starts, %rows, %position, %branch, %slot = route.sort(%k2) {branches = 2} : (tensor<4 x 2 x i64>) -> (tensor<3 x i64>, tensor<8 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>)
  // Rows of branches without a region are undefined; those of branch 1 are 3 to 6.
  // CHECK-NEXT: {{^}}f32[4, 2]: 1 2 3 4 3 4 5 6{{$}}
  %packed = route.dispatch(%starts) {begins = [expr(?20)], branches = ints[1], counts = [expr(?21)], rows = expr(4)} : (tensor<3 x i64>) -> tensor<8 x 2 x f32> ({
    %ones = tensor.slice(%rows) {starts = [expr(?20)], steps = ints[1]} : (tensor<8 x i64>) -> tensor<?21 x i64>
    %taken = tensor.take(%x, %ones) {axis = 0} : (tensor<4 x 2 x f32>, tensor<?21 x i64>) -> tensor<?21 x 2 x f32>
    route.yield(%taken) : (tensor<?21 x 2 x f32>)
  })
  %of1 = tensor.slice(%packed) {starts = [expr(3), expr(0)], steps = ints[1, 1]} : (tensor<8 x 2 x f32>) -> tensor<4 x 2 x f32>
  core.return(%count, %place, %keep, %count2, %add, %add1, %zeros, %sums, %starts, %rows, %position, %branch, %slot, %of1) : (tensor<3 x i64>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<2 x i64>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<4 x 2 x f32>, tensor<4 x f32>, tensor<3 x i64>, tensor<8 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x i64>, tensor<4 x 2 x f32>)
}
