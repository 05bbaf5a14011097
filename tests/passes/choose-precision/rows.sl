// --precision=int8 without a calibration: rows of a matrix product with weights get a step each, found while running; convolutions and products without weights stay f32 and say why.
// RUN: sluice opt %s --target znver4 --passes=choose-precision --precision=int8 --decisions=choose-precision -o %t.sl 2> %t.decisions
// RUN: FileCheck %s --input-file %t.sl
// RUN: FileCheck %s --check-prefix=WHY --input-file %t.decisions

// WHY: precision: int8: {{.*}} us against {{.*}} us f32
// WHY: precision: f32: no operand is a constant weight
// WHY: precision: f32: only rows of a matrix product have ranges of their own; it needs a calibration

// CHECK-LABEL: @main
// CHECK: %[[A:.*]] = arith.abs(%x)
// CHECK: tensor.reduce(%[[A]]) {axes = ints[2], kind = "max"} : (tensor<4 x 64 x 1024 x f32>) -> tensor<4 x 64 x f32>
// CHECK: tensor.reshape({{.*}} -> tensor<4 x 64 x 1 x f32>
// CHECK: %[[Q:.*]] = arith.cast({{.*}} -> tensor<4 x 64 x 1024 x u8>
// CHECK: tensor.contract(%[[Q]], %{{.*}} -> tensor<4 x 64 x 512 x i32>
// CHECK: tensor.conv(%i, %{{.*}}) {{.*}}(tensor<1 x 19 x 19 x 64 x f32>
core.func @main(%x: tensor<4 x 64 x 1024 x f32>, %y: tensor<512 x 256 x f32>, %i: tensor<1 x 19 x 19 x 64 x f32>) -> (tensor<4 x 64 x 256 x f32>, tensor<1 x 17 x 17 x 64 x f32>) {
  %w = core.constant {value = data<tensor<1024 x 512 x f32>> splat(0.3)} : () -> tensor<1024 x 512 x f32>
  %v = core.constant {value = data<tensor<3 x 3 x 64 x 64 x f32>> splat(0.5)} : () -> tensor<3 x 3 x 64 x 64 x f32>
  %a = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[2], right_batch = ints[], right_sum = ints[0]} : (tensor<4 x 64 x 1024 x f32>, tensor<1024 x 512 x f32>) -> tensor<4 x 64 x 512 x f32>
  %b = tensor.contract(%a, %y) {left_batch = ints[], left_sum = ints[2], right_batch = ints[], right_sum = ints[0]} : (tensor<4 x 64 x 512 x f32>, tensor<512 x 256 x f32>) -> tensor<4 x 64 x 256 x f32>
  %c = tensor.conv(%i, %v) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 19 x 19 x 64 x f32>, tensor<3 x 3 x 64 x 64 x f32>) -> tensor<1 x 17 x 17 x 64 x f32>
  core.return(%b, %c) : (tensor<4 x 64 x 256 x f32>, tensor<1 x 17 x 17 x 64 x f32>)
}
