// An op that no earlier pass turned into a kernel or a routine is an error at its place, not a crash later on.
// RUN: not sluice opt %s --passes=bufferize 2>&1 | FileCheck %s
// CHECK: whole_op.sl:[[@LINE+2]]:{{[0-9]+}}: error: arith.exp can't be given memory
core.func @exp(%x: tensor<B x f32>) -> (tensor<B x f32>) {
  %y = arith.exp(%x) : (tensor<B x f32>) -> tensor<B x f32>
  core.return(%y) : (tensor<B x f32>)
}
