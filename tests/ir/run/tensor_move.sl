// Ops that move elements; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<2 x 2 x 3 x i32>, tensor<2 x 3 x i32>, tensor<0 x 3 x i32>, tensor<3 x 2 x i32>, tensor<?1 x ?2 x i32>, tensor<3 x 2 x i32>, tensor<3 x 2 x i4>, tensor<2 x 2 x i32>, tensor<0 x 3 x i32>, tensor<2 x ?19 x i32>, tensor<2 x ?20 x i32>, tensor<2 x ?21 x i32>, tensor<2 x ?22 x i32>, tensor<2 x 5 x i32>, tensor<7 x i32>, tensor<5 x i32>, tensor<9 x i32>, tensor<11 x i32>, tensor<7 x i32>, tensor<10 x i32>, tensor<?3 x ?4 x i32>, tensor<2 x 3 x f32>, tensor<2 x 3 x i64>, tensor<?63 x i64>, tensor<?64 x f32>, tensor<?65 x i32>, tensor<?5 x ?6 x i32>, tensor<?7 x 2 x 3 x i32>, tensor<2 x i64>, tensor<3 x i64>, tensor<i64>, i64, tensor<4 x i1>, tensor<4 x i1>) {
  %x = core.constant {value = data<tensor<2 x 3 x i32>>[1, 2, 3, 4, 5, 6]} : () -> tensor<2 x 3 x i32>
  // CHECK-NEXT: {{^}}i32[2, 2, 3]: 1 2 3 4 5 6 1 2 3 4 5 6{{$}}
  %bc = tensor.broadcast(%x) : (tensor<2 x 3 x i32>) -> tensor<2 x 2 x 3 x i32>
  %col = core.constant {value = data<tensor<2 x 1 x i32>>[7, 8]} : () -> tensor<2 x 1 x i32>
  // CHECK-NEXT: {{^}}i32[2, 3]: 7 7 7 8 8 8{{$}}
  %bcol = tensor.broadcast(%col) : (tensor<2 x 1 x i32>) -> tensor<2 x 3 x i32>
  %scalar = core.constant {value = data<tensor<i32>>[9]} : () -> tensor<i32>
  // CHECK-NEXT: {{^}}i32[0, 3]:{{$}}
  %bs = tensor.broadcast(%scalar) : (tensor<i32>) -> tensor<0 x 3 x i32>
  // CHECK-NEXT: {{^}}i32[3, 2]: 1 2 3 4 5 6{{$}}
  %rs = tensor.reshape(%x) : (tensor<2 x 3 x i32>) -> tensor<3 x 2 x i32>
  %shape = core.constant {value = data<tensor<2 x i64>>[6, 1]} : () -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i32[6, 1]: 1 2 3 4 5 6{{$}}
  %rd = tensor.reshape(%x, %shape) : (tensor<2 x 3 x i32>, tensor<2 x i64>) -> tensor<?1 x ?2 x i32>
  // CHECK-NEXT: {{^}}i32[3, 2]: 1 4 2 5 3 6{{$}}
  %tr = tensor.transpose(%x) {perm = ints[1, 0]} : (tensor<2 x 3 x i32>) -> tensor<3 x 2 x i32>
  // Packed elements move one by one.
  %p4 = core.constant {value = data<tensor<2 x 3 x i4>>[-8, 7, 3, 0, -1, 5]} : () -> tensor<2 x 3 x i4>
  // CHECK-NEXT: {{^}}i4[3, 2]: -8 0 7 -1 3 5{{$}}
  %t4 = tensor.transpose(%p4) {perm = ints[1, 0]} : (tensor<2 x 3 x i4>) -> tensor<3 x 2 x i4>
  // CHECK-NEXT: {{^}}i32[2, 2]: 3 1 6 4{{$}}
  %s1 = tensor.slice(%x) {starts = [expr(0), expr(2)], steps = ints[1, -2]} : (tensor<2 x 3 x i32>) -> tensor<2 x 2 x i32>
  // CHECK-NEXT: {{^}}i32[0, 3]:{{$}}
  %s0 = tensor.slice(%x) {starts = [expr(2), expr(0)], steps = ints[1, 1]} : (tensor<2 x 3 x i32>) -> tensor<0 x 3 x i32>
  // slice_dynamic follows ONNX: positions from the end, clamping, any sign of the step.
  %saa = core.constant {value = data<tensor<1 x i64>>[-2]} : () -> tensor<1 x i64>
  %sab = core.constant {value = data<tensor<1 x i64>>[9223372036854775807]} : () -> tensor<1 x i64>
  %sac = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  // CHECK-NEXT: {{^}}i32[2, 2]: 2 3 5 6{{$}}
  %sa = tensor.slice_dynamic(%x, %saa, %sab, %sac) {axes = ints[1]} : (tensor<2 x 3 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x ?19 x i32>
  %sba = core.constant {value = data<tensor<1 x i64>>[-1]} : () -> tensor<1 x i64>
  %sbb = core.constant {value = data<tensor<1 x i64>>[-9223372036854775808]} : () -> tensor<1 x i64>
  %sbc = core.constant {value = data<tensor<1 x i64>>[-1]} : () -> tensor<1 x i64>
  // CHECK-NEXT: {{^}}i32[2, 3]: 3 2 1 6 5 4{{$}}
  %sb = tensor.slice_dynamic(%x, %sba, %sbb, %sbc) {axes = ints[1]} : (tensor<2 x 3 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x ?20 x i32>
  %sca = core.constant {value = data<tensor<1 x i64>>[5]} : () -> tensor<1 x i64>
  %scb = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  %scc = core.constant {value = data<tensor<1 x i64>>[-2]} : () -> tensor<1 x i64>
  // CHECK-NEXT: {{^}}i32[2, 1]: 3 6{{$}}
  %sc = tensor.slice_dynamic(%x, %sca, %scb, %scc) {axes = ints[1]} : (tensor<2 x 3 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x ?21 x i32>
  %sda = core.constant {value = data<tensor<1 x i64>>[2]} : () -> tensor<1 x i64>
  %sdb = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  %sdc = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  // CHECK-NEXT: {{^}}i32[2, 0]:{{$}}
  %sd = tensor.slice_dynamic(%x, %sda, %sdb, %sdc) {axes = ints[1]} : (tensor<2 x 3 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x ?22 x i32>
  // CHECK-NEXT: {{^}}i32[2, 5]: 7 1 2 3 7 8 4 5 6 8{{$}}
  %cat = tensor.concat(%col, %x, %col) {axis = 1} : (tensor<2 x 1 x i32>, tensor<2 x 3 x i32>, tensor<2 x 1 x i32>) -> tensor<2 x 5 x i32>
  // Padding; negative amounts crop.
  %row = core.constant {value = data<tensor<4 x i32>>[1, 2, 3, 4]} : () -> tensor<4 x i32>
  // CHECK-NEXT: {{^}}i32[7]: 9 9 1 2 3 4 9{{$}}
  %pc = tensor.pad(%row, %scalar) {high = [expr(1)], low = [expr(2)], mode = "constant"} : (tensor<4 x i32>, tensor<i32>) -> tensor<7 x i32>
  // CHECK-NEXT: {{^}}i32[5]: 2 3 4 9 9{{$}}
  %pcrop = tensor.pad(%row, %scalar) {high = [expr(2)], low = [expr(-1)], mode = "constant"} : (tensor<4 x i32>, tensor<i32>) -> tensor<5 x i32>
  // CHECK-NEXT: {{^}}i32[9]: 3 2 1 2 3 4 3 2 1{{$}}
  %pr = tensor.pad(%row, %scalar) {high = [expr(3)], low = [expr(2)], mode = "reflect"} : (tensor<4 x i32>, tensor<i32>) -> tensor<9 x i32>
  // CHECK-NEXT: {{^}}i32[11]: 2 1 2 3 4 3 2 1 2 3 4{{$}}
  %pr2 = tensor.pad(%row, %scalar) {high = [expr(0)], low = [expr(7)], mode = "reflect"} : (tensor<4 x i32>, tensor<i32>) -> tensor<11 x i32>
  // CHECK-NEXT: {{^}}i32[7]: 1 1 2 3 4 4 4{{$}}
  %pe = tensor.pad(%row, %scalar) {high = [expr(2)], low = [expr(1)], mode = "edge"} : (tensor<4 x i32>, tensor<i32>) -> tensor<7 x i32>
  // CHECK-NEXT: {{^}}i32[10]: 4 1 2 3 4 1 2 3 4 1{{$}}
  %pw = tensor.pad(%row, %scalar) {high = [expr(1)], low = [expr(5)], mode = "wrap"} : (tensor<4 x i32>, tensor<i32>) -> tensor<10 x i32>
  %pads = core.constant {value = data<tensor<4 x i64>>[0, 1, 1, -2]} : () -> tensor<4 x i64>
  // CHECK-NEXT: {{^}}i32[3, 2]: 9 1 9 4 9 9{{$}}
  %pd = tensor.pad_dynamic(%x, %pads, %scalar) {mode = "constant"} : (tensor<2 x 3 x i32>, tensor<4 x i64>, tensor<i32>) -> tensor<?3 x ?4 x i32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 0 1 2 0 1 2{{$}}
  %io = tensor.iota {axis = 1} : () -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}i64[2, 3]: 0 0 0 1 1 1{{$}}
  %io0 = tensor.iota {axis = 0} : () -> tensor<2 x 3 x i64>
  %raa = core.constant {value = data<tensor<i64>>[10]} : () -> tensor<i64>
  %rab = core.constant {value = data<tensor<i64>>[4]} : () -> tensor<i64>
  %rac = core.constant {value = data<tensor<i64>>[-3]} : () -> tensor<i64>
  // CHECK-NEXT: {{^}}i64[2]: 10 7{{$}}
  %ra = tensor.range(%raa, %rab, %rac) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?63 x i64>
  %rba = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %rbb = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %rbc = core.constant {value = data<tensor<f32>>[0.375]} : () -> tensor<f32>
  // CHECK-NEXT: {{^}}f32[3]: 0 0.375 0.75{{$}}
  %rb = tensor.range(%rba, %rbb, %rbc) : (tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<?64 x f32>
  %rca = core.constant {value = data<tensor<i32>>[3]} : () -> tensor<i32>
  %rcb = core.constant {value = data<tensor<i32>>[3]} : () -> tensor<i32>
  %rcc = core.constant {value = data<tensor<i32>>[1]} : () -> tensor<i32>
  // CHECK-NEXT: {{^}}i32[0]:{{$}}
  %rc = tensor.range(%rca, %rcb, %rcc) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<?65 x i32>
  // CHECK-NEXT: {{^}}i32[6, 1]: 9 9 9 9 9 9{{$}}
  %fill = tensor.fill(%scalar, %shape) : (tensor<i32>, tensor<2 x i64>) -> tensor<?5 x ?6 x i32>
  %to = core.constant {value = data<tensor<3 x i64>>[2, 1, 1]} : () -> tensor<3 x i64>
  // CHECK-NEXT: {{^}}i32[2, 2, 3]: 1 2 3 4 5 6 1 2 3 4 5 6{{$}}
  %ex = tensor.expand_dynamic(%x, %to) : (tensor<2 x 3 x i32>, tensor<3 x i64>) -> tensor<?7 x 2 x 3 x i32>
  // CHECK-NEXT: {{^}}i64[2]: 6 1{{$}}
  %sh = tensor.shape_of(%rd) : (tensor<?1 x ?2 x i32>) -> tensor<2 x i64>
  // Symbols that the run bound: ?1 is 6, ?2 is 1.
  // CHECK-NEXT: {{^}}i64[3]: 6 13 1{{$}}
  %fd = tensor.from_dims {dims = [expr(?1), expr(2*?1 + ?2), expr(floordiv(?1, 4))]} : () -> tensor<3 x i64>
  // CHECK-NEXT: {{^}}i64[]: 6{{$}}
  %fs = tensor.from_dims {dims = [expr(?1)], scalar = true} : () -> tensor<i64>
  %dim = core.dim {value = expr(mod(?1, 4))} : () -> i64
  // CHECK-NEXT: {{^}}i64[]: 4{{$}}
  %dim2 = arith.add(%dim, %dim) : (i64, i64) -> i64
  core.guard {left = expr(?1), message = "six rows are needed", right = expr(6)}
  %rnd = tensor.random {distribution = "uniform", first = 2.0, second = 4.0, seed = 7} : () -> tensor<4 x f32>
  %lo = core.constant {value = data<tensor<4 x f32>>[2.0, 2.0, 2.0, 2.0]} : () -> tensor<4 x f32>
  %hi = core.constant {value = data<tensor<4 x f32>>[4.0, 4.0, 4.0, 4.0]} : () -> tensor<4 x f32>
  // CHECK-NEXT: {{^}}i1[4]: 1 1 1 1{{$}}
  %rlo = arith.cmp(%rnd, %lo) {predicate = "ge"} : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x i1>
  // CHECK-NEXT: {{^}}i1[4]: 1 1 1 1{{$}}
  %rhi = arith.cmp(%rnd, %hi) {predicate = "lt"} : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x i1>
  core.return(%bc, %bcol, %bs, %rs, %rd, %tr, %t4, %s1, %s0, %sa, %sb, %sc, %sd, %cat, %pc, %pcrop, %pr, %pr2, %pe, %pw, %pd, %io, %io0, %ra, %rb, %rc, %fill, %ex, %sh, %fd, %fs, %dim2, %rlo, %rhi) : (tensor<2 x 2 x 3 x i32>, tensor<2 x 3 x i32>, tensor<0 x 3 x i32>, tensor<3 x 2 x i32>, tensor<?1 x ?2 x i32>, tensor<3 x 2 x i32>, tensor<3 x 2 x i4>, tensor<2 x 2 x i32>, tensor<0 x 3 x i32>, tensor<2 x ?19 x i32>, tensor<2 x ?20 x i32>, tensor<2 x ?21 x i32>, tensor<2 x ?22 x i32>, tensor<2 x 5 x i32>, tensor<7 x i32>, tensor<5 x i32>, tensor<9 x i32>, tensor<11 x i32>, tensor<7 x i32>, tensor<10 x i32>, tensor<?3 x ?4 x i32>, tensor<2 x 3 x f32>, tensor<2 x 3 x i64>, tensor<?63 x i64>, tensor<?64 x f32>, tensor<?65 x i32>, tensor<?5 x ?6 x i32>, tensor<?7 x 2 x 3 x i32>, tensor<2 x i64>, tensor<3 x i64>, tensor<i64>, i64, tensor<4 x i1>, tensor<4 x i1>)
}
