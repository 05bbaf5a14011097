// The verifier reports every violation.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
// CHECK: :[[@LINE+1]]:1: error: kernel.func: the last three arguments must be first task, end task and worker; there are 2 arguments
kernel.func @few(%first: i64, %end: i64) {
  kernel.yield
}
// CHECK: :[[@LINE+2]]:1: error: kernel.func: argument 0 is tensor<f32>; expected buffers, then i64 scalars
// CHECK: :[[@LINE+1]]:1: error: kernel.func: argument 3 is i32; expected buffers, then i64 scalars
kernel.func @types(%x: tensor<f32>, %first: i64, %end: i64, %worker: i32) {
  kernel.yield
}
kernel.func @fine(%x: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %worker: i64) {
  kernel.yield
}
kernel.func @loops(%x: buffer<? x f32>, %first: i64, %end: i64, %worker: i64) {
// CHECK: :[[@LINE+1]]:3: error: kernel.for: expected at least 3 operands, found 2
  kernel.for(%first, %end) : (i64, i64) ({ ^(%i: i64):
    kernel.yield
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.for: with 1 carried values the block takes 2 arguments, yields 1 and there are 1 results; found 1, 0 and 1
  %0 = kernel.for(%first, %end, %first, %first) : (i64, i64, i64, i64) -> i64 ({ ^(%i: i64):
    kernel.yield
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.load: expected a buffer and an i64 offset, found i64 and i64
  %1 = kernel.load(%first, %end) : (i64, i64) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.load: the result must be a scalar or vector of f32, not f16
  %2 = kernel.load(%x, %end) : (buffer<? x f32>, i64) -> f16
// CHECK: :[[@LINE+1]]:3: error: kernel.store: expected 3 to 4 operands, found 2
  kernel.store(%first, %x) : (i64, buffer<? x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.gather: expected 2 to 3 operands, found 1
  %3 = kernel.gather(%x) : (buffer<? x f32>) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.scatter: expected 3 to 4 operands, found 1
  kernel.scatter(%x) : (buffer<? x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.offset: expected 2 operands, found 1
  %4 = kernel.offset(%x) : (buffer<? x f32>) -> buffer<? x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.scratch: attribute `offset` is missing (bytes, multiple of 64)
  %5 = kernel.scratch : () -> buffer<? x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.splat: expected 1 operand, found 0
  %6 = kernel.splat : () -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.lanes: expected 0 operands, found 1
  %7 = kernel.lanes(%x) : (buffer<? x f32>) -> vector<4 x i64>
// CHECK: :[[@LINE+1]]:3: error: kernel.mask: expected 1 operand, found 0
  %8 = kernel.mask : () -> vector<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: kernel.reduce: attribute `kind` is missing (sum, prod, max, min, and, or)
  %9 = kernel.reduce(%x) : (buffer<? x f32>) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.extract: expected 2 operands, found 1
  %10 = kernel.extract(%x) : (buffer<? x f32>) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.insert: expected 3 operands, found 1
  %11 = kernel.insert(%x) : (buffer<? x f32>) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.shuffle: attribute `lanes` is missing (positions; -1: any value)
  %12 = kernel.shuffle(%x, %x) : (buffer<? x f32>, buffer<? x f32>) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.prefetch: attribute `level` is missing (cache level 1 to 3)
  kernel.prefetch(%x, %first) : (buffer<? x f32>, i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.assert: attribute `message` is missing (what the user did wrong)
  kernel.assert(%first) : (i64)
  kernel.yield
}
core.func @host(%x: buffer<4 x f32>) {buffers = true} {
// CHECK: :[[@LINE+1]]:3: error: kernel.launch: there is no kernel @gone
  kernel.launch(%x) {callee = "gone", dims = [], inputs = 1, tasks = expr(1)} : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.launch: @fine takes 5 arguments; the launch gives 1 buffers, 0 dims and the 3 of every launch
  kernel.launch(%x) {callee = "fine", dims = [], inputs = 1, tasks = expr(1)} : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.launch: `inputs` is 2 with 1 operands and 0 results; outputs are either results or operands
  kernel.launch(%x) {callee = "fine", dims = [1], inputs = 2, tasks = expr(1)} : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.call: the routine's name is empty
  kernel.call(%x) {inputs = 1, routine = ""} : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.alloc: expected 1 result, found 0
  kernel.alloc
// CHECK: :[[@LINE+1]]:3: error: kernel.view: expected 1 operand, found 0
  %0 = kernel.view : () -> buffer<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.copy: expected 2 operands, found 1
  kernel.copy(%x) : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.branch: attribute `dense` is missing (rows that would have come if nothing were skipped)
  kernel.branch {index = 0, rows = expr(B)}
// CHECK: :[[@LINE+1]]:3: error: kernel.bind: attribute `symbol` is missing (the symbol)
  kernel.bind(%x) : (buffer<4 x f32>)
// CHECK: :[[@LINE+1]]:3: error: kernel.flush: padding is -1 percent
  kernel.flush {padding = -1}
// CHECK: :[[@LINE+1]]:3: error: kernel.each: runs a region without arguments at least once, not 0 times
  kernel.each {count = 0, symbol = expr(?9)} ({
    kernel.yield
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.each: 7 is no symbol
  kernel.each {count = 1, symbol = expr(7)} ({
    kernel.yield
  })
  kernel.while ({
    kernel.yield
  }, {
// CHECK: :[[@LINE+1]]:5: error: kernel.while: region 1 must end with a terminator, found core.guard
    core.guard {left = expr(1), message = "", right = expr(1)}
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.if: expected 1 operand, found 0
  kernel.if ({
    kernel.yield
  }, {
    kernel.yield
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.yield: a terminator must be the last op of its region
  kernel.yield
  core.return
}
