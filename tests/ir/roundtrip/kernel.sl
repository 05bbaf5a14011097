// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
kernel.func @double(%in: buffer<? x f32>, %out: buffer<? x f32>, %n: i64, %first: i64, %end: i64, %worker: i64) {reason = "vectors of 8", scratch = 128} {
  %step = core.constant {value = data<i64>[8]} : () -> i64
  %two = core.constant {value = data<f32>[2.0]} : () -> f32
  %twos = kernel.splat(%two) : (f32) -> vector<8 x f32>
  %zeros = core.constant {value = data<f32>[0.0]} : () -> vector<8 x f32>
  %total = kernel.for(%first, %end, %step, %zeros) {unroll = false} : (i64, i64, i64, vector<8 x f32>) -> vector<8 x f32> ({ ^(%i: i64, %sum: vector<8 x f32>):
    %left = arith.sub(%n, %i) : (i64, i64) -> i64
    %mask = kernel.mask(%left) : (i64) -> vector<8 x i1>
    %v = kernel.load(%in, %i, %mask) {align = 4} : (buffer<? x f32>, i64, vector<8 x i1>) -> vector<8 x f32>
    %d = arith.mul(%v, %twos) : (vector<8 x f32>, vector<8 x f32>) -> vector<8 x f32>
    kernel.store(%d, %out, %i, %mask) {align = 4} : (vector<8 x f32>, buffer<? x f32>, i64, vector<8 x i1>)
    %next = arith.add(%sum, %d) : (vector<8 x f32>, vector<8 x f32>) -> vector<8 x f32>
    kernel.yield(%next) : (vector<8 x f32>)
  })
  %one = kernel.reduce(%total) {kind = "sum"} : (vector<8 x f32>) -> f32
  %rest = kernel.offset(%in, %n) : (buffer<? x f32>, i64) -> buffer<? x f32>
  %scratch = kernel.scratch {offset = 64} : () -> buffer<? x f32>
  %lanes = kernel.lanes : () -> vector<8 x i64>
  %g = kernel.gather(%rest, %lanes) : (buffer<? x f32>, vector<8 x i64>) -> vector<8 x f32>
  kernel.scatter(%g, %scratch, %lanes) : (vector<8 x f32>, buffer<? x f32>, vector<8 x i64>)
  %lane = kernel.extract(%g, %first) : (vector<8 x f32>, i64) -> f32
  %set = kernel.insert(%g, %one, %first) : (vector<8 x f32>, f32, i64) -> vector<8 x f32>
  %mixed = kernel.shuffle(%g, %set) {lanes = ints[0, 8, 1, 9, -1, -1, 7, 15]} : (vector<8 x f32>, vector<8 x f32>) -> vector<8 x f32>
  %pairs = core.constant {value = data<bf16>[2.0]} : () -> vector<16 x bf16>
  %pair = core.constant {value = data<bf16>[0.5]} : () -> vector<2 x bf16>
  %dots = kernel.dot(%g, %pair, %pairs) : (vector<8 x f32>, vector<2 x bf16>, vector<16 x bf16>) -> vector<8 x f32>
  %powers = kernel.exp2(%dots) : (vector<8 x f32>) -> vector<8 x f32>
  kernel.matrix_config(%n) {bytes = ints[64, 64, 64, 64, 64, 64, 64, 64], rows = ints[0, 0, 0, 0, 0, 0, 16, 16]} : (i64)
  kernel.matrix_zero {tile = 0}
  kernel.matrix_load(%in, %n, %step) {tile = 7} : (buffer<? x f32>, i64, i64)
  kernel.matrix_dot {kind = "u8s8", left = 4, right = 7, sum = 0}
  kernel.matrix_store(%out, %n, %step) {tile = 0} : (buffer<? x f32>, i64, i64)
  kernel.matrix_release
  kernel.prefetch(%in, %n) {level = 2} : (buffer<? x f32>, i64)
  %fine = arith.cmp(%lane, %one) {predicate = "le"} : (f32, f32) -> i1
  kernel.assert(%fine) {message = "index out of range"} : (i1)
  kernel.yield
}

core.func @main(%x: tensor<B x f32>) -> (tensor<B x f32>) {
  %0 = kernel.launch(%x) {bytes = expr(4*B), callee = "double", dims = [expr(B)], grain = expr(1024), in_place = ints[0, 0], inputs = 1, tasks = expr(B), work = expr(B)} : (tensor<B x f32>) -> tensor<B x f32>
  core.return(%0) : (tensor<B x f32>)
}

core.func @host(%x: buffer<B x f32>, %go: i1, %n: i64) {buffers = true} {
  %a = kernel.alloc {offset = 0, slot = 0} : () -> buffer<B x f32>
  %b = kernel.alloc {output = 0} : () -> buffer<B x f32>
  %c = kernel.alloc {dynamic = true, slot = 1} : () -> buffer<?1 x f32>
  kernel.bind(%n) {dense = expr(B), limit = expr(2*B), symbol = expr(?1)} : (i64)
  kernel.branch {dense = expr(B), index = 3, rows = expr(?1)}
  %v = kernel.view(%a) {offset = expr(4)} : (buffer<B x f32>) -> buffer<(B - 4) x f32>
  kernel.copy(%x, %a) : (buffer<B x f32>, buffer<B x f32>)
  kernel.launch(%a, %b) {callee = "double", dims = [expr(B)], inputs = 1, tasks = expr(B)} : (buffer<B x f32>, buffer<B x f32>)
  %found = kernel.call(%a) {floats = [0.5], inputs = 1, ints = ints[3], routine = "nonzero"} : (buffer<B x f32>) -> buffer<1 x ?2 x i64>
  %picked = kernel.if(%go) : (i1) -> i64 ({
    kernel.yield(%n) : (i64)
  }, {
    %0 = core.dim {value = expr(B)} : () -> i64
    kernel.yield(%0) : (i64)
  })
  kernel.each {count = 3, symbol = expr(?3)} ({
    kernel.branch {dense = expr(B), entry = 1, index = 0, members = ints[0, 2, 5], rows = expr(?3)}
    kernel.launch(%a, %b) {callee = "double", dims = [expr(B)], inputs = 1, queued = true, tasks = expr(B)} : (buffer<B x f32>, buffer<B x f32>)
    kernel.yield
  })
  kernel.flush {padding = 25}
  %last = kernel.while(%picked) : (i64) -> i64 ({ ^(%i: i64):
    %1 = arith.cmp(%i, %n) {predicate = "lt"} : (i64, i64) -> i1
    kernel.yield(%1, %i) : (i1, i64)
  }, { ^(%j: i64):
    %2 = arith.add(%j, %n) : (i64, i64) -> i64
    kernel.yield(%2) : (i64)
  })
  core.return
}
