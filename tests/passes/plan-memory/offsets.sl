// Buffers of fixed size share one arena by lifetime; loops keep what they use.
// RUN: sluice opt %s --passes=bufferize,plan-memory --dump-dir=%t.dump | FileCheck %s
// RUN: FileCheck %s --check-prefix=WHY < %t.dump/decisions.txt
kernel.func @one(%a: buffer<? x f32>, %b: buffer<? x f32>, %first: i64, %end: i64, %w: i64) {
  kernel.yield()
}

// %a and %c never live together; %b meets both.
// CHECK-LABEL: core.func @chain
// CHECK: %[[A:.*]] = kernel.alloc {offset = 0} : () -> buffer<100 x f32>
// CHECK: %[[B:.*]] = kernel.alloc {offset = 448} : () -> buffer<20 x f32>
// CHECK: %[[C:.*]] = kernel.alloc {offset = 0} : () -> buffer<100 x f32>
// WHY: plan-memory: {{.*}}peak: 576 bytes for 3 buffers of fixed size (1024 bytes without sharing)
core.func @chain(%x: tensor<100 x f32>) -> (tensor<100 x f32>) {
  %a = kernel.launch(%x) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<100 x f32>) -> tensor<100 x f32>
  %b = kernel.launch(%a) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<100 x f32>) -> tensor<20 x f32>
  %c = kernel.launch(%b) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<20 x f32>) -> tensor<100 x f32>
  %d = kernel.launch(%c) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<100 x f32>) -> tensor<100 x f32>
  core.return(%d) : (tensor<100 x f32>)
}

// %a is read in every iteration: the body's own buffer, which comes after the last read in the text, must not take its place.
// CHECK-LABEL: core.func @loop
// CHECK: kernel.alloc {offset = [[A:[0-9]+]]} : () -> buffer<16 x f32>
// CHECK: kernel.while
// CHECK: kernel.launch(%a,
// CHECK-NOT: kernel.alloc {offset = [[A]]}
// CHECK: core.return
core.func @loop(%x: tensor<16 x f32>) -> (tensor<16 x f32>) {
  %a = kernel.launch(%x) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<16 x f32>) -> tensor<16 x f32>
  %n = core.constant {value = data<tensor<i64>>[3]} : () -> tensor<i64>
  %t = core.constant {value = data<tensor<i1>>[1]} : () -> tensor<i1>
  %p = tensor.loop(%n, %t, %x) {carried = 1, trip_count = expr(3)} : (tensor<i64>, tensor<i1>, tensor<16 x f32>) -> tensor<16 x f32> ({ ^(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<16 x f32>):
    %e = kernel.launch(%a) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<16 x f32>) -> tensor<16 x f32>
    %f = kernel.launch(%e) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<16 x f32>) -> tensor<16 x f32>
    %g = kernel.launch(%f) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<16 x f32>) -> tensor<16 x f32>
    tensor.yield(%c, %g) : (tensor<i1>, tensor<16 x f32>)
  })
  core.return(%p) : (tensor<16 x f32>)
}

// Symbolic sizes share slots; sizes that depend on a routine's result are dynamic.
// CHECK-LABEL: core.func @symbolic
// CHECK: kernel.alloc {slot = 0} : () -> buffer<B x f32>
// CHECK: kernel.alloc {slot = 1} : () -> buffer<(2*B) x f32>
// CHECK: kernel.alloc {slot = 0} : () -> buffer<B x f32>
// CHECK: kernel.alloc {dynamic = true, slot = 0} : () -> buffer<?1 x f32>
core.func @symbolic(%x: tensor<B x f32>) -> (tensor<?1 x f32>) {
  %a = kernel.launch(%x) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<B x f32>) -> tensor<B x f32>
  %b = kernel.launch(%a) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<B x f32>) -> tensor<(2*B) x f32>
  %c = kernel.launch(%b) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<(2*B) x f32>) -> tensor<B x f32>
  %n = kernel.call(%c) {inputs = 1, routine = "nonzero"} : (tensor<B x f32>) -> tensor<?1 x f32>
  %d = kernel.launch(%n) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<?1 x f32>) -> tensor<?1 x f32>
  %e = kernel.launch(%d) {callee = "one", dims = [], inputs = 1, tasks = expr(1)} : (tensor<?1 x f32>) -> tensor<?1 x f32>
  core.return(%e) : (tensor<?1 x f32>)
}
