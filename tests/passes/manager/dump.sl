// Numbered files, one per pass, and the decisions with their reasons.
// RUN: sluice opt %s --passes=infer-shapes,simplify --dump-dir=%t.dump -o %t.out
// RUN: ls %t.dump | FileCheck %s
// RUN: FileCheck %s --check-prefix=WHY < %t.dump/decisions.txt
// RUN: not sluice opt %s --passes=simplify,nonsense 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// CHECK: 00-input.sl
// CHECK-NEXT: 01-infer-shapes.sl
// CHECK-NEXT: 02-simplify.sl
// CHECK-NEXT: decisions.txt
// WHY: simplify: neg_neg: 1 hits
// UNKNOWN: there is no pass 'nonsense'; the passes are: infer-shapes, simplify
core.func @main(%x: tensor<B x f32>) -> (tensor<B x f32>) {
  %a = arith.neg(%x) : (tensor<B x f32>) -> tensor<B x f32>
  %b = arith.neg(%a) : (tensor<B x f32>) -> tensor<B x f32>
  core.return(%b) : (tensor<B x f32>)
}
