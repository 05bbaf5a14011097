// Reductions, contractions, convolutions, windows; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<f32>, tensor<2 x 3 x f32>, tensor<2 x i1>, tensor<2 x i1>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f16>, tensor<f32>, tensor<i8>, tensor<2 x i64>, tensor<2 x i64>, tensor<2 x i64>, tensor<2 x i64>, tensor<4 x i64>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<f32>, tensor<2 x 2 x 2 x 2 x f32>, tensor<2 x 2 x 2 x f32>, tensor<i8>, tensor<i32>, tensor<i32>, tensor<f16>, tensor<2 x 2 x f32>, tensor<f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<1 x 1 x 2 x 4 x f32>, tensor<1 x 2 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 3 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<1 x 1 x 2 x i32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<2 x f32>) {
  %x = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, -6.0]} : () -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 6 3{{$}}
  %r1sum = tensor.reduce(%x) {axes = ints[1], kind = "sum"} : (tensor<2 x 3 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[3]: 5 7 -3{{$}}
  %r0sum = tensor.reduce(%x) {axes = ints[0], kind = "sum"} : (tensor<2 x 3 x f32>) -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 6 -120{{$}}
  %r1prod = tensor.reduce(%x) {axes = ints[1], kind = "prod"} : (tensor<2 x 3 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[3]: 4 10 -18{{$}}
  %r0prod = tensor.reduce(%x) {axes = ints[0], kind = "prod"} : (tensor<2 x 3 x f32>) -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 3 5{{$}}
  %r1max = tensor.reduce(%x) {axes = ints[1], kind = "max"} : (tensor<2 x 3 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[3]: 4 5 3{{$}}
  %r0max = tensor.reduce(%x) {axes = ints[0], kind = "max"} : (tensor<2 x 3 x f32>) -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[2]: 1 -6{{$}}
  %r1min = tensor.reduce(%x) {axes = ints[1], kind = "min"} : (tensor<2 x 3 x f32>) -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[3]: 1 2 -6{{$}}
  %r0min = tensor.reduce(%x) {axes = ints[0], kind = "min"} : (tensor<2 x 3 x f32>) -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[]: 9{{$}}
  %rall = tensor.reduce(%x) {axes = ints[0, 1], kind = "sum"} : (tensor<2 x 3 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 4 5 -6{{$}}
  %rnone = tensor.reduce(%x) {axes = ints[], kind = "sum"} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  %b = core.constant {value = data<tensor<2 x 2 x i1>>[true, false, true, true]} : () -> tensor<2 x 2 x i1>
  // CHECK-NEXT: {{^}}i1[2]: 0 1{{$}}
  %rand = tensor.reduce(%b) {axes = ints[1], kind = "and"} : (tensor<2 x 2 x i1>) -> tensor<2 x i1>
  // CHECK-NEXT: {{^}}i1[2]: 1 1{{$}}
  %ror = tensor.reduce(%b) {axes = ints[0], kind = "or"} : (tensor<2 x 2 x i1>) -> tensor<2 x i1>
  // Of nothing.
  %e = core.constant {value = data<tensor<0 x f32>>[]} : () -> tensor<0 x f32>
  %ei = core.constant {value = data<tensor<0 x i8>>[]} : () -> tensor<0 x i8>
  %eu = core.constant {value = data<tensor<0 x u8>>[]} : () -> tensor<0 x u8>
  // CHECK-NEXT: {{^}}f32[]: 0{{$}}
  %resum = tensor.reduce(%e) {axes = ints[0], kind = "sum"} : (tensor<0 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}i8[]: 0{{$}}
  %reisum = tensor.reduce(%ei) {axes = ints[0], kind = "sum"} : (tensor<0 x i8>) -> tensor<i8>
  // CHECK-NEXT: {{^}}u8[]: 0{{$}}
  %reusum = tensor.reduce(%eu) {axes = ints[0], kind = "sum"} : (tensor<0 x u8>) -> tensor<u8>
  // CHECK-NEXT: {{^}}f32[]: 1{{$}}
  %reprod = tensor.reduce(%e) {axes = ints[0], kind = "prod"} : (tensor<0 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}i8[]: 1{{$}}
  %reiprod = tensor.reduce(%ei) {axes = ints[0], kind = "prod"} : (tensor<0 x i8>) -> tensor<i8>
  // CHECK-NEXT: {{^}}u8[]: 1{{$}}
  %reuprod = tensor.reduce(%eu) {axes = ints[0], kind = "prod"} : (tensor<0 x u8>) -> tensor<u8>
  // CHECK-NEXT: {{^}}f32[]: -inf{{$}}
  %remax = tensor.reduce(%e) {axes = ints[0], kind = "max"} : (tensor<0 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}i8[]: -128{{$}}
  %reimax = tensor.reduce(%ei) {axes = ints[0], kind = "max"} : (tensor<0 x i8>) -> tensor<i8>
  // CHECK-NEXT: {{^}}u8[]: 0{{$}}
  %reumax = tensor.reduce(%eu) {axes = ints[0], kind = "max"} : (tensor<0 x u8>) -> tensor<u8>
  // CHECK-NEXT: {{^}}f32[]: inf{{$}}
  %remin = tensor.reduce(%e) {axes = ints[0], kind = "min"} : (tensor<0 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}i8[]: 127{{$}}
  %reimin = tensor.reduce(%ei) {axes = ints[0], kind = "min"} : (tensor<0 x i8>) -> tensor<i8>
  // CHECK-NEXT: {{^}}u8[]: 255{{$}}
  %reumin = tensor.reduce(%eu) {axes = ints[0], kind = "min"} : (tensor<0 x u8>) -> tensor<u8>
  // f16 sums in f32: 2048 + 1 + 1 is 2050, not 2048. NaN is not lost in a maximum. Integers wrap.
  %h = core.constant {value = data<tensor<3 x f16>>[2048.0, 1.0, 1.0]} : () -> tensor<3 x f16>
  // CHECK-NEXT: {{^}}f16[]: 2050{{$}}
  %rh = tensor.reduce(%h) {axes = ints[0], kind = "sum"} : (tensor<3 x f16>) -> tensor<f16>
  %n = core.constant {value = data<tensor<3 x f32>>[1.0, nan, 2.0]} : () -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f32[]: {{-?}}nan{{$}}
  %rn = tensor.reduce(%n) {axes = ints[0], kind = "max"} : (tensor<3 x f32>) -> tensor<f32>
  %w = core.constant {value = data<tensor<2 x i8>>[100, 100]} : () -> tensor<2 x i8>
  // CHECK-NEXT: {{^}}i8[]: -56{{$}}
  %rw = tensor.reduce(%w) {axes = ints[0], kind = "sum"} : (tensor<2 x i8>) -> tensor<i8>
  %a = core.constant {value = data<tensor<2 x 4 x i32>>[3, 7, 7, 1, 1, 0, 1, 0]} : () -> tensor<2 x 4 x i32>
  // CHECK-NEXT: {{^}}i64[2]: 1 0{{$}}
  %armaxfalse = tensor.arg_reduce(%a) {axis = 1, kind = "max", last = false} : (tensor<2 x 4 x i32>) -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i64[2]: 2 2{{$}}
  %armaxtrue = tensor.arg_reduce(%a) {axis = 1, kind = "max", last = true} : (tensor<2 x 4 x i32>) -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i64[2]: 3 1{{$}}
  %arminfalse = tensor.arg_reduce(%a) {axis = 1, kind = "min", last = false} : (tensor<2 x 4 x i32>) -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i64[2]: 3 3{{$}}
  %armintrue = tensor.arg_reduce(%a) {axis = 1, kind = "min", last = true} : (tensor<2 x 4 x i32>) -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i64[4]: 0 0 0 0{{$}}
  %ar0 = tensor.arg_reduce(%a) {axis = 0, kind = "max"} : (tensor<2 x 4 x i32>) -> tensor<4 x i64>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 3 6 4 9 3{{$}}
  %cufalsefalse = tensor.cumulate(%x) {axis = 1, exclusive = false, kind = "sum", reverse = false} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 0 1 3 0 4 9{{$}}
  %cutruefalse = tensor.cumulate(%x) {axis = 1, exclusive = true, kind = "sum", reverse = false} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 6 5 3 3 -1 -6{{$}}
  %cufalsetrue = tensor.cumulate(%x) {axis = 1, exclusive = false, kind = "sum", reverse = true} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 5 3 0 -1 -6 0{{$}}
  %cutruetrue = tensor.cumulate(%x) {axis = 1, exclusive = true, kind = "sum", reverse = true} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 4 10 -18{{$}}
  %cup = tensor.cumulate(%x) {axis = 0, kind = "prod"} : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // Contractions: plain, batched with the batch axis elsewhere, outer, two sums.
  %l = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x f32>
  %r = core.constant {value = data<tensor<2 x 3 x f32>>[1.0, 0.0, -1.0, 2.0, 1.0, 0.5]} : () -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 5 2 0 11 4 -1{{$}}
  %mm = tensor.contract(%l, %r) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x 2 x f32>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[2, 3]: 7 3 0.5 10 4 0{{$}}
  %mt = tensor.contract(%l, %r) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x 2 x f32>, tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[]: 30{{$}}
  %fro = tensor.contract(%l, %l) {left_batch = ints[], left_sum = ints[0, 1], right_batch = ints[], right_sum = ints[0, 1]} : (tensor<2 x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<f32>
  // CHECK-NEXT: {{^}}f32[2, 2, 2, 2]: 1 2 3 4 2 4 6 8 3 6 9 12 4 8 12 16{{$}}
  %outer = tensor.contract(%l, %l) {left_batch = ints[], left_sum = ints[], right_batch = ints[], right_sum = ints[]} : (tensor<2 x 2 x f32>, tensor<2 x 2 x f32>) -> tensor<2 x 2 x 2 x 2 x f32>
  %lb = core.constant {value = data<tensor<2 x 2 x 1 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<2 x 2 x 1 x f32>
  // CHECK-NEXT: {{^}}f32[2, 2, 2]: 1 3 3 9 4 8 8 16{{$}}
  %bm = tensor.contract(%lb, %lb) {left_batch = ints[1], left_sum = ints[2], right_batch = ints[1], right_sum = ints[2]} : (tensor<2 x 2 x 1 x f32>, tensor<2 x 2 x 1 x f32>) -> tensor<2 x 2 x 2 x f32>
  // Bytes accumulate in i32 and wrap at the end, or stay i32. Narrow floats accumulate in f32.
  %c = core.constant {value = data<tensor<2 x i8>>[100, 100]} : () -> tensor<2 x i8>
  // CHECK-NEXT: {{^}}i8[]: 32{{$}}
  %ci = tensor.contract(%c, %c) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x i8>, tensor<2 x i8>) -> tensor<i8>
  // CHECK-NEXT: {{^}}i32[]: 20000{{$}}
  %ci32 = tensor.contract(%c, %c) {left_batch = ints[], left_sum = ints[0], result_element = i32, right_batch = ints[], right_sum = ints[0]} : (tensor<2 x i8>, tensor<2 x i8>) -> tensor<i32>
  %u = core.constant {value = data<tensor<2 x u8>>[255, 255]} : () -> tensor<2 x u8>
  // CHECK-NEXT: {{^}}i32[]: 51000{{$}}
  %uc = tensor.contract(%u, %c) {left_batch = ints[], left_sum = ints[0], result_element = i32, right_batch = ints[], right_sum = ints[0]} : (tensor<2 x u8>, tensor<2 x i8>) -> tensor<i32>
  %ho = core.constant {value = data<tensor<3 x f16>>[1.0, 1.0, 1.0]} : () -> tensor<3 x f16>
  // CHECK-NEXT: {{^}}f16[]: 2050{{$}}
  %hc = tensor.contract(%h, %ho) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<3 x f16>, tensor<3 x f16>) -> tensor<f16>
  %z = core.constant {value = data<tensor<0 x 2 x f32>>[]} : () -> tensor<0 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[2, 2]: 0 0 0 0{{$}}
  %zc = tensor.contract(%z, %z) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<0 x 2 x f32>, tensor<0 x 2 x f32>) -> tensor<2 x 2 x f32>
  // Every step is one fused multiply-add from 0 on: -1 * 1 first, then (1 + 2^-12)^2 exactly, leaves 2^-11 + 2^-24.
  %fa = core.constant {value = data<tensor<2 x f32>>[-1.0, 1.000244140625]} : () -> tensor<2 x f32>
  %fb = core.constant {value = data<tensor<2 x f32>>[1.0, 1.000244140625]} : () -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f32[]: 0.000488340855{{$}}
  %fc = tensor.contract(%fa, %fb) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x f32>, tensor<2 x f32>) -> tensor<f32>
  // Convolutions: padding, stride, dilation, groups, channels last.
  %im = core.constant {value = data<tensor<1 x 1 x 3 x 3 x f32>>[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]} : () -> tensor<1 x 1 x 3 x 3 x f32>
  %k = core.constant {value = data<tensor<1 x 1 x 2 x 2 x f32>>[1.0, 10.0, 100.0, 1000.0]} : () -> tensor<1 x 1 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 2, 2]: 5421 6532 8754 9865{{$}}
  %c1 = tensor.conv(%im, %k) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 1 x 3 x 3 x f32>, tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 2, 2]: 1000 3200 7040 9865{{$}}
  %c2 = tensor.conv(%im, %k) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<1 x 1 x 3 x 3 x f32>, tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 1]: 9731{{$}}
  %c3 = tensor.conv(%im, %k) {dilations = ints[2, 2], groups = 1, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 1 x 3 x 3 x f32>, tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 1 x 1 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 2]: 8754 9865{{$}}
  %c4 = tensor.conv(%im, %k) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[-1, 0], strides = ints[1, 1]} : (tensor<1 x 1 x 3 x 3 x f32>, tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 1 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 2, 4]: 4010 5421 6532 603 7040 8754 9865 906{{$}}
  %c5 = tensor.conv(%im, %k) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 1], pads_low = ints[0, 1], strides = ints[1, 1]} : (tensor<1 x 1 x 3 x 3 x f32>, tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 2 x 4 x f32>
  %gx = core.constant {value = data<tensor<1 x 2 x 1 x 2 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<1 x 2 x 1 x 2 x f32>
  %gk = core.constant {value = data<tensor<2 x 1 x 1 x 2 x f32>>[1.0, 10.0, 100.0, 1000.0]} : () -> tensor<2 x 1 x 1 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 2, 1, 1]: 21 4300{{$}}
  %cg = tensor.conv(%gx, %gk) {dilations = ints[1, 1], groups = 2, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 2 x 1 x 2 x f32>, tensor<2 x 1 x 1 x 2 x f32>) -> tensor<1 x 2 x 1 x 1 x f32>
  %lx = core.constant {value = data<tensor<1 x 1 x 2 x 2 x f32>>[1.0, 3.0, 2.0, 4.0]} : () -> tensor<1 x 1 x 2 x 2 x f32>
  %lk = core.constant {value = data<tensor<1 x 2 x 2 x 3 x f32>>[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0, 1.0]} : () -> tensor<1 x 2 x 2 x 3 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 3]: 21 43 4{{$}}
  %cl = tensor.conv(%lx, %lk) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 2 x 2 x 3 x f32>) -> tensor<1 x 1 x 1 x 3 x f32>
  %lgk = core.constant {value = data<tensor<1 x 2 x 1 x 2 x f32>>[1.0, 100.0, 10.0, 1000.0]} : () -> tensor<1 x 2 x 1 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 2]: 21 4300{{$}}
  %clg = tensor.conv(%lx, %lgk) {dilations = ints[1, 1], groups = 2, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 2 x 1 x 2 x f32>) -> tensor<1 x 1 x 1 x 2 x f32>
  %ix = core.constant {value = data<tensor<1 x 1 x 3 x u8>>[200, 255, 1]} : () -> tensor<1 x 1 x 3 x u8>
  %ik = core.constant {value = data<tensor<1 x 1 x 2 x u8>>[2, 3]} : () -> tensor<1 x 1 x 2 x u8>
  // CHECK-NEXT: {{^}}i32[1, 1, 2]: 1165 513{{$}}
  %ci8 = tensor.conv(%ix, %ik) {dilations = ints[1], groups = 1, pads_high = ints[0], pads_low = ints[0], result_element = i32, strides = ints[1]} : (tensor<1 x 1 x 3 x u8>, tensor<1 x 1 x 2 x u8>) -> tensor<1 x 1 x 2 x i32>
  // CHECK-NEXT: {{^}}f32[1, 1, 2, 2]: 5 6 8 9{{$}}
  %p1 = tensor.pool(%im) {dilations = ints[1, 1], kind = "max", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1], window = ints[2, 2]} : (tensor<1 x 1 x 3 x 3 x f32>) -> tensor<1 x 1 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 2, 2]: 1 5 11 28{{$}}
  %p2 = tensor.pool(%im) {dilations = ints[1, 1], kind = "sum", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2], window = ints[2, 2]} : (tensor<1 x 1 x 3 x 3 x f32>) -> tensor<1 x 1 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 1]: 1{{$}}
  %p3 = tensor.pool(%im) {dilations = ints[2, 2], kind = "min", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1], window = ints[2, 2]} : (tensor<1 x 1 x 3 x 3 x f32>) -> tensor<1 x 1 x 1 x 1 x f32>
  // CHECK-NEXT: {{^}}f32[1, 1, 1, 2]: 2 4{{$}}
  %p4 = tensor.pool(%lx) {dilations = ints[1, 1], kind = "max", layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1], window = ints[1, 2]} : (tensor<1 x 1 x 2 x 2 x f32>) -> tensor<1 x 1 x 1 x 2 x f32>
  %m = core.constant {value = data<tensor<2 x 2 x 2 x f32>>[1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0]} : () -> tensor<2 x 2 x 2 x f32>
  // CHECK-NEXT: {{^}}f32[2]: -2 -1{{$}}
  %det = tensor.determinant(%m) : (tensor<2 x 2 x 2 x f32>) -> tensor<2 x f32>
  core.return(%r1sum, %r0sum, %r1prod, %r0prod, %r1max, %r0max, %r1min, %r0min, %rall, %rnone, %rand, %ror, %resum, %reisum, %reusum, %reprod, %reiprod, %reuprod, %remax, %reimax, %reumax, %remin, %reimin, %reumin, %rh, %rn, %rw, %armaxfalse, %armaxtrue, %arminfalse, %armintrue, %ar0, %cufalsefalse, %cutruefalse, %cufalsetrue, %cutruetrue, %cup, %mm, %mt, %fro, %outer, %bm, %ci, %ci32, %uc, %hc, %zc, %fc, %c1, %c2, %c3, %c4, %c5, %cg, %cl, %clg, %ci8, %p1, %p2, %p3, %p4, %det) : (tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<2 x f32>, tensor<3 x f32>, tensor<f32>, tensor<2 x 3 x f32>, tensor<2 x i1>, tensor<2 x i1>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f32>, tensor<i8>, tensor<u8>, tensor<f16>, tensor<f32>, tensor<i8>, tensor<2 x i64>, tensor<2 x i64>, tensor<2 x i64>, tensor<2 x i64>, tensor<4 x i64>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<2 x 3 x f32>, tensor<f32>, tensor<2 x 2 x 2 x 2 x f32>, tensor<2 x 2 x 2 x f32>, tensor<i8>, tensor<i32>, tensor<i32>, tensor<f16>, tensor<2 x 2 x f32>, tensor<f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<1 x 1 x 2 x 4 x f32>, tensor<1 x 2 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 3 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<1 x 1 x 2 x i32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 2 x 2 x f32>, tensor<1 x 1 x 1 x 1 x f32>, tensor<1 x 1 x 1 x 2 x f32>, tensor<2 x f32>)
}
