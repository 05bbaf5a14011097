// Elementwise nests: loops that walk as one are merged, the lanes take contiguous elements, what is left of the last vector is masked.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s

// 3 x 7 elements are one loop of 21: one masked loop of vectors, which may work in place.
// CHECK-LABEL: core.func @merged
// CHECK: kernel.launch(%x) {{.*}}in_place = ints[0, 0]{{.*}}tasks = expr(1)
core.func @merged(%x: tensor<3 x 7 x f32>) -> (tensor<3 x 7 x f32>) {
  %y = arith.neg(%x) : (tensor<3 x 7 x f32>) -> tensor<3 x 7 x f32>
  core.return(%y) : (tensor<3 x 7 x f32>)
}

// A row of a table: the index is read once a row, the row by whole vectors.
// CHECK-LABEL: core.func @rows
core.func @rows(%table: tensor<V x 64 x f32>, %index: tensor<B x i64>) -> (tensor<B x 64 x f32>) {
  %y = tensor.take(%table, %index) {axis = 0} : (tensor<V x 64 x f32>, tensor<B x i64>) -> tensor<B x 64 x f32>
  core.return(%y) : (tensor<B x 64 x f32>)
}

// Padding reads under a mask.
// CHECK-LABEL: core.func @padded
core.func @padded(%x: tensor<30 x f32>) -> (tensor<32 x f32>) {
  %fill = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %y = tensor.pad(%x, %fill) {high = [expr(1)], low = [expr(1)], mode = "constant"} : (tensor<30 x f32>, tensor<f32>) -> tensor<32 x f32>
  core.return(%y) : (tensor<32 x f32>)
}

// CHECK-LABEL: kernel.func @map_neg
// CHECK-SAME: reason = "pointwise: 16 lanes x 1 along a loop of 21, 1 sets of 2 loops
// CHECK: kernel.mask
// CHECK: kernel.load{{.*}} -> vector<16 x f32>
// CHECK-NOT: kernel.gather
// CHECK-LABEL: kernel.func @map_{{.*}}take
// CHECK: kernel.load{{.*}} -> i64
// CHECK: kernel.assert
// CHECK: kernel.for
// CHECK: kernel.load{{.*}} -> vector<16 x f32>
// CHECK-LABEL: kernel.func @map_copy
// CHECK: kernel.load(%{{.*}}, %{{.*}}, %{{.*}}) {{.*}}-> vector<16 x f32>
