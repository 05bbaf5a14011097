// Elementwise nests go into their readers' bodies.
// RUN: sluice opt %s --target x86-64-v3 --passes=lower-to-nest,fuse | FileCheck %s

// A chain with several readers inside becomes one nest; each operand is read once.
// CHECK-LABEL: @chain
// CHECK-COUNT-1: nest.generic(%x, %y)
// CHECK: arith.add
// CHECK-NEXT: arith.tanh
// CHECK-NEXT: arith.mul
// CHECK-NEXT: nest.yield
// CHECK-NEXT: }
// CHECK-NEXT: core.return
core.func @chain(%x: tensor<B x 64 x f32>, %y: tensor<64 x f32>) -> (tensor<B x 64 x f32>) {
  %b = tensor.broadcast(%y) : (tensor<64 x f32>) -> tensor<B x 64 x f32>
  %s = arith.add(%x, %b) : (tensor<B x 64 x f32>, tensor<B x 64 x f32>) -> tensor<B x 64 x f32>
  %t = arith.tanh(%s) : (tensor<B x 64 x f32>) -> tensor<B x 64 x f32>
  %r = arith.mul(%s, %t) : (tensor<B x 64 x f32>, tensor<B x 64 x f32>) -> tensor<B x 64 x f32>
  core.return(%r) : (tensor<B x 64 x f32>)
}

// A value that is read elsewhere too is a second result; its other reader comes after.
// CHECK-LABEL: @kept
// CHECK: %[[R:.*]], %[[S:.*]] = nest.generic(%x)
// CHECK: arith.exp
// CHECK: %[[C:.*]] = tensor.cumulate(%[[S]]
// CHECK: core.return(%[[R]], %[[C]])
core.func @kept(%x: tensor<64 x f32>) -> (tensor<64 x f32>, tensor<64 x f32>) {
  %s = arith.exp(%x) : (tensor<64 x f32>) -> tensor<64 x f32>
  %c = tensor.cumulate(%s) {axis = 0, kind = "sum"} : (tensor<64 x f32>) -> tensor<64 x f32>
  %r = arith.neg(%s) : (tensor<64 x f32>) -> tensor<64 x f32>
  core.return(%r, %c) : (tensor<64 x f32>, tensor<64 x f32>)
}

// Reading a transposed producer composes the maps; a loop index inside the producer follows.
// CHECK-LABEL: @composed
// CHECK: nest.generic(%x)
// CHECK-SAME: bounds = [expr(6), expr(4)]
// CHECK-SAME: maps = [map(d0, d1)[d1, d0], map(d0, d1)[d0, d1]]
// CHECK: nest.index {loop = 0}
// CHECK-NOT: nest.generic
// CHECK: core.return
core.func @composed(%x: tensor<4 x 6 x f32>) -> (tensor<6 x 4 x f32>) {
  %i = tensor.iota {axis = 1} : () -> tensor<4 x 6 x f32>
  %a = arith.mul(%x, %i) : (tensor<4 x 6 x f32>, tensor<4 x 6 x f32>) -> tensor<4 x 6 x f32>
  %t = tensor.transpose(%a) {perm = ints[1, 0]} : (tensor<4 x 6 x f32>) -> tensor<6 x 4 x f32>
  %b = arith.sqrt(%a) : (tensor<4 x 6 x f32>) -> tensor<4 x 6 x f32>
  %u = tensor.transpose(%b) {perm = ints[1, 0]} : (tensor<4 x 6 x f32>) -> tensor<6 x 4 x f32>
  %r = arith.add(%t, %u) : (tensor<6 x 4 x f32>, tensor<6 x 4 x f32>) -> tensor<6 x 4 x f32>
  core.return(%r) : (tensor<6 x 4 x f32>)
}

// Squares go into their sum. An expensive value that is read many times over is computed once.
// CHECK-LABEL: @reduced
// CHECK: nest.generic(%x)
// CHECK: arith.mul
// CHECK-NEXT: arith.add
// CHECK: %[[E:.*]] = nest.generic(%y)
// CHECK: arith.erf
// CHECK: nest.generic(%x, %[[E]])
core.func @reduced(%x: tensor<512 x 512 x f32>, %y: tensor<512 x f32>) -> (tensor<f32>, tensor<512 x 512 x f32>) {
  %m = arith.mul(%x, %x) : (tensor<512 x 512 x f32>, tensor<512 x 512 x f32>) -> tensor<512 x 512 x f32>
  %s = tensor.reduce(%m) {axes = ints[0, 1], kind = "sum"} : (tensor<512 x 512 x f32>) -> tensor<f32>
  %e = arith.erf(%y) : (tensor<512 x f32>) -> tensor<512 x f32>
  %b = tensor.broadcast(%e) : (tensor<512 x f32>) -> tensor<512 x 512 x f32>
  %r = arith.add(%x, %b) : (tensor<512 x 512 x f32>, tensor<512 x 512 x f32>) -> tensor<512 x 512 x f32>
  core.return(%s, %r) : (tensor<f32>, tensor<512 x 512 x f32>)
}

// Padding is not the producer's value: exp(0) is 1, the convolution must see 0.
// CHECK-LABEL: @padded
// CHECK: %[[E:.*]] = nest.generic(%x)
// CHECK: arith.exp
// CHECK: nest.generic(%[[E]], %w)
// CHECK-SAME: outside = [data<f32>[0.0], false]
core.func @padded(%x: tensor<1 x 4 x 8 x f32>, %w: tensor<2 x 4 x 3 x f32>) -> (tensor<1 x 2 x 8 x f32>) {
  %e = arith.exp(%x) : (tensor<1 x 4 x 8 x f32>) -> tensor<1 x 4 x 8 x f32>
  %r = tensor.conv(%e, %w) {dilations = ints[1], groups = 1, pads_high = ints[1], pads_low = ints[1], strides = ints[1]} : (tensor<1 x 4 x 8 x f32>, tensor<2 x 4 x 3 x f32>) -> tensor<1 x 2 x 8 x f32>
  core.return(%r) : (tensor<1 x 2 x 8 x f32>)
}

// Nothing crosses the boundary of a region.
// CHECK-LABEL: @branches
// CHECK: %[[N:.*]] = nest.generic(%x)
// CHECK: arith.neg
// CHECK: tensor.if(%c)
// CHECK: nest.generic(%[[N]])
// CHECK: arith.exp
// CHECK-NEXT: arith.sqrt
core.func @branches(%c: tensor<i1>, %x: tensor<8 x f32>) -> (tensor<8 x f32>) {
  %n = arith.neg(%x) : (tensor<8 x f32>) -> tensor<8 x f32>
  %r = tensor.if(%c) : (tensor<i1>) -> tensor<8 x f32> ({
    %e = arith.exp(%n) : (tensor<8 x f32>) -> tensor<8 x f32>
    %s = arith.sqrt(%e) : (tensor<8 x f32>) -> tensor<8 x f32>
    tensor.yield(%s) : (tensor<8 x f32>)
  }, {
    tensor.yield(%x) : (tensor<8 x f32>)
  })
  core.return(%r) : (tensor<8 x f32>)
}
