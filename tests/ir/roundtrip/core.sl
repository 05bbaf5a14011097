// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @main(%x: tensor<B x 4 x f32>, %n: tensor<S x i64>) -> (tensor<B x 4 x f32>, tensor<2 x 2 x f32>, i64) {input_names = ["x", "n"], output_names = ["a", "b", "c"], output_types = [tensor<B x 4 x f32>, tensor<2 x 2 x f32>, i64]} {
  core.guard {left = expr(B), message = "x and n must have as many rows", right = expr(S)}
  %0 = core.constant {value = data<tensor<2 x 2 x f32>>[1.0, -2.5, nan, 0.001]} : () -> tensor<2 x 2 x f32>
  %rows = core.dim {value = expr(2*B + floordiv(S, 4) + 1)} : () -> i64
  core.return(%x, %0, %rows) : (tensor<B x 4 x f32>, tensor<2 x 2 x f32>, i64)
}

core.func @"a name with spaces"() {
  %0 = core.constant {value = data<f16>[0.5]} : () -> f16
  %1 = core.constant {value = data<i1>[true]} : () -> i1
  %2 = core.constant {value = data<i64>[-9223372036854775808]} : () -> i64
  %3 = core.constant {value = data<u64>[18446744073709551615]} : () -> u64
  %4 = core.constant {value = data<tensor<512 x 512 x bf16>>splat(-inf)} : () -> tensor<512 x 512 x bf16>
  %5 = core.constant {value = data<tensor<3 x i4>>[-8, 0, 7]} : () -> tensor<3 x i4>
  %6 = core.constant {value = data<tensor<0 x f32>>[]} : () -> tensor<0 x f32>
  %7 = core.constant {value = data<f32>[1.5]} : () -> vector<8 x f32>
  %8 = core.constant {value = data<tensor<4 x f8e5m2>>[0.25, 1.0, -0.0, inf]} : () -> tensor<4 x f8e5m2>
  core.return
}

core.func @host(%x: buffer<B x f32>) {buffers = true} {
  core.return
}
