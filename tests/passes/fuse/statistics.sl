// Reductions over a product's columns are taken in the product's kernel, chunk by chunk, and put together behind it.
// RUN: sluice opt %s --target x86-64-v4 --passes=lower-to-nest,fuse | FileCheck %s
// RUN: sluice opt %s --target x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s --check-prefix=TILE
// RUN: sluice opt %s --target x86-64-v4 --strict --passes=lower-to-nest,fuse | FileCheck %s --check-prefix=STRICT
// RUN: sluice opt %s --target x86-64-v4 --kernel=statistics=off --passes=lower-to-nest,fuse | FileCheck %s --check-prefix=STRICT

// STRICT-NOT: 768

// Log of the sum of exponentials: nothing but the reductions leaves the kernel, the matrix is not stored.
// CHECK-LABEL: core.func @lse
// CHECK: nest.group {anchor = 0, kind = "contraction", reason = "{{.*}}reductions of the columns in the sum's kernel, which does not store them"} : () -> (tensor<M x 40 x f32>, tensor<M x 40 x f32>)
// CHECK: nest.generic{{.*}}maps = [map(d0, d1, d2)[d0, 768*d1 + d2], map(d0, d1, d2)[d0, d1]], outside = [data<f32>[-inf]]
// CHECK: nest.generic{{.*}}outside = [data<f32>[-inf], false]
// CHECK: nest.group {{.*}}kind = "rows"
// CHECK: bounds = [expr(M), expr(40)]
// TILE-LABEL: core.func @lse
// TILE: kernel.launch(%x, %{{.*}}) {{.*}} -> (tensor<M x 40 x f32>, tensor<M x 40 x f32>)
core.func @lse(%x: tensor<M x 512 x f32>, %w: tensor<512 x 30011 x f32>) -> (tensor<M x f32>) {
  %s = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x 512 x f32>, tensor<512 x 30011 x f32>) -> tensor<M x 30011 x f32>
  %max = tensor.reduce(%s) {axes = ints[1], kind = "max"} : (tensor<M x 30011 x f32>) -> tensor<M x f32>
  %m1 = tensor.reshape(%max) : (tensor<M x f32>) -> tensor<M x 1 x f32>
  %mb = tensor.broadcast(%m1) : (tensor<M x 1 x f32>) -> tensor<M x 30011 x f32>
  %d = arith.sub(%s, %mb) : (tensor<M x 30011 x f32>, tensor<M x 30011 x f32>) -> tensor<M x 30011 x f32>
  %e = arith.exp(%d) : (tensor<M x 30011 x f32>) -> tensor<M x 30011 x f32>
  %t = tensor.reduce(%e) {axes = ints[1], kind = "sum"} : (tensor<M x 30011 x f32>) -> tensor<M x f32>
  %l = arith.log(%t) : (tensor<M x f32>) -> tensor<M x f32>
  %y = arith.add(%l, %max) : (tensor<M x f32>, tensor<M x f32>) -> tensor<M x f32>
  core.return(%y) : (tensor<M x f32>)
}

// A reduction over the rows of the matrix is none over its columns.
// CHECK-LABEL: core.func @other
// CHECK-NOT: nest.group
// STRICT-LABEL: core.func @other
core.func @other(%x: tensor<64 x 512 x f32>, %w: tensor<512 x 30720 x f32>) -> (tensor<30720 x f32>) {
  %s = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<64 x 512 x f32>, tensor<512 x 30720 x f32>) -> tensor<64 x 30720 x f32>
  %max = tensor.reduce(%s) {axes = ints[0], kind = "max"} : (tensor<64 x 30720 x f32>) -> tensor<30720 x f32>
  core.return(%max) : (tensor<30720 x f32>)
}
