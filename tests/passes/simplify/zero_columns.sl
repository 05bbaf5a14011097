// A weight with columns of zeros: the product is computed for the others and one of them, and its results are spread. Fewer than a vector of them, or than a quarter, stay.
// RUN: sluice opt %s --passes=simplify | FileCheck %s
// CHECK-LABEL: core.func @pruned
// CHECK: %[[W:.*]] = core.constant {value = data<tensor<1 x 2 x f32>>[1.0, 0.0]}
// CHECK: %[[P:.*]] = tensor.contract(%x, %[[W]]) {{.*}} -> tensor<R x 2 x f32>
// CHECK: %[[I:.*]] = core.constant {value = data<tensor<32 x i64>>[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}
// CHECK: tensor.take(%[[P]], %[[I]]) {axis = 1} : {{.*}} -> tensor<R x 32 x f32>
core.func @pruned(%x: tensor<R x 1 x f32>) -> (tensor<R x 32 x f32>) {
  %w = core.constant {value = data<tensor<1 x 32 x f32>>[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]} : () -> tensor<1 x 32 x f32>
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 1 x f32>, tensor<1 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}
// CHECK-LABEL: core.func @few
// CHECK-NOT: tensor.take
core.func @few(%x: tensor<R x 1 x f32>) -> (tensor<R x 4 x f32>) {
  %w = core.constant {value = data<tensor<1 x 4 x f32>>[1.0, 0.0, 0.0, 0.0]} : () -> tensor<1 x 4 x f32>
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 1 x f32>, tensor<1 x 4 x f32>) -> tensor<R x 4 x f32>
  core.return(%y) : (tensor<R x 4 x f32>)
}
