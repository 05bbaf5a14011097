// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s --locations -o %t.got
// RUN: diff %t.want %t.got
core.func @main(%x: tensor<f32>, %c: tensor<i1>) -> (tensor<f32>) {
  %0 = arith.neg(%x) : (tensor<f32>) -> tensor<f32> loc("conv1":Conv)
  %1 = arith.neg(%0) : (tensor<f32>) -> tensor<f32> loc("model.json":12:3)
  %2 = arith.neg(%1) : (tensor<f32>) -> tensor<f32> loc[loc("/a/b":Relu), loc("c")]
  %3 = tensor.if(%c) : (tensor<i1>) -> tensor<f32> ({
    tensor.yield(%2) : (tensor<f32>) loc(unknown)
  }, {
    tensor.yield(%x) : (tensor<f32>) loc("n":"com.x.Op")
  }) loc("if":If)
  core.return(%3) : (tensor<f32>) loc("out")
} loc("g")
