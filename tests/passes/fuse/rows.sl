// Reductions gather what shares their rows.
// RUN: sluice opt %s --target x86-64-v3 --passes=lower-to-nest,fuse | FileCheck %s

// Softmax with a mask before it: four nests over rows, nothing but the result leaves.
// CHECK-LABEL: @softmax
// CHECK: %[[G:.*]] = nest.group {anchor = 1, kind = "rows", reason = "{{.*}}", rows = 2} : () -> tensor<B x H x S x f32>
// CHECK: %[[P:.*]] = nest.generic(%x, %mask)
// CHECK: %[[M:.*]] = nest.generic(%[[P]])
// CHECK-SAME: iterators = ["parallel", "parallel", "reduction"]
// CHECK: %[[E:.*]] = nest.generic(%[[P]], %[[M]])
// CHECK: arith.exp
// CHECK: %[[S:.*]] = nest.generic(%[[E]])
// CHECK: %[[R:.*]] = nest.generic(%[[E]], %[[S]])
// CHECK: nest.yield(%[[R]])
// CHECK-NEXT: })
// CHECK-NEXT: core.return(%[[G]])
core.func @softmax(%x: tensor<B x H x S x f32>, %mask: tensor<B x S x f32>) -> (tensor<B x H x S x f32>) {
  %m3 = tensor.reshape(%mask) : (tensor<B x S x f32>) -> tensor<B x 1 x S x f32>
  %mb = tensor.broadcast(%m3) : (tensor<B x 1 x S x f32>) -> tensor<B x H x S x f32>
  %s = arith.add(%x, %mb) : (tensor<B x H x S x f32>, tensor<B x H x S x f32>) -> tensor<B x H x S x f32>
  %max = tensor.reduce(%s) {axes = ints[2], kind = "max"} : (tensor<B x H x S x f32>) -> tensor<B x H x f32>
  %k = tensor.reshape(%max) : (tensor<B x H x f32>) -> tensor<B x H x 1 x f32>
  %kb = tensor.broadcast(%k) : (tensor<B x H x 1 x f32>) -> tensor<B x H x S x f32>
  %d = arith.sub(%s, %kb) : (tensor<B x H x S x f32>, tensor<B x H x S x f32>) -> tensor<B x H x S x f32>
  %e = arith.exp(%d) : (tensor<B x H x S x f32>) -> tensor<B x H x S x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<B x H x S x f32>) -> tensor<B x H x f32>
  %u = tensor.reshape(%sum) : (tensor<B x H x f32>) -> tensor<B x H x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<B x H x 1 x f32>) -> tensor<B x H x S x f32>
  %r = arith.div(%e, %ub) : (tensor<B x H x S x f32>, tensor<B x H x S x f32>) -> tensor<B x H x S x f32>
  core.return(%r) : (tensor<B x H x S x f32>)
}

// Channels-last instance norm: the rows are not the leading dims of the tensor, but the leading loops of each nest.
// CHECK-LABEL: @instance_norm
// CHECK: nest.group {anchor = 0, kind = "rows", reason = "{{.*}}", rows = 2}
// CHECK: nest.generic(%x)
// CHECK-SAME: bounds = [expr(N), expr(C), expr(H), expr(W)]
// CHECK-SAME: iterators = ["parallel", "parallel", "reduction", "reduction"]
// CHECK-SAME: maps = [map(d0, d1, d2, d3)[d0, d2, d3, d1], map(d0, d1, d2, d3)[d0, d1]]
// CHECK: bounds = [expr(N), expr(C), expr(H), expr(W)]
// CHECK-SAME: iterators = ["parallel", "parallel", "parallel", "parallel"]
// CHECK-SAME: map(d0, d1, d2, d3)[d0, d2, d3, d1]]
core.func @instance_norm(%x: tensor<N x H x W x C x f32>) -> (tensor<N x H x W x C x f32>) {
  %sum = tensor.reduce(%x) {axes = ints[1, 2], kind = "sum"} : (tensor<N x H x W x C x f32>) -> tensor<N x C x f32>
  %k = tensor.reshape(%sum) : (tensor<N x C x f32>) -> tensor<N x 1 x 1 x C x f32>
  %b = tensor.broadcast(%k) : (tensor<N x 1 x 1 x C x f32>) -> tensor<N x H x W x C x f32>
  %r = arith.sub(%x, %b) : (tensor<N x H x W x C x f32>, tensor<N x H x W x C x f32>) -> tensor<N x H x W x C x f32>
  core.return(%r) : (tensor<N x H x W x C x f32>)
}

// Two sums of one input, the scaling of a mean, a residual that is read again later: one group, two results.
// CHECK-LABEL: @moments
// CHECK: %[[S:.*]], %[[V:.*]] = nest.group {{.*}}kind = "rows"{{.*}}rows = 1
// CHECK-NOT: nest.group
// CHECK: core.return(%[[V]], %[[S]])
core.func @moments(%x: tensor<B x 64 x f32>, %y: tensor<B x 64 x f32>) -> (tensor<B x f32>, tensor<B x 64 x f32>) {
  %c = core.constant {value = data<tensor<f32>>[0.015625]} : () -> tensor<f32>
  %n = tensor.broadcast(%c) : (tensor<f32>) -> tensor<B x f32>
  %s = arith.add(%x, %y) : (tensor<B x 64 x f32>, tensor<B x 64 x f32>) -> tensor<B x 64 x f32>
  %q = arith.mul(%s, %s) : (tensor<B x 64 x f32>, tensor<B x 64 x f32>) -> tensor<B x 64 x f32>
  %a = tensor.reduce(%s) {axes = ints[1], kind = "sum"} : (tensor<B x 64 x f32>) -> tensor<B x f32>
  %b = tensor.reduce(%q) {axes = ints[1], kind = "sum"} : (tensor<B x 64 x f32>) -> tensor<B x f32>
  %am = arith.mul(%a, %n) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %bm = arith.mul(%b, %n) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %aa = arith.mul(%am, %am) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  %v = arith.sub(%bm, %aa) : (tensor<B x f32>, tensor<B x f32>) -> tensor<B x f32>
  core.return(%v, %s) : (tensor<B x f32>, tensor<B x 64 x f32>)
}

// An average over windows: the rows are all outputs, the inner loops the window.
// CHECK-LABEL: @pool
// CHECK: nest.group {anchor = 0, kind = "rows", reason = "{{.*}}", rows = 3}
// CHECK: bounds = [expr(N), expr(C), expr(4), expr(2)]
// CHECK: bounds = [expr(N), expr(C), expr(4)]
core.func @pool(%x: tensor<N x C x 8 x f32>) -> (tensor<N x C x 4 x f32>) {
  %c = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %a = tensor.pool(%x) {dilations = ints[1], kind = "sum", pads_high = ints[0], pads_low = ints[0], strides = ints[2], window = ints[2]} : (tensor<N x C x 8 x f32>) -> tensor<N x C x 4 x f32>
  %h = tensor.broadcast(%c) : (tensor<f32>) -> tensor<N x C x 4 x f32>
  %r = arith.mul(%a, %h) : (tensor<N x C x 4 x f32>, tensor<N x C x 4 x f32>) -> tensor<N x C x 4 x f32>
  core.return(%r) : (tensor<N x C x 4 x f32>)
}

// A sum over rows of what was summed over columns has other rows: two kernels.
// CHECK-LABEL: @crossed
// CHECK-NOT: nest.group
// CHECK: core.return
core.func @crossed(%x: tensor<8 x 8 x f32>) -> (tensor<8 x f32>, tensor<8 x f32>) {
  %a = tensor.reduce(%x) {axes = ints[1], kind = "sum"} : (tensor<8 x 8 x f32>) -> tensor<8 x f32>
  %b = tensor.reduce(%x) {axes = ints[0], kind = "sum"} : (tensor<8 x 8 x f32>) -> tensor<8 x f32>
  core.return(%a, %b) : (tensor<8 x f32>, tensor<8 x f32>)
}
