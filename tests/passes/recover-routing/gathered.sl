// Weights copied for each row become one slice for each body.
// RUN: sluice opt %s --passes=recover-routing,simplify | FileCheck %s
// RUN: sluice opt %s --passes=recover-routing,simplify --strict | FileCheck %s

// Keys that are not known to be in range may count from the end, as in Gather.
// CHECK-LABEL: core.func @gathered
// CHECK: %[[LOW:.*]] = arith.cmp(%keys
// CHECK: %[[KEYS:.*]] = arith.select(%[[LOW]]
// CHECK: %[[P:.*]] = route.partition(%[[KEYS]]) : (tensor<S x i64>) -> partition<3>
// CHECK: route.switch(%[[P]], %x) {merge = "place", rows = 1} {{.*}} ({ ^(%[[A:.*]]: tensor<?[[N:[0-9]+]] x 32 x f32>):
// CHECK: tensor.contract(%[[A]], %{{.*}}) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?[[N]] x 32 x f32>, tensor<32 x 64 x f32>) -> tensor<?[[N]] x 64 x f32>
// CHECK: arith.exp
// CHECK: tensor.contract({{.*}} : (tensor<?[[N]] x 64 x 1 x f32>, tensor<16 x 64 x f32>) -> tensor<?[[N]] x 1 x 16 x f32>
// CHECK: arith.add
// CHECK: route.yield
// CHECK-NOT: tensor<S x 32 x 64 x f32>
core.func @gathered(%x: tensor<S x 32 x f32>, %keys: tensor<S x i64>, %w: tensor<3 x 32 x 64 x f32>, %v: tensor<3 x 16 x 64 x f32>, %b: tensor<3 x 16 x f32>) -> (tensor<S x 16 x f32>) {
  %ws = tensor.take(%w, %keys) {axis = 0} : (tensor<3 x 32 x 64 x f32>, tensor<S x i64>) -> tensor<S x 32 x 64 x f32>
  %h = tensor.contract(%x, %ws) {left_batch = ints[0], left_sum = ints[1], right_batch = ints[0], right_sum = ints[1]} : (tensor<S x 32 x f32>, tensor<S x 32 x 64 x f32>) -> tensor<S x 64 x f32>
  %e = arith.exp(%h) : (tensor<S x 64 x f32>) -> tensor<S x 64 x f32>
  %vs = tensor.take(%v, %keys) {axis = 0} : (tensor<3 x 16 x 64 x f32>, tensor<S x i64>) -> tensor<S x 16 x 64 x f32>
  %column = tensor.reshape(%e) : (tensor<S x 64 x f32>) -> tensor<S x 64 x 1 x f32>
  %p = tensor.contract(%vs, %column) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<S x 16 x 64 x f32>, tensor<S x 64 x 1 x f32>) -> tensor<S x 16 x 1 x f32>
  %o = tensor.reshape(%p) : (tensor<S x 16 x 1 x f32>) -> tensor<S x 16 x f32>
  %bs = tensor.take(%b, %keys) {axis = 0} : (tensor<3 x 16 x f32>, tensor<S x i64>) -> tensor<S x 16 x f32>
  %y = arith.add(%o, %bs) : (tensor<S x 16 x f32>, tensor<S x 16 x f32>) -> tensor<S x 16 x f32>
  core.return(%y) : (tensor<S x 16 x f32>)
}
