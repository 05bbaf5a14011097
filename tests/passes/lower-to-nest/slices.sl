// Data-dependent slices in steps of 1 are views: their place and size are bound, nothing is copied. Both the evaluator and the compiled program follow ONNX: positions from the end, clamping.
// RUN: sluice opt %s --passes=lower-to-nest | FileCheck %s
// RUN: sluice opt %s --passes=lower-to-nest,fuse,tile,bufferize | FileCheck %s --check-prefix=HOST
// RUN: sluice opt %S/slices_run.sl --evaluate | FileCheck %S/slices_run.sl
// RUN: sluice opt %S/slices_run.sl --execute | FileCheck %S/slices_run.sl
// RUN: sluice opt %S/slices_run.sl --passes=lower-to-nest --evaluate | FileCheck %S/slices_run.sl
// A prefix of a weight: the product reads the whole weight where it lies, over as many columns as the input says.
// CHECK-LABEL: core.func @prefix
// CHECK: tensor.bind_slice(%from, %width) {begins = [expr(0)], dims = [expr(8)], sizes = [expr(?1)], weights = true}
// CHECK-NOT: slice_dynamic
// CHECK: nest.generic(%x, %w) {bounds = [expr(R), expr(?1), expr(4)]
// HOST-LABEL: core.func @prefix
// HOST: kernel.bind({{.*}}) {dense = expr(8), limit = expr(8), symbol = expr(?1)}
// HOST: kernel.launch(%x, %w, %y)
core.func @prefix(%x: tensor<R x 4 x f32>, %width: tensor<1 x i64>) -> (tensor<R x ?1 x f32>) {
  %w = core.constant {value = data<tensor<4 x 8 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0]} : () -> tensor<4 x 8 x f32>
  %from = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  %step = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  %u = tensor.slice_dynamic(%w, %from, %width, %step) {axes = ints[1]} : (tensor<4 x 8 x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<4 x ?1 x f32>
  %y = tensor.contract(%x, %u) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 4 x f32>, tensor<4 x ?1 x f32>) -> tensor<R x ?1 x f32>
  core.return(%y) : (tensor<R x ?1 x f32>)
}
// Steps that are not 1 are cut by the routine.
// CHECK-LABEL: core.func @every_other
// CHECK: tensor.slice_dynamic
core.func @every_other(%x: tensor<R x 4 x f32>, %width: tensor<1 x i64>) -> (tensor<?2 x 4 x f32>) {
  %from = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  %step = core.constant {value = data<tensor<1 x i64>>[2]} : () -> tensor<1 x i64>
  %u = tensor.slice_dynamic(%x, %from, %width, %step) {axes = ints[0]} : (tensor<R x 4 x f32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?2 x 4 x f32>
  core.return(%u) : (tensor<?2 x 4 x f32>)
}
