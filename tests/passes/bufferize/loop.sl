// tensor.loop: double buffers for fixed shapes, growing slots for changing ones, stacks in one memory.
// RUN: sluice opt %s --passes=bufferize | FileCheck %s
kernel.func @one(%a: buffer<? x f32>, %b: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %w: i64) {
  kernel.yield()
}

// The launch writes into the other buffer and the pointers swap; the stacked value is made in its part of the output.
// CHECK-LABEL: core.func @fixed
// CHECK: kernel.store
// CHECK: %[[T:.*]] = core.dim {value = expr(S)}
// CHECK: %[[A:.*]] = kernel.alloc : () -> buffer<B x f32>
// CHECK: kernel.copy(%x, %[[A]])
// CHECK: %[[B:.*]] = kernel.alloc : () -> buffer<B x f32>
// CHECK: %[[S:.*]] = kernel.alloc {output = 1} : () -> buffer<S x B x f32>
// CHECK: kernel.while(%{{.*}}, %[[A]], %[[B]]) : {{.*}} ({ ^(%[[I:.*]]: i64, %[[U:.*]]: buffer<B x f32>, %[[V:.*]]: buffer<B x f32>):
// CHECK-NEXT: %[[C:.*]] = arith.cmp(%[[I]], %[[T]]) {predicate = "lt"}
// CHECK-NEXT: kernel.yield(%[[C]], %[[I]], %[[U]], %[[V]])
// CHECK: ^(%[[I:.*]]: i64, %[[U:.*]]: buffer<B x f32>, %[[V:.*]]: buffer<B x f32>):
// CHECK-NEXT: kernel.bind(%[[I]]) {symbol = expr(?[[K:[0-9]+]])}
// CHECK-NEXT: kernel.launch(%[[U]], %[[V]])
// CHECK-NEXT: %[[P:.*]] = kernel.view(%[[S]]) {offset = expr(B*?[[K]])}
// CHECK-NEXT: kernel.launch(%[[V]], %[[P]])
// CHECK: kernel.yield(%{{.*}}, %[[V]], %[[U]])
core.func @fixed(%x: tensor<B x f32>, %y: tensor<S x f32>) -> (tensor<B x f32>, tensor<S x B x f32>) {
  %n = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %p, %s = tensor.loop(%n, %t, %x) {carried = 1, trip_count = expr(S)} : (tensor<i64>, tensor<i1>, tensor<B x f32>) -> (tensor<B x f32>, tensor<S x B x f32>) ({ ^(%i: tensor<i64>, %c: tensor<i1>, %a: tensor<B x f32>):
    %e = kernel.launch(%a) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
    %f = kernel.launch(%e) {callee = "one", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
    tensor.yield(%c, %e, %f) : (tensor<i1>, tensor<B x f32>, tensor<B x f32>)
  })
  core.return(%p, %s) : (tensor<B x f32>, tensor<S x B x f32>)
}

// Two carried values that swap: nothing is lost, each is copied into the other buffer of the other one.
// CHECK-LABEL: core.func @swap
// CHECK: ^(%{{.*}}: i64, %[[A:.*]]: buffer<B x f32>, %[[AN:.*]]: buffer<B x f32>, %[[B:.*]]: buffer<B x f32>, %[[BN:.*]]: buffer<B x f32>):
// CHECK: ^(%{{.*}}: i64, %[[A:.*]]: buffer<B x f32>, %[[AN:.*]]: buffer<B x f32>, %[[B:.*]]: buffer<B x f32>, %[[BN:.*]]: buffer<B x f32>):
// CHECK: kernel.copy(%[[B]], %[[AN]])
// CHECK: kernel.copy(%[[A]], %[[BN]])
// CHECK: kernel.yield(%{{.*}}, %[[AN]], %[[A]], %[[BN]], %[[B]])
core.func @swap(%x: tensor<B x f32>, %y: tensor<B x f32>) -> (tensor<B x f32>, tensor<B x f32>) {
  %n = core.constant {value = data<tensor<i64>>[3]} : () -> tensor<i64>
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %p, %q = tensor.loop(%n, %t, %x, %y) {carried = 2, trip_count = expr(3)} : (tensor<i64>, tensor<i1>, tensor<B x f32>, tensor<B x f32>) -> (tensor<B x f32>, tensor<B x f32>) ({ ^(%i: tensor<i64>, %c: tensor<i1>, %a: tensor<B x f32>, %b: tensor<B x f32>):
    tensor.yield(%c, %b, %a) : (tensor<i1>, tensor<B x f32>, tensor<B x f32>)
  })
  core.return(%p, %q) : (tensor<B x f32>, tensor<B x f32>)
}

// The carried value grows and the loop may end early: symbols are bound per iteration, the stack grows in a slot of its own and keeps its bytes.
// CHECK-LABEL: core.func @growing
// CHECK: %[[M:.*]] = kernel.load(%n
// CHECK: kernel.bind(%{{.*}}) {symbol = expr(?3)}
// CHECK: %[[V:.*]] = kernel.view(%x) : (buffer<B x f32>) -> buffer<?3 x f32>
// CHECK: kernel.while({{.*}}, %[[V]])
// CHECK: ^(%[[I:.*]]: i64, %[[G:.*]]: i1, %[[C:.*]]: buffer<?3 x f32>):
// CHECK: ^(%[[I:.*]]: i64, %[[G:.*]]: i1, %[[C:.*]]: buffer<?3 x f32>):
// CHECK: %[[N:.*]] = kernel.alloc : () -> buffer<(?3 + 1) x f32>
// CHECK: kernel.launch(%[[C]], %[[N]])
// CHECK: %[[S:.*]] = kernel.alloc {dynamic = true, slot = 1} : () -> buffer<(?[[K:[0-9]+]] + 1) x 1 x f32>
// CHECK: %[[P:.*]] = kernel.view(%[[S]]) {offset = expr(?[[K]])} : {{.*}} -> buffer<1 x f32>
// CHECK: kernel.copy(%y, %[[P]])
// CHECK: %[[D:.*]] = core.dim {value = expr(?3 + 1)}
// CHECK: %[[X:.*]] = kernel.alloc {dynamic = true, slot = 0} : () -> buffer<(?3 + 1) x f32>
// CHECK: kernel.copy(%[[N]], %[[X]])
// CHECK: kernel.bind(%[[D]]) {symbol = expr(?3)}
// CHECK: %[[Y:.*]] = kernel.view(%[[X]]) : (buffer<(?3 + 1) x f32>) -> buffer<?3 x f32>
// CHECK: kernel.yield(%{{.*}}, %{{.*}}, %[[Y]])
// CHECK: kernel.bind(%{{.*}}) {symbol = expr(?4)}
// CHECK: kernel.bind(%{{.*}}) {symbol = expr(?5)}
// CHECK: kernel.alloc {dynamic = true, slot = 1} : () -> buffer<?5 x 1 x f32>
core.func @growing(%n: tensor<i64>, %g: tensor<i1>, %x: tensor<B x f32>, %y: tensor<1 x f32>) -> (tensor<?4 x f32>, tensor<?5 x 1 x f32>) {
  %p, %s = tensor.loop(%n, %g, %x) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<B x f32>) -> (tensor<?4 x f32>, tensor<?5 x 1 x f32>) ({ ^(%i: tensor<i64>, %c: tensor<i1>, %a: tensor<?3 x f32>):
    %e = kernel.launch(%a) {callee = "one", dims = [expr(?3)], inputs = 1, tasks = expr(?3)} : (tensor<?3 x f32>) -> tensor<(?3 + 1) x f32>
    tensor.yield(%c, %e, %y) : (tensor<i1>, tensor<(?3 + 1) x f32>, tensor<1 x f32>)
  })
  core.return(%p, %s) : (tensor<?4 x f32>, tensor<?5 x 1 x f32>)
}
