// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @main(%x: tensor<f32>, %layer.0.weight: tensor<f32>) {
  %0 = arith.add(%x, %layer.0.weight) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %_1 = arith.add(%0, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %x_1 = arith.neg(%_1) : (tensor<f32>) -> tensor<f32>
  %1 = arith.neg(%x_1) : (tensor<f32>) -> tensor<f32>
  core.return
}

core.func @other(%x: tensor<f32>) {
  %0 = arith.neg(%x) : (tensor<f32>) -> tensor<f32>
  core.return
}
