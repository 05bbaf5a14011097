// Conversions: truncation, saturation, wrapping, directed rounding, bits.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<6 x i8>, tensor<5 x u8>, tensor<3 x i64>, tensor<3 x u64>, tensor<4 x i1>, tensor<3 x i1>, tensor<2 x f16>, tensor<3 x i8>, tensor<2 x u32>, tensor<3 x i4>, tensor<3 x f32>, tensor<3 x f16>, tensor<2 x f32>, tensor<4 x f16>, tensor<4 x f8e4m3>, tensor<4 x f8e4m3>, tensor<2 x f8e5m2>, tensor<3 x f16>, tensor<3 x f16>, tensor<3 x f16>, tensor<2 x u32>, tensor<2 x f16>, tensor<2 x u8>) {
  %fi_in = core.constant {value = data<tensor<6 x f32>>[1.9, -1.9, nan, 300.0, -inf, 0.5]} : () -> tensor<6 x f32>
  // CHECK-NEXT: {{^}}i8[6]: 1 -1 0 127 -128 0{{$}}
  %fi = arith.cast(%fi_in) : (tensor<6 x f32>) -> tensor<6 x i8>
  %fu_in = core.constant {value = data<tensor<5 x f32>>[1.9, -1.9, nan, 300.0, inf]} : () -> tensor<5 x f32>
  // CHECK-NEXT: {{^}}u8[5]: 1 0 0 255 255{{$}}
  %fu = arith.cast(%fu_in) : (tensor<5 x f32>) -> tensor<5 x u8>
  %fl_in = core.constant {value = data<tensor<3 x f64>>[9223372036854775808.0, -1e30, 1e15]} : () -> tensor<3 x f64>
  // CHECK-NEXT: {{^}}i64[3]: 9223372036854775807 -9223372036854775808 1000000000000000{{$}}
  %fl = arith.cast(%fl_in) : (tensor<3 x f64>) -> tensor<3 x i64>
  %ful_in = core.constant {value = data<tensor<3 x f64>>[1e30, 9223372036854775808.0, -1.0]} : () -> tensor<3 x f64>
  // CHECK-NEXT: {{^}}u64[3]: 18446744073709551615 9223372036854775808 0{{$}}
  %ful = arith.cast(%ful_in) : (tensor<3 x f64>) -> tensor<3 x u64>
  %fb_in = core.constant {value = data<tensor<4 x f32>>[0.0, -0.0, 0.1, nan]} : () -> tensor<4 x f32>
  // CHECK-NEXT: {{^}}i1[4]: 0 0 1 1{{$}}
  %fb = arith.cast(%fb_in) : (tensor<4 x f32>) -> tensor<4 x i1>
  %ib_in = core.constant {value = data<tensor<3 x i32>>[0, 256, -1]} : () -> tensor<3 x i32>
  // CHECK-NEXT: {{^}}i1[3]: 0 1 1{{$}}
  %ib = arith.cast(%ib_in) : (tensor<3 x i32>) -> tensor<3 x i1>
  %bi_in = core.constant {value = data<tensor<2 x i1>>[false, true]} : () -> tensor<2 x i1>
  // CHECK-NEXT: {{^}}f16[2]: 0 1{{$}}
  %bi = arith.cast(%bi_in) : (tensor<2 x i1>) -> tensor<2 x f16>
  %ii_in = core.constant {value = data<tensor<3 x i32>>[300, -129, 255]} : () -> tensor<3 x i32>
  // CHECK-NEXT: {{^}}i8[3]: 44 127 -1{{$}}
  %ii = arith.cast(%ii_in) : (tensor<3 x i32>) -> tensor<3 x i8>
  %iu_in = core.constant {value = data<tensor<2 x i8>>[-1, 5]} : () -> tensor<2 x i8>
  // CHECK-NEXT: {{^}}u32[2]: 4294967295 5{{$}}
  %iu = arith.cast(%iu_in) : (tensor<2 x i8>) -> tensor<2 x u32>
  %i4_in = core.constant {value = data<tensor<3 x i32>>[9, -9, 16]} : () -> tensor<3 x i32>
  // CHECK-NEXT: {{^}}i4[3]: -7 7 0{{$}}
  %i4 = arith.cast(%i4_in) : (tensor<3 x i32>) -> tensor<3 x i4>
  %if_in = core.constant {value = data<tensor<3 x i64>>[16777217, 9007199254740993, -3]} : () -> tensor<3 x i64>
  // CHECK-NEXT: {{^}}f32[3]: 16777216 9.00719925e+15 -3{{$}}
  %if = arith.cast(%if_in) : (tensor<3 x i64>) -> tensor<3 x f32>
  // 2049 is half-way between f16s, 2^53 + 1 would be rounded twice through f64.
  %ih_in = core.constant {value = data<tensor<3 x i64>>[2049, 2051, 70000]} : () -> tensor<3 x i64>
  // CHECK-NEXT: {{^}}f16[3]: 2048 2052 inf{{$}}
  %ih = arith.cast(%ih_in) : (tensor<3 x i64>) -> tensor<3 x f16>
  %ufd_in = core.constant {value = data<tensor<2 x u64>>[18446744073709551615, 1]} : () -> tensor<2 x u64>
  // CHECK-NEXT: {{^}}f32[2]: 1.84467441e+19 1{{$}}
  %ufd = arith.cast(%ufd_in) : (tensor<2 x u64>) -> tensor<2 x f32>
  %fh_in = core.constant {value = data<tensor<4 x f32>>[1.00048828125, 1.00146484375, 65520.0, 5.9604644775390625e-8]} : () -> tensor<4 x f32>
  // CHECK-NEXT: {{^}}f16[4]: 1 1.00195312 inf 5.96046448e-08{{$}}
  %fh = arith.cast(%fh_in) : (tensor<4 x f32>) -> tensor<4 x f16>
  // 8-bit floats saturate unless told not to.
  %f8s_in = core.constant {value = data<tensor<4 x f32>>[500.0, -1e9, inf, 0.001953125]} : () -> tensor<4 x f32>
  // CHECK-NEXT: {{^}}f8e4m3[4]: 448 -448 448 0.001953125{{$}}
  %f8s = arith.cast(%f8s_in) : (tensor<4 x f32>) -> tensor<4 x f8e4m3>
  %f8n_in = core.constant {value = data<tensor<4 x f32>>[500.0, -1e9, 448.0, nan]} : () -> tensor<4 x f32>
  // CHECK-NEXT: {{^}}f8e4m3[4]: {{-?}}nan {{-?}}nan 448 nan{{$}}
  %f8n = arith.cast(%f8n_in) {saturate = false} : (tensor<4 x f32>) -> tensor<4 x f8e4m3>
  %f8i_in = core.constant {value = data<tensor<2 x f32>>[1e9, 57344.0]} : () -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}f8e5m2[2]: inf 57344{{$}}
  %f8i = arith.cast(%f8i_in) {saturate = false} : (tensor<2 x f32>) -> tensor<2 x f8e5m2>
  // Directed rounding: between 1 and the next f16, 1 + 2^-10.
  %up_in = core.constant {value = data<tensor<3 x f32>>[1.0001, -1.0001, 1e9]} : () -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f16[3]: 1.00097656 -1 inf{{$}}
  %up = arith.cast(%up_in) {round = "up"} : (tensor<3 x f32>) -> tensor<3 x f16>
  %down_in = core.constant {value = data<tensor<3 x f32>>[1.0001, -1.0001, 1e9]} : () -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f16[3]: 1 -1.00097656 65504{{$}}
  %down = arith.cast(%down_in) {round = "down"} : (tensor<3 x f32>) -> tensor<3 x f16>
  %zero_in = core.constant {value = data<tensor<3 x f32>>[1.0009, -1.0009, -1e9]} : () -> tensor<3 x f32>
  // CHECK-NEXT: {{^}}f16[3]: 1 -1 -65504{{$}}
  %zero = arith.cast(%zero_in) {round = "zero"} : (tensor<3 x f32>) -> tensor<3 x f16>
  %bits_in = core.constant {value = data<tensor<2 x f32>>[1.0, -0.0]} : () -> tensor<2 x f32>
  // CHECK-NEXT: {{^}}u32[2]: 1065353216 2147483648{{$}}
  %bits = arith.bitcast(%bits_in) : (tensor<2 x f32>) -> tensor<2 x u32>
  %back_in = core.constant {value = data<tensor<2 x i16>>[15360, -16384]} : () -> tensor<2 x i16>
  // CHECK-NEXT: {{^}}f16[2]: 1 -2{{$}}
  %back = arith.bitcast(%back_in) : (tensor<2 x i16>) -> tensor<2 x f16>
  %b8_in = core.constant {value = data<tensor<2 x i8>>[-1, 5]} : () -> tensor<2 x i8>
  // CHECK-NEXT: {{^}}u8[2]: 255 5{{$}}
  %b8 = arith.bitcast(%b8_in) : (tensor<2 x i8>) -> tensor<2 x u8>
  core.return(%fi, %fu, %fl, %ful, %fb, %ib, %bi, %ii, %iu, %i4, %if, %ih, %ufd, %fh, %f8s, %f8n, %f8i, %up, %down, %zero, %bits, %back, %b8) : (tensor<6 x i8>, tensor<5 x u8>, tensor<3 x i64>, tensor<3 x u64>, tensor<4 x i1>, tensor<3 x i1>, tensor<2 x f16>, tensor<3 x i8>, tensor<2 x u32>, tensor<3 x i4>, tensor<3 x f32>, tensor<3 x f16>, tensor<2 x f32>, tensor<4 x f16>, tensor<4 x f8e4m3>, tensor<4 x f8e4m3>, tensor<2 x f8e5m2>, tensor<3 x f16>, tensor<3 x f16>, tensor<3 x f16>, tensor<2 x u32>, tensor<2 x f16>, tensor<2 x u8>)
}
