// Ops that read and write at given positions; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<2 x 2 x 2 x f32>, tensor<3 x f32>, tensor<2 x 2 x f32>, tensor<2 x f32>, tensor<2 x 3 x f32>, tensor<2 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>) {
  %x = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]} : () -> tensor<2 x 3 x f32>
  %i = core.constant {value = data<tensor<2 x 2 x i64>>[2, -1, 0, -3]} : () -> tensor<2 x 2 x i64>
  // CHECK-NEXT: {{^}}f32[2, 2, 2]: 3 3 1 1 6 6 4 4{{$}}
  %tk = tensor.take(%x, %i) {axis = 1} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>) -> tensor<2 x 2 x 2 x f32>
  %one = core.constant {value = data<tensor<i32>>[-1]} : () -> tensor<i32>
  // CHECK-NEXT: {{^}}f32[3]: 4 5 6{{$}}
  %tk0 = tensor.take(%x, %one) {axis = 0} : (tensor<2 x 3 x f32>, tensor<i32>) -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 2]: 3 3 4 4{{$}}
  %ge = tensor.gather_elements(%x, %i) {axis = 1} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>) -> tensor<2 x 2 x f32>
  %nd = core.constant {value = data<tensor<2 x 2 x i64>>[0, 1, -1, 2]} : () -> tensor<2 x 2 x i64>
  // CHECK-NEXT: {{^}}f32[2]: 2 6{{$}}
  %gn = tensor.gather_nd(%x, %nd) {batch_dims = 0} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>) -> tensor<2 x f32>
  %nd1 = core.constant {value = data<tensor<2 x 1 x i64>>[1, 0]} : () -> tensor<2 x 1 x i64>
  // CHECK-NEXT: {{^}}f32[2, 3]: 4 5 6 1 2 3{{$}}
  %gn1 = tensor.gather_nd(%x, %nd1) {batch_dims = 0} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 2 4{{$}}
  %gnb = tensor.gather_nd(%x, %nd1) {batch_dims = 1} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>) -> tensor<2 x f32>
  // Scatter: row-major order of the updates, so that the last of equals wins.
  %si = core.constant {value = data<tensor<2 x 2 x i64>>[1, 1, 0, -1]} : () -> tensor<2 x 2 x i64>
  %u = core.constant {value = data<tensor<2 x 2 x f32>>[10.0, 20.0, 30.0, 40.0]} : () -> tensor<2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 20 3 30 5 40{{$}}
  %se_none = tensor.scatter_elements(%x, %si, %u) {axis = 1, reduction = "none"} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>, tensor<2 x 2 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 32 3 34 5 46{{$}}
  %se_add = tensor.scatter_elements(%x, %si, %u) {axis = 1, reduction = "add"} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>, tensor<2 x 2 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 400 3 120 5 240{{$}}
  %se_mul = tensor.scatter_elements(%x, %si, %u) {axis = 1, reduction = "mul"} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>, tensor<2 x 2 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 20 3 30 5 40{{$}}
  %se_max = tensor.scatter_elements(%x, %si, %u) {axis = 1, reduction = "max"} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>, tensor<2 x 2 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 4 5 6{{$}}
  %se_min = tensor.scatter_elements(%x, %si, %u) {axis = 1, reduction = "min"} : (tensor<2 x 3 x f32>, tensor<2 x 2 x i64>, tensor<2 x 2 x f32>) -> tensor<2 x 3 x f32>
  %ni = core.constant {value = data<tensor<2 x 1 x i64>>[-1, 1]} : () -> tensor<2 x 1 x i64>
  %nu = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]} : () -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 2 2 2{{$}}
  %sn_none = tensor.scatter_nd(%x, %ni, %nu) {reduction = "none"} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 7 8 9{{$}}
  %sn_add = tensor.scatter_nd(%x, %ni, %nu) {reduction = "add"} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 8 10 12{{$}}
  %sn_mul = tensor.scatter_nd(%x, %ni, %nu) {reduction = "mul"} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 4 5 6{{$}}
  %sn_max = tensor.scatter_nd(%x, %ni, %nu) {reduction = "max"} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 1 1 1{{$}}
  %sn_min = tensor.scatter_nd(%x, %ni, %nu) {reduction = "min"} : (tensor<2 x 3 x f32>, tensor<2 x 1 x i64>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  core.return(%tk, %tk0, %ge, %gn, %gn1, %gnb, %se_none, %se_add, %se_mul, %se_max, %se_min, %sn_none, %sn_add, %sn_mul, %sn_max, %sn_min) : (tensor<2 x 2 x 2 x f32>, tensor<3 x f32>, tensor<2 x 2 x f32>, tensor<2 x f32>, tensor<2 x 3 x f32>, tensor<2 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>)
}
