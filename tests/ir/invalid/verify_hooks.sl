// The hooks of kernel ops, yields, and of tensor ops that have words and axes.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
kernel.func @kernel(%x: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %worker: i64) {
  %v = kernel.lanes : () -> vector<4 x i64>
  %f = core.constant {value = data<f32>[1.0]} : () -> vector<4 x f32>
  %s = core.constant {value = data<f32>[1.0]} : () -> f32
  %h = core.constant {value = data<f16>[1.0]} : () -> vector<4 x f16>
  %m = kernel.mask(%n) : (i64) -> vector<4 x i1>
  %m2 = kernel.mask(%n) : (i64) -> vector<2 x i1>
  %on = core.constant {value = data<i1>[true]} : () -> i1
// CHECK: :[[@LINE+1]]:3: error: kernel.alloc: the result must be a buffer with a shape, found buffer<? x f32>
  %a0 = kernel.alloc : () -> buffer<? x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.view: expected a buffer, found i64
  %a1 = kernel.view(%n) : (i64) -> buffer<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.copy: expected a buffer, found i64
  kernel.copy(%x, %n) : (buffer<? x f32>, i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.bind: 4 is no symbol
  kernel.bind(%n) {symbol = expr(4)} : (i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.store: the buffer must have the value's element type, found buffer<? x f32>
  kernel.store(%h, %x, %n) : (vector<4 x f16>, buffer<? x f32>, i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.store: the mask must be a vector of i1 with the value's lanes, found vector<2 x i1>
  kernel.store(%f, %x, %n, %m2) : (vector<4 x f32>, buffer<? x f32>, i64, vector<2 x i1>)
// CHECK: :[[@LINE+1]]:3: error: kernel.gather: the offsets must be a vector of i64 or i32 with the value's lanes, found vector<4 x f32>
  %a2 = kernel.gather(%x, %f) : (buffer<? x f32>, vector<4 x f32>) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.gather: the result must be a vector, found f32
  %a3 = kernel.gather(%x, %v) : (buffer<? x f32>, vector<4 x i64>) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.scatter: expected a vector to store, found f32
  kernel.scatter(%s, %x, %v) : (f32, buffer<? x f32>, vector<4 x i64>)
// CHECK: :[[@LINE+1]]:3: error: kernel.offset: the offset must be i64, found f32
  %a4 = kernel.offset(%x, %s) : (buffer<? x f32>, f32) -> buffer<? x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.scratch: the offset 32 is no multiple of 64
  %a5 = kernel.scratch {offset = 32} : () -> buffer<? x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.prefetch: level 4, expected 1 to 3
  kernel.prefetch(%x, %n) {level = 4} : (buffer<? x f32>, i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.splat: the result must be a vector of the operand's type, found vector<4 x f16>
  %a6 = kernel.splat(%s) : (f32) -> vector<4 x f16>
// CHECK: :[[@LINE+1]]:3: error: kernel.lanes: the result must be a vector of integers, found vector<4 x f32>
  %a7 = kernel.lanes : () -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.mask: the number of lanes must be i64, found f32
  %a8 = kernel.mask(%s) : (f32) -> vector<4 x i1>
// CHECK: :[[@LINE+1]]:3: error: kernel.reduce: `kind` is "mean", expected one of: sum prod max min and or
  %a9 = kernel.reduce(%f) {kind = "mean"} : (vector<4 x f32>) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.exp2: expected f32, a scalar or a vector, found i64
  %aa = kernel.exp2(%n) : (i64) -> i64
// CHECK: :[[@LINE+1]]:3: error: kernel.extract: expected a vector, found f32
  %b0 = kernel.extract(%s, %n) : (f32, i64) -> f32
// CHECK: :[[@LINE+1]]:3: error: kernel.insert: expected a scalar of the vector's type, found i64
  %b1 = kernel.insert(%f, %n, %n) : (vector<4 x f32>, i64, i64) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.shuffle: position 8 of 8 lanes
  %b2 = kernel.shuffle(%f, %f) {lanes = ints[0, 8]} : (vector<4 x f32>, vector<4 x f32>) -> vector<2 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.shuffle: the result must be a vector of the operands' type with one lane per position, found vector<3 x f32>
  %b3 = kernel.shuffle(%f, %f) {lanes = ints[0, 7]} : (vector<4 x f32>, vector<4 x f32>) -> vector<3 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.dot: factors must be vectors of bf16 for sums in f32, of integers of 8 or 16 bits for i32, found vector<4 x f32>
  %b31 = kernel.dot(%f, %f, %f) : (vector<4 x f32>, vector<4 x f32>, vector<4 x f32>) -> vector<4 x f32>
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_config: `rows` takes 8 multiples of 1 from 1 to 16
  kernel.matrix_config {bytes = ints[64, 64, 64, 64, 64, 64, 64, 64], rows = ints[16, 16, 16, 16, 16, 16, 16, 0]}
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_config: `bytes` takes 8 multiples of 4 from 4 to 64
  kernel.matrix_config {bytes = ints[64, 64, 64, 64, 64, 64, 62, 64], rows = ints[16, 16, 16, 16, 16, 16, 16, 1]}
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_config: operand 0 must be i64, found f32
  kernel.matrix_config(%s) {bytes = ints[64, 64, 64, 64, 64, 64, 64, 64], rows = ints[16, 16, 16, 16, 16, 16, 16, 0]} : (f32)
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_release: expected 0 operands, found 1
  kernel.matrix_release(%n) : (i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_zero: `tile` is 8, expected 0 to 7
  kernel.matrix_zero {tile = 8}
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_load: expected a buffer of elements of 8, 16 or 32 bits, found f32
  kernel.matrix_load(%s, %n, %n) {tile = 0} : (f32, i64, i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_store: operand 2 must be i64, found f32
  kernel.matrix_store(%x, %n, %s) {tile = 0} : (buffer<? x f32>, i64, f32)
// CHECK: :[[@LINE+1]]:3: error: kernel.matrix_dot: `kind` is "f16", expected one of: bf16 s8s8 s8u8 u8s8 u8u8
  kernel.matrix_dot {kind = "f16", left = 1, right = 2, sum = 0}
// CHECK: :[[@LINE+1]]:3: error: kernel.assert: the condition must be i1, found i64
  kernel.assert(%n) {message = "no"} : (i64)
// CHECK: :[[@LINE+1]]:3: error: kernel.if: a yielded value must be like the result that it becomes, found f32
  %b4 = kernel.if(%on) : (i1) -> i64 ({
    kernel.yield(%n) : (i64)
  }, {
    kernel.yield(%s) : (f32)
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.while: region 0 must yield its condition, i1, first, found i64
  %b5 = kernel.while(%n) : (i64) -> i64 ({ ^(%c: i64):
    kernel.yield(%c, %c) : (i64, i64)
  }, { ^(%d: i64):
    kernel.yield(%d) : (i64)
  })
// CHECK: :[[@LINE+1]]:3: error: kernel.while: region 1 must take 1 values and yield 1; it takes 0 and yields 1
  %b6 = kernel.while(%n) : (i64) -> i64 ({ ^(%g: i64):
    kernel.yield(%on, %g) : (i1, i64)
  }, {
    kernel.yield(%n) : (i64)
  })
  kernel.yield
}
core.func @main(%x: tensor<B x 4 x f32>, %i: tensor<2 x i64>, %c: tensor<i1>, %fill: tensor<f32>, %plan: partition<3>, %three: tensor<3 x i64>, %bits: tensor<2 x i1>) {
// CHECK: :[[@LINE+1]]:3: error: core.dim: d0 has loop indices; a shape expression is over symbols only
  %0 = core.dim {value = expr(d0)} : () -> i64
// CHECK: :[[@LINE+1]]:3: error: core.guard: B + d1 has loop indices; a shape expression is over symbols only
  core.guard {left = expr(B + d1), message = "no", right = expr(1)}
// CHECK: :[[@LINE+1]]:3: error: nest.index stands in the body of a nest.generic only
  %1 = nest.index {loop = 0} : () -> i64
// CHECK: :[[@LINE+1]]:3: error: route.count: makes one i64 per branch of a plan, not tensor<2 x i64> of partition<3>
  %2 = route.count(%plan) : (partition<3>) -> tensor<2 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.slice_dynamic: operand 3 must be a tensor of integers, not tensor<f32>
  %3 = tensor.slice_dynamic(%x, %i, %i, %fill) {axes = ints[0, 1]} : (tensor<B x 4 x f32>, tensor<2 x i64>, tensor<2 x i64>, tensor<f32>) -> tensor<?1 x ?2 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.pad_dynamic: `mode` is "mirror", expected one of: constant reflect edge wrap
  %4 = tensor.pad_dynamic(%x, %i, %fill) {mode = "mirror"} : (tensor<B x 4 x f32>, tensor<2 x i64>, tensor<f32>) -> tensor<?3 x ?4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_elements: axis 2 is out of range for tensor<B x 4 x f32>
  %5 = tensor.scatter_elements(%x, %i, %x) {axis = 2, reduction = "none"} : (tensor<B x 4 x f32>, tensor<2 x i64>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_elements: the indices (tensor<2 x i64>) must have the updates' shape (tensor<B x 4 x f32>) and x's rank (tensor<B x 4 x f32>)
  %6 = tensor.scatter_elements(%x, %i, %x) {axis = 1, reduction = "none"} : (tensor<B x 4 x f32>, tensor<2 x i64>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_nd: `reduction` is "mean", expected one of: none add mul max min
  %7 = tensor.scatter_nd(%x, %i, %fill) {reduction = "mean"} : (tensor<B x 4 x f32>, tensor<2 x i64>, tensor<f32>) -> tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.scatter_nd: the last dim of tensor<3 x i64> addresses more dims than tensor<B x 4 x f32> has
  %8 = tensor.scatter_nd(%x, %three, %fill) {reduction = "none"} : (tensor<B x 4 x f32>, tensor<3 x i64>, tensor<f32>) -> tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.arg_reduce: `kind` is "sum", expected one of: max min
  %9 = tensor.arg_reduce(%x) {axis = 0, kind = "sum"} : (tensor<B x 4 x f32>) -> tensor<4 x i64>
// CHECK: :[[@LINE+1]]:3: error: tensor.cumulate: axis -1 is out of range for tensor<B x 4 x f32>
  %10 = tensor.cumulate(%x) {axis = -1, kind = "sum"} : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
// CHECK: :[[@LINE+1]]:3: error: tensor.cumulate: the element type must be numeric, not i1
  %11 = tensor.cumulate(%bits) {axis = 0, kind = "sum"} : (tensor<2 x i1>) -> tensor<2 x i1>
// CHECK: :[[@LINE+1]]:3: error: tensor.random: the result must be a tensor of floats with a shape, not tensor<2 x i32>
  %12 = tensor.random {distribution = "uniform", first = 0.0, second = 1.0, seed = 1} : () -> tensor<2 x i32>
// CHECK: :[[@LINE+1]]:3: error: tensor.from_dims: entry 0 of attribute `dims` must be an expression
  %13 = tensor.from_dims {dims = [4]} : () -> tensor<1 x i64>
  %14 = tensor.if(%c) : (tensor<i1>) -> tensor<f32> ({
// CHECK: :[[@LINE+1]]:5: error: route.yield: ends a region of route.switch{{.*}}, not of tensor.if
    route.yield(%fill) : (tensor<f32>)
  }, {
    tensor.yield(%fill) : (tensor<f32>)
  })
  core.return
}
