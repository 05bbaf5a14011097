// Constants: computed while compiling unless that would grow the program.
// RUN: sluice opt %s --passes=simplify | FileCheck %s

// CHECK-LABEL: @fold
// CHECK-DAG: data<tensor<2 x 2 x f32>>[4.0, 6.0, 8.0, 10.0]
// CHECK-DAG: data<tensor<3 x 2 x f32>>[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
// CHECK-DAG: data<tensor<6 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
// CHECK-NOT: arith
// CHECK-NOT: tensor.transpose
// CHECK: core.return
core.func @fold() -> (tensor<2 x 2 x f32>, tensor<3 x 2 x f32>, tensor<6 x f32>) {
  %a = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x f32>
  %c = core.constant {value = data<tensor<2 x 2 x f32>>[2.0, 2.0, 2.0, 2.0]} : () -> tensor<2 x 2 x f32>
  %m = arith.mul(%a, %c) : (tensor<2 x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<2 x 2 x f32>
  %s = arith.add(%m, %c) : (tensor<2 x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<2 x 2 x f32>
  %w = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]} : () -> tensor<2 x 3 x f32>
  %t = tensor.transpose(%w) {perm = ints[1, 0]} : (tensor<2 x 3 x f32>) -> tensor<3 x 2 x f32>
  %r = tensor.reshape(%w) : (tensor<2 x 3 x f32>) -> tensor<6 x f32>
  core.return(%s, %t, %r) : (tensor<2 x 2 x f32>, tensor<3 x 2 x f32>, tensor<6 x f32>)
}

// A repeated value stays one value, of any size; broadcasting other constants to more than 8 KiB is left to the kernels.
// CHECK-LABEL: @size_limits
// CHECK-DAG: value = data<tensor<1000 x 1000 x f32>>splat(3.0)
// CHECK-DAG: %[[ROW:.*]] = core.constant {value = data<tensor<2 x f32>>[1.0, 2.0]}
// CHECK: tensor.broadcast(%[[ROW]]) : (tensor<2 x f32>) -> tensor<5000 x 2 x f32>
core.func @size_limits() -> (tensor<1000 x 1000 x f32>, tensor<5000 x 2 x f32>) {
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %two = core.constant {value = data<tensor<1000 x 1000 x f32>>splat(2.0)} : () -> tensor<1000 x 1000 x f32>
  %b = tensor.broadcast(%one) : (tensor<f32>) -> tensor<1000 x 1000 x f32>
  %s = arith.add(%b, %two) : (tensor<1000 x 1000 x f32>, tensor<1000 x 1000 x f32>) -> tensor<1000 x 1000 x f32>
  %row = core.constant {value = data<tensor<2 x f32>>[1.0, 2.0]} : () -> tensor<2 x f32>
  %rows = tensor.broadcast(%row) : (tensor<2 x f32>) -> tensor<5000 x 2 x f32>
  core.return(%s, %rows) : (tensor<1000 x 1000 x f32>, tensor<5000 x 2 x f32>)
}

// Integer arithmetic on shapes becomes one op.
// CHECK-LABEL: @shape_arithmetic
// CHECK-NEXT: %[[D:.*]] = tensor.from_dims {dims = [expr(2*B), expr(24)]}
// CHECK-NEXT: core.return(%[[D]])
core.func @shape_arithmetic(%x: tensor<B x 12 x f32>) -> (tensor<2 x i64>) {
  %d = tensor.from_dims {dims = [expr(B), expr(12)]} : () -> tensor<2 x i64>
  %two = core.constant {value = data<tensor<2 x i64>>[2, 2]} : () -> tensor<2 x i64>
  %m = arith.mul(%d, %two) : (tensor<2 x i64>, tensor<2 x i64>) -> tensor<2 x i64>
  core.return(%m) : (tensor<2 x i64>)
}
