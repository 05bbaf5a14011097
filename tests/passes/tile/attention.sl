// One pass over the keys. What a constant mask keeps from every query of a block is not visited: the kernel reads how far its block reaches.
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s
// RUN: sluice opt %s --target=x86-64-v4 --passes=lower-to-nest,fuse,tile | FileCheck %s --check-prefix=REASON

// The largest reach of the four queries is that of the last: 5 keys of 8.
// CHECK-LABEL: core.func @masked
// CHECK: %[[R:.*]] = core.constant {value = data<tensor<1 x i64>>[5]}
// CHECK: kernel.launch(%[[R]], %q, %k, %{{.*}}, %v) {{.*}}callee = "attention_16x16"
core.func @masked(%q: tensor<3 x 4 x 16 x f32>, %k: tensor<3 x 8 x 16 x f32>, %v: tensor<3 x 8 x 16 x f32>) -> (tensor<3 x 4 x 16 x f32>) {
  %mask = core.constant {value = data<tensor<4 x 8 x f32>>[0.0, -inf, -inf, -inf, -inf, -inf, -inf, -inf,
                                                           0.0, 0.5, -inf, -inf, -inf, -inf, -inf, -inf,
                                                           -inf, 0.0, 0.0, -inf, -inf, -inf, -inf, -inf,
                                                           0.0, -inf, 0.0, -inf, 2.0, -inf, -inf, -inf]} : () -> tensor<4 x 8 x f32>
  %s = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<3 x 4 x 16 x f32>, tensor<3 x 8 x 16 x f32>) -> tensor<3 x 4 x 8 x f32>
  %m3 = tensor.reshape(%mask) : (tensor<4 x 8 x f32>) -> tensor<1 x 4 x 8 x f32>
  %mb = tensor.broadcast(%m3) : (tensor<1 x 4 x 8 x f32>) -> tensor<3 x 4 x 8 x f32>
  %x = arith.add(%s, %mb) : (tensor<3 x 4 x 8 x f32>, tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x 8 x f32>
  %max = tensor.reduce(%x) {axes = ints[2], kind = "max"} : (tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x f32>
  %k1 = tensor.reshape(%max) : (tensor<3 x 4 x f32>) -> tensor<3 x 4 x 1 x f32>
  %kb = tensor.broadcast(%k1) : (tensor<3 x 4 x 1 x f32>) -> tensor<3 x 4 x 8 x f32>
  %d = arith.sub(%x, %kb) : (tensor<3 x 4 x 8 x f32>, tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x 8 x f32>
  %e = arith.exp(%d) : (tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x 8 x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x f32>
  %u = tensor.reshape(%sum) : (tensor<3 x 4 x f32>) -> tensor<3 x 4 x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<3 x 4 x 1 x f32>) -> tensor<3 x 4 x 8 x f32>
  %p = arith.div(%e, %ub) : (tensor<3 x 4 x 8 x f32>, tensor<3 x 4 x 8 x f32>) -> tensor<3 x 4 x 8 x f32>
  %o = tensor.contract(%p, %v) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 4 x 8 x f32>, tensor<3 x 8 x 16 x f32>) -> tensor<3 x 4 x 16 x f32>
  core.return(%o) : (tensor<3 x 4 x 16 x f32>)
}

// The first 32 keys are open to all queries: the kernel does not read their mask (as many are its panel's); the two behind them it does.
// CHECK-LABEL: core.func @causal
// CHECK-DAG: core.constant {value = data<tensor<1 x i64>>[32]}
// REASON: the mask not read where it repeats a value
core.func @causal(%q: tensor<3 x 4 x 16 x f32>, %k: tensor<3 x 40 x 16 x f32>, %v: tensor<3 x 40 x 16 x f32>) -> (tensor<3 x 4 x 16 x f32>) {
  %mask = core.constant {value = data<tensor<4 x 40 x f32>>[
     0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -inf, -inf, -inf,
     0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -inf, -inf,
     0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -inf,
     0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]} : () -> tensor<4 x 40 x f32>
  %s = tensor.contract(%q, %k) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[2]} : (tensor<3 x 4 x 16 x f32>, tensor<3 x 40 x 16 x f32>) -> tensor<3 x 4 x 40 x f32>
  %m3 = tensor.reshape(%mask) : (tensor<4 x 40 x f32>) -> tensor<1 x 4 x 40 x f32>
  %mb = tensor.broadcast(%m3) : (tensor<1 x 4 x 40 x f32>) -> tensor<3 x 4 x 40 x f32>
  %x = arith.add(%s, %mb) : (tensor<3 x 4 x 40 x f32>, tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x 40 x f32>
  %max = tensor.reduce(%x) {axes = ints[2], kind = "max"} : (tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x f32>
  %k1 = tensor.reshape(%max) : (tensor<3 x 4 x f32>) -> tensor<3 x 4 x 1 x f32>
  %kb = tensor.broadcast(%k1) : (tensor<3 x 4 x 1 x f32>) -> tensor<3 x 4 x 40 x f32>
  %d = arith.sub(%x, %kb) : (tensor<3 x 4 x 40 x f32>, tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x 40 x f32>
  %e = arith.exp(%d) : (tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x 40 x f32>
  %sum = tensor.reduce(%e) {axes = ints[2], kind = "sum"} : (tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x f32>
  %u = tensor.reshape(%sum) : (tensor<3 x 4 x f32>) -> tensor<3 x 4 x 1 x f32>
  %ub = tensor.broadcast(%u) : (tensor<3 x 4 x 1 x f32>) -> tensor<3 x 4 x 40 x f32>
  %p = arith.div(%e, %ub) : (tensor<3 x 4 x 40 x f32>, tensor<3 x 4 x 40 x f32>) -> tensor<3 x 4 x 40 x f32>
  %o = tensor.contract(%p, %v) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 4 x 40 x f32>, tensor<3 x 40 x 16 x f32>) -> tensor<3 x 4 x 16 x f32>
  core.return(%o) : (tensor<3 x 4 x 16 x f32>)
}
