// tensor.if: pointers, not copies; sizes that differ are bound by the branch; outputs are made inside of the branches.
// RUN: sluice opt %s --passes=bufferize | FileCheck %s
kernel.func @one(%a: buffer<? x f32>, %b: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %w: i64) {
  kernel.yield()
}

// CHECK-LABEL: core.func @shapes_differ
// CHECK: %[[P:.*]] = kernel.load(%c
// CHECK-NEXT: %[[R:.*]] = kernel.if(%[[P]]) : (i1) -> buffer<?1 x f32> ({
// CHECK-NEXT:   %[[A:.*]] = kernel.alloc : () -> buffer<B x f32>
// CHECK-NEXT:   kernel.launch(%x, %[[A]])
// CHECK-NEXT:   %[[D:.*]] = core.dim {value = expr(B)}
// CHECK-NEXT:   kernel.bind(%[[D]]) {symbol = expr(?1)}
// CHECK-NEXT:   kernel.yield(%[[A]])
// CHECK-NEXT: }, {
// CHECK:        kernel.bind(%{{.*}}) {symbol = expr(?1)}
// CHECK-NEXT:   kernel.yield(%y) : (buffer<3 x f32>)
// CHECK:      %[[O:.*]] = kernel.alloc {output = 0} : () -> buffer<?1 x f32>
// CHECK-NEXT: kernel.launch(%[[R]], %[[O]])
core.func @shapes_differ(%c: tensor<i1>, %x: tensor<B x f32>, %y: tensor<3 x f32>) -> (tensor<?1 x f32>) {
  %r = tensor.if(%c) : (tensor<i1>) -> tensor<?1 x f32> ({
    %a = kernel.launch(%x) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%a) : (tensor<B x f32>)
  }, {
    tensor.yield(%y) : (tensor<3 x f32>)
  })
  %z = kernel.launch(%r) {callee = "one", dims = [expr(?1)], inputs = 1, tasks = expr(?1)} : (tensor<?1 x f32>) -> tensor<?1 x f32>
  core.return(%z) : (tensor<?1 x f32>)
}

// Ranks differ: the result has none, which is fine for what is only returned, nested branches included.
// CHECK-LABEL: core.func @ranks_differ({{.*}}) {buffers = true, output_types = [tensor<* x f32>]}
// CHECK: kernel.if
// CHECK:   kernel.alloc {output = 0} : () -> buffer<B x f32>
// CHECK:   kernel.if
// CHECK:     kernel.alloc {output = 0} : () -> buffer<B x 1 x f32>
// CHECK:     kernel.alloc {output = 0} : () -> buffer<3 x f32>
// CHECK-NEXT: kernel.copy(%y
core.func @ranks_differ(%c: tensor<i1>, %x: tensor<B x f32>, %y: tensor<3 x f32>) -> (tensor<* x f32>) {
  %r = tensor.if(%c) : (tensor<i1>) -> tensor<* x f32> ({
    %a = kernel.launch(%x) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%a) : (tensor<B x f32>)
  }, {
    %s = tensor.if(%c) : (tensor<i1>) -> tensor<* x f32> ({
      %a = kernel.launch(%x) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x 1 x f32>
      tensor.yield(%a) : (tensor<B x 1 x f32>)
    }, {
      tensor.yield(%y) : (tensor<3 x f32>)
    })
    tensor.yield(%s) : (tensor<* x f32>)
  })
  core.return(%r) : (tensor<* x f32>)
}
