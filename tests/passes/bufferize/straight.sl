// Launches, calls, views and outputs. One kernel stands for all: its body does not matter here.
// RUN: sluice opt %s --passes=bufferize | FileCheck %s
kernel.func @one(%a: buffer<? x f32>, %b: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %w: i64) {
  kernel.yield()
}
kernel.func @two(%a: buffer<? x f32>, %b: buffer<? x f32>, %c: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %w: i64) {
  kernel.yield()
}

// The result that is returned under another shape is made in the caller's memory of that shape.
// CHECK-LABEL: core.func @output(%x: buffer<B x 4 x f32>) {buffers = true, output_types = [tensor<(4*B) x f32>]}
// CHECK-NEXT: %[[O:.*]] = kernel.alloc {output = 0} : () -> buffer<(4*B) x f32>
// CHECK-NEXT: %[[V:.*]] = kernel.view(%[[O]]) : (buffer<(4*B) x f32>) -> buffer<B x 4 x f32>
// CHECK-NEXT: kernel.launch(%x, %[[V]])
// CHECK: core.return{{$}}
core.func @output(%x: tensor<B x 4 x f32>) -> (tensor<(4*B) x f32>) {
  %y = kernel.launch(%x) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %z = tensor.reshape(%y) : (tensor<B x 4 x f32>) -> tensor<(4*B) x f32>
  core.return(%z) : (tensor<(4*B) x f32>)
}

// An input, a constant and a value returned twice are copied.
// CHECK-LABEL: core.func @copies
// CHECK-DAG: %[[C:.*]] = core.constant {{.*}} -> buffer<2 x f32>
// CHECK-DAG: %[[Y:.*]] = kernel.alloc {output = 2} : () -> buffer<B x f32>
// CHECK: %[[A:.*]] = kernel.alloc {output = 0} : () -> buffer<B x f32>
// CHECK-NEXT: kernel.copy(%x, %[[A]])
// CHECK-NEXT: %[[B:.*]] = kernel.alloc {output = 1} : () -> buffer<2 x f32>
// CHECK-NEXT: kernel.copy(%[[C]], %[[B]])
// CHECK-NEXT: %[[D:.*]] = kernel.alloc {output = 3} : () -> buffer<B x f32>
// CHECK-NEXT: kernel.copy(%[[Y]], %[[D]])
core.func @copies(%x: tensor<B x f32>) -> (tensor<B x f32>, tensor<2 x f32>, tensor<B x f32>, tensor<B x f32>) {
  %c = core.constant {value = data<tensor<2 x f32>>[1.0, 2.0]} : () -> tensor<2 x f32>
  %y = kernel.launch(%x) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
  core.return(%x, %c, %y, %y) : (tensor<B x f32>, tensor<2 x f32>, tensor<B x f32>, tensor<B x f32>)
}

// %a dies at the second launch, which may write over it; the third one also reads %b through an operand that it may not overwrite.
// CHECK-LABEL: core.func @in_place
// CHECK-NEXT: %[[A:.*]] = kernel.alloc : () -> buffer<B x f32>
// CHECK-NEXT: kernel.launch(%x, %[[A]])
// CHECK-NEXT: kernel.launch(%[[A]], %[[A]]) {callee = "one", dims
// CHECK-NEXT: %[[C:.*]] = kernel.alloc : () -> buffer<B x f32>
// CHECK-NEXT: kernel.launch(%[[A]], %[[A]], %[[C]])
// CHECK-NEXT: %[[O:.*]] = kernel.alloc {output = 0}
// CHECK-NEXT: kernel.launch(%[[C]], %x, %[[O]])
core.func @in_place(%x: tensor<B x f32>) -> (tensor<B x f32>) {
  %a = kernel.launch(%x) {callee = "one", dims = [expr(B)], in_place = ints[0, 0], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
  %b = kernel.launch(%a) {callee = "one", dims = [expr(B)], in_place = ints[0, 0], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
  %c = kernel.launch(%b, %b) {callee = "two", dims = [expr(B)], in_place = ints[0, 0], inputs = 2, tasks = expr(B)} : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %d = kernel.launch(%c, %x) {callee = "two", dims = [expr(B)], in_place = ints[0, 0], inputs = 2, tasks = expr(B)} : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  core.return(%d) : (tensor<B x f32>)
}

// A routine whose result has a size that nothing has bound makes its result; with a known size it gets memory. Shapes are stored by the host.
// CHECK-LABEL: core.func @calls
// CHECK-NEXT: %[[N:.*]] = kernel.call(%x) {inputs = 1, routine = "nonzero"} : (buffer<B x f32>) -> buffer<1 x ?1 x i64>
// CHECK-NEXT: %[[D:.*]] = kernel.alloc : () -> buffer<2 x i64>
// CHECK-NEXT: %[[V:.*]] = core.dim {value = expr(?1)}
// CHECK-NEXT: %[[Z:.*]] = core.constant {value = data<i64>[0]}
// CHECK-NEXT: kernel.store(%[[V]], %[[D]], %[[Z]])
// CHECK: kernel.store
// CHECK: %[[O:.*]] = kernel.alloc {output = 0} : () -> buffer<1 x ?1 x i64>
// CHECK-NEXT: kernel.call(%[[N]], %[[D]], %[[O]]) {inputs = 2, routine = "scatter_nd"}
core.func @calls(%x: tensor<B x f32>) -> (tensor<1 x ?1 x i64>) {
  %n = kernel.call(%x) {inputs = 1, routine = "nonzero"} : (tensor<B x f32>) -> tensor<1 x ?1 x i64>
  %d = tensor.from_dims {dims = [expr(?1), expr(2*B)]} : () -> tensor<2 x i64>
  %s = kernel.call(%n, %d) {inputs = 2, routine = "scatter_nd"} : (tensor<1 x ?1 x i64>, tensor<2 x i64>) -> tensor<1 x ?1 x i64>
  core.return(%s) : (tensor<1 x ?1 x i64>)
}

// Behind dims of 1 a concat is one memory with parts.
// CHECK-LABEL: core.func @concat
// CHECK: %[[C:.*]] = kernel.alloc {output = 0} : () -> buffer<1 x (B + 2) x f32>
// CHECK: %[[P:.*]] = kernel.view(%[[C]]) {offset = expr(0)}
// CHECK-NEXT: kernel.copy(%x, %[[P]])
// CHECK-NEXT: %[[Q:.*]] = kernel.view(%[[C]]) {offset = expr(B)}
// CHECK-NEXT: kernel.copy(%y, %[[Q]])
core.func @concat(%x: tensor<1 x B x f32>, %y: tensor<1 x 2 x f32>) -> (tensor<1 x (B + 2) x f32>) {
  %c = tensor.concat(%x, %y) {axis = 1} : (tensor<1 x B x f32>, tensor<1 x 2 x f32>) -> tensor<1 x (B + 2) x f32>
  core.return(%c) : (tensor<1 x (B + 2) x f32>)
}
