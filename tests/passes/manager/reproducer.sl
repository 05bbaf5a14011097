// A failing pass leaves the IR before it and the rest of the pipeline, which fail again in the same way.
// RUN: not sluice opt %s --passes=simplify,bufferize,plan-memory --reproducer=%t.sl 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=AGAIN < %t.sl
// RUN: not sluice opt %t.sl --passes=bufferize,plan-memory 2>&1 | FileCheck %s --check-prefix=ERROR
// CHECK: error: arith.exp can't be given memory
// AGAIN: // RUN: sluice opt %s --passes=bufferize,plan-memory
// AGAIN-NEXT: core.func @exp
// AGAIN-NOT: arith.neg
// ERROR: error: arith.exp can't be given memory
core.func @exp(%x: tensor<B x f32>) -> (tensor<B x f32>) {
  %a = arith.neg(%x) : (tensor<B x f32>) -> tensor<B x f32>
  %b = arith.neg(%a) : (tensor<B x f32>) -> tensor<B x f32>
  %y = arith.exp(%b) : (tensor<B x f32>) -> tensor<B x f32>
  core.return(%y) : (tensor<B x f32>)
}
