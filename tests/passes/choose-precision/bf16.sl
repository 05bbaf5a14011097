// Products with constant weights become products of bf16 with sums in f32; what has no weights, and what would not win, stays and says why.
// RUN: sluice opt %s --target znver4 --passes=choose-precision --precision=bf16 --decisions=choose-precision -o %t.sl 2> %t.decisions
// RUN: FileCheck %s --input-file %t.sl
// RUN: FileCheck %s --check-prefix=WHY --input-file %t.decisions
// Without a precision nothing changes; without a fast instruction there is nothing to win where there are rows enough.
// RUN: sluice opt %s --target znver4 --passes=choose-precision | FileCheck %s --check-prefix=NONE
// RUN: sluice opt %s --target x86-64-v3 --passes=choose-precision --precision=bf16 --decisions=all -o %t.v3 2>&1 | FileCheck %s --check-prefix=SLOW

// NONE-NOT: bf16
// WHY: choose-precision: {{.*}}precision: bf16: {{.*}} us against {{.*}} us f32
// WHY: choose-precision: {{.*}}precision: f32: no operand is a constant weight
// WHY: choose-precision: {{.*}}precision: f32: a depthwise convolution has no sums to speak of
// SLOW: choose-precision: {{.*}}precision: f32: {{.*}} us against {{.*}} us bf16

// CHECK-LABEL: @main
// CHECK: %[[W:.*]] = core.constant {{.*}} tensor<1024 x 512 x bf16>
// CHECK: %[[X:.*]] = arith.cast(%x) : (tensor<256 x 1024 x f32>) -> tensor<256 x 1024 x bf16>
// CHECK: tensor.contract(%[[X]], %[[W]]) {{.*}}result_element = f32{{.*}} -> tensor<256 x 512 x f32>
// CHECK: tensor.contract(%{{.*}}, %y) {{.*}}(tensor<256 x 512 x f32>, tensor<512 x 256 x f32>)
// CHECK: tensor.conv(%i, %{{.*}}) {{.*}}(tensor<1 x 9 x 9 x 8 x f32>, tensor<3 x 3 x 1 x 8 x f32>)
core.func @main(%x: tensor<256 x 1024 x f32>, %y: tensor<512 x 256 x f32>, %i: tensor<1 x 9 x 9 x 8 x f32>) -> (tensor<256 x 256 x f32>, tensor<1 x 7 x 7 x 8 x f32>) {
  %w = core.constant {value = data<tensor<1024 x 512 x f32>> splat(0.3)} : () -> tensor<1024 x 512 x f32>
  %v = core.constant {value = data<tensor<3 x 3 x 1 x 8 x f32>> splat(0.5)} : () -> tensor<3 x 3 x 1 x 8 x f32>
  %a = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<256 x 1024 x f32>, tensor<1024 x 512 x f32>) -> tensor<256 x 512 x f32>
  %b = tensor.contract(%a, %y) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<256 x 512 x f32>, tensor<512 x 256 x f32>) -> tensor<256 x 256 x f32>
  %c = tensor.conv(%i, %v) {dilations = ints[1, 1], groups = 8, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 9 x 9 x 8 x f32>, tensor<3 x 3 x 1 x 8 x f32>) -> tensor<1 x 7 x 7 x 8 x f32>
  core.return(%b, %c) : (tensor<256 x 256 x f32>, tensor<1 x 7 x 7 x 8 x f32>)
}
