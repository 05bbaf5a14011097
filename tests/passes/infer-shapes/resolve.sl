// Shapes that the model computes become types; the integer arithmetic is then dead.
// RUN: sluice opt %s --passes=infer-shapes,simplify | FileCheck %s

// CHECK-LABEL: @reshape
// CHECK-NEXT: %[[R:.*]] = tensor.reshape(%x) : (tensor<B x 12 x 64 x f32>) -> tensor<B x 768 x f32>
// CHECK-NEXT: %[[E:.*]] = arith.exp(%[[R]]) : (tensor<B x 768 x f32>) -> tensor<B x 768 x f32>
// CHECK-NEXT: core.return(%[[E]])
core.func @reshape(%x: tensor<B x 12 x 64 x f32>) -> (tensor<?1 x ?2 x f32>) {
  %d = tensor.from_dims {dims = [expr(B), expr(12), expr(64)]} : () -> tensor<3 x i64>
  %i = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  %b = tensor.take(%d, %i) {axis = 0} : (tensor<3 x i64>, tensor<1 x i64>) -> tensor<1 x i64>
  %n = core.constant {value = data<tensor<1 x i64>>[768]} : () -> tensor<1 x i64>
  %s = tensor.concat(%b, %n) {axis = 0} : (tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x i64>
  %r = tensor.reshape(%x, %s) : (tensor<B x 12 x 64 x f32>, tensor<2 x i64>) -> tensor<?1 x ?2 x f32>
  %e = arith.exp(%r) : (tensor<?1 x ?2 x f32>) -> tensor<?1 x ?2 x f32>
  core.return(%e) : (tensor<?1 x ?2 x f32>)
}

// What can't be proved is guarded.
// CHECK-LABEL: @guarded
// CHECK-NEXT: core.guard {left = expr(B), message = {{.*}}, right = expr(24)}
// CHECK-NEXT: tensor.reshape(%x) : (tensor<B x f32>) -> tensor<4 x 6 x f32>
core.func @guarded(%x: tensor<B x f32>) -> (tensor<?1 x ?2 x f32>) {
  %s = core.constant {value = data<tensor<2 x i64>>[4, 6]} : () -> tensor<2 x i64>
  %r = tensor.reshape(%x, %s) : (tensor<B x f32>, tensor<2 x i64>) -> tensor<?1 x ?2 x f32>
  core.return(%r) : (tensor<?1 x ?2 x f32>)
}

// x[1:-1], x[-1:] and x[::-1].
// CHECK-LABEL: @slices
// CHECK: tensor.slice(%x) {starts = [expr(1)], steps = ints[1]} : (tensor<10 x f32>) -> tensor<8 x f32>
// CHECK: core.guard {left = expr(min(1, S)), message = {{.*}}, right = expr(1)}
// CHECK: tensor.slice(%y) {starts = [expr(S - 1)], steps = ints[1]} : (tensor<S x f32>) -> tensor<1 x f32>
// CHECK: tensor.slice(%x) {starts = [expr(9)], steps = ints[-1]} : (tensor<10 x f32>) -> tensor<10 x f32>
core.func @slices(%x: tensor<10 x f32>, %y: tensor<S x f32>) -> (tensor<?1 x f32>, tensor<?2 x f32>, tensor<?3 x f32>) {
  %p1 = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  %m1 = core.constant {value = data<tensor<1 x i64>>[-1]} : () -> tensor<1 x i64>
  %big = core.constant {value = data<tensor<1 x i64>>[9223372036854775807]} : () -> tensor<1 x i64>
  %small = core.constant {value = data<tensor<1 x i64>>[-9223372036854775807]} : () -> tensor<1 x i64>
  %a = tensor.slice_dynamic(%x, %p1, %m1, %p1) {axes = ints[0]} : (tensor<10 x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?1 x f32>
  %b = tensor.slice_dynamic(%y, %m1, %big, %p1) {axes = ints[0]} : (tensor<S x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?2 x f32>
  %c = tensor.slice_dynamic(%x, %big, %small, %m1) {axes = ints[0]} : (tensor<10 x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?3 x f32>
  core.return(%a, %b, %c) : (tensor<?1 x f32>, tensor<?2 x f32>, tensor<?3 x f32>)
}

// CHECK-LABEL: @others
// CHECK-DAG: tensor.pad(%x, %{{.*}}) {high = [expr(2)], low = [expr(1)], mode = "constant"} : (tensor<S x f32>, tensor<f32>) -> tensor<(S + 3) x f32>
// CHECK-DAG: tensor.iota {axis = 0} : () -> tensor<S x i64>
// CHECK-DAG: tensor.broadcast(%{{.*}}) : (tensor<f32>) -> tensor<S x 2 x f32>
// CHECK-DAG: tensor.broadcast(%x) : (tensor<S x f32>) -> tensor<3 x S x f32>
core.func @others(%x: tensor<S x f32>) -> (tensor<?1 x f32>, tensor<?2 x i64>, tensor<?3 x ?4 x f32>, tensor<?5 x ?6 x f32>) {
  %pads = core.constant {value = data<tensor<2 x i64>>[1, 2]} : () -> tensor<2 x i64>
  %z = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %p = tensor.pad_dynamic(%x, %pads, %z) {mode = "constant"} : (tensor<S x f32>, tensor<2 x i64>, tensor<f32>) -> tensor<?1 x f32>
  %zero = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %one = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
  %n = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>
  %r = tensor.range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?2 x i64>
  %s2 = tensor.from_dims {dims = [expr(S), expr(2)]} : () -> tensor<2 x i64>
  %f = tensor.fill(%z, %s2) : (tensor<f32>, tensor<2 x i64>) -> tensor<?3 x ?4 x f32>
  %s3 = core.constant {value = data<tensor<2 x i64>>[3, 1]} : () -> tensor<2 x i64>
  %e = tensor.expand_dynamic(%x, %s3) : (tensor<S x f32>, tensor<2 x i64>) -> tensor<?5 x ?6 x f32>
  core.return(%p, %r, %f, %e) : (tensor<?1 x f32>, tensor<?2 x i64>, tensor<?3 x ?4 x f32>, tensor<?5 x ?6 x f32>)
}

// Really data-dependent: stays.
// CHECK-LABEL: @data_dependent
// CHECK: tensor.nonzero(%x) : (tensor<S x f32>) -> tensor<1 x ?{{[0-9]+}} x i64>
core.func @data_dependent(%x: tensor<S x f32>) -> (tensor<1 x ?1 x i64>) {
  %n = tensor.nonzero(%x) : (tensor<S x f32>) -> tensor<1 x ?1 x i64>
  core.return(%n) : (tensor<1 x ?1 x i64>)
}
