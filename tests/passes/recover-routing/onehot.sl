// Dispatch by one-hot products becomes a switch where no slot can hold two tokens; tokens beyond the capacity go nowhere.
// RUN: sluice opt %s --passes=recover-routing,simplify 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.err
// RUN: sluice opt %s --passes=recover-routing --strict 2>/dev/null | FileCheck %s --check-prefix=STRICT
// RUN: not sluice opt %s --passes=recover-routing --deny=dense-fallback 2>&1 | FileCheck %s --check-prefix=DENY
// STRICT-NOT: route.
// DENY: error: runs dense: all slots of all experts are computed

// CHECK-LABEL: core.func @capacity
// CHECK: tensor.cumulate
// CHECK: %[[IN:.*]] = arith.cmp({{.*}}) {predicate = "lt"} : (tensor<R x 1 x i64>, tensor<R x 1 x i64>)
// CHECK: arith.select
// CHECK: %[[P:.*]] = route.partition({{.*}}) : (tensor<R x 1 x i64>) -> partition<3>
// CHECK: route.switch(%[[P]], %x, {{.*}}) {merge = "add", rows = 1, weighted = true}
// CHECK-NOT: x 3 x 5 x
core.func @capacity(%x: tensor<R x 32 x f32>, %scores: tensor<R x 3 x f32>, %other: tensor<R x 3 x f32>, %w: tensor<3 x 32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %experts = core.constant {value = data<tensor<3 x i64>>[0, 1, 2]} : () -> tensor<3 x i64>
  %places = core.constant {value = data<tensor<5 x i64>>[0, 1, 2, 3, 4]} : () -> tensor<5 x i64>
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %ones = tensor.broadcast(%one) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = arith.exp(%scores) : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %pick = tensor.arg_reduce(%gate) {axis = 1, kind = "max"} : (tensor<R x 3 x f32>) -> tensor<R x i64>
  %pick1 = tensor.reshape(%pick) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %picks = tensor.broadcast(%pick1) : (tensor<R x 1 x i64>) -> tensor<R x 3 x i64>
  %numbers = tensor.broadcast(%experts) : (tensor<3 x i64>) -> tensor<R x 3 x i64>
  %hit = arith.cmp(%picks, %numbers) {predicate = "eq"} : (tensor<R x 3 x i64>, tensor<R x 3 x i64>) -> tensor<R x 3 x i1>
  %m = arith.cast(%hit) : (tensor<R x 3 x i1>) -> tensor<R x 3 x f32>
  %count = tensor.cumulate(%m) {axis = 0, kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %position = arith.sub(%count, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %mine = arith.mul(%position, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %slot = tensor.reduce(%mine) {axes = ints[1], kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x f32>
  %number = arith.cast(%slot) : (tensor<R x f32>) -> tensor<R x i64>
  %number1 = tensor.reshape(%number) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %slots = tensor.broadcast(%number1) : (tensor<R x 1 x i64>) -> tensor<R x 5 x i64>
  %all = tensor.broadcast(%places) : (tensor<5 x i64>) -> tensor<R x 5 x i64>
  %in = arith.cmp(%slots, %all) {predicate = "eq"} : (tensor<R x 5 x i64>, tensor<R x 5 x i64>) -> tensor<R x 5 x i1>
  %s = arith.cast(%in) : (tensor<R x 5 x i1>) -> tensor<R x 5 x f32>
  %g = arith.mul(%gate, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %combine = tensor.contract(%g, %s) {left_batch = ints[0], left_sum = ints[], right_batch = ints[0], right_sum = ints[]} : (tensor<R x 3 x f32>, tensor<R x 5 x f32>) -> tensor<R x 3 x 5 x f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x 5 x f32>
  %some = arith.cmp(%combine, %zeros) {predicate = "gt"} : (tensor<R x 3 x 5 x f32>, tensor<R x 3 x 5 x f32>) -> tensor<R x 3 x 5 x i1>
  %dispatch = arith.cast(%some) : (tensor<R x 3 x 5 x i1>) -> tensor<R x 3 x 5 x f32>
  %filled = tensor.contract(%dispatch, %x) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 3 x 5 x f32>, tensor<R x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %h = tensor.contract(%filled, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 5 x 32 x f32>, tensor<3 x 32 x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %y = tensor.contract(%combine, %h) {left_batch = ints[], left_sum = ints[1, 2], right_batch = ints[], right_sum = ints[0, 1]} : (tensor<R x 3 x 5 x f32>, tensor<3 x 5 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}

// Counted is something else than the tokens of the expert: two tokens may get one slot.
// CHECK-LABEL: core.func @collide
// CHECK-NOT: route.
// REMARK: remark: runs dense: all slots of all experts are computed: the position does not count the tokens of an expert
core.func @collide(%x: tensor<R x 32 x f32>, %scores: tensor<R x 3 x f32>, %other: tensor<R x 3 x f32>, %w: tensor<3 x 32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %experts = core.constant {value = data<tensor<3 x i64>>[0, 1, 2]} : () -> tensor<3 x i64>
  %places = core.constant {value = data<tensor<5 x i64>>[0, 1, 2, 3, 4]} : () -> tensor<5 x i64>
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %ones = tensor.broadcast(%one) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = arith.exp(%scores) : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %pick = tensor.arg_reduce(%gate) {axis = 1, kind = "max"} : (tensor<R x 3 x f32>) -> tensor<R x i64>
  %pick1 = tensor.reshape(%pick) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %picks = tensor.broadcast(%pick1) : (tensor<R x 1 x i64>) -> tensor<R x 3 x i64>
  %numbers = tensor.broadcast(%experts) : (tensor<3 x i64>) -> tensor<R x 3 x i64>
  %hit = arith.cmp(%picks, %numbers) {predicate = "eq"} : (tensor<R x 3 x i64>, tensor<R x 3 x i64>) -> tensor<R x 3 x i1>
  %m = arith.cast(%hit) : (tensor<R x 3 x i1>) -> tensor<R x 3 x f32>
  %count = tensor.cumulate(%other) {axis = 0, kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %position = arith.sub(%count, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %mine = arith.mul(%position, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %slot = tensor.reduce(%mine) {axes = ints[1], kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x f32>
  %number = arith.cast(%slot) : (tensor<R x f32>) -> tensor<R x i64>
  %number1 = tensor.reshape(%number) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %slots = tensor.broadcast(%number1) : (tensor<R x 1 x i64>) -> tensor<R x 5 x i64>
  %all = tensor.broadcast(%places) : (tensor<5 x i64>) -> tensor<R x 5 x i64>
  %in = arith.cmp(%slots, %all) {predicate = "eq"} : (tensor<R x 5 x i64>, tensor<R x 5 x i64>) -> tensor<R x 5 x i1>
  %s = arith.cast(%in) : (tensor<R x 5 x i1>) -> tensor<R x 5 x f32>
  %g = arith.mul(%gate, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %combine = tensor.contract(%g, %s) {left_batch = ints[0], left_sum = ints[], right_batch = ints[0], right_sum = ints[]} : (tensor<R x 3 x f32>, tensor<R x 5 x f32>) -> tensor<R x 3 x 5 x f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x 5 x f32>
  %some = arith.cmp(%combine, %zeros) {predicate = "gt"} : (tensor<R x 3 x 5 x f32>, tensor<R x 3 x 5 x f32>) -> tensor<R x 3 x 5 x i1>
  %dispatch = arith.cast(%some) : (tensor<R x 3 x 5 x i1>) -> tensor<R x 3 x 5 x f32>
  %filled = tensor.contract(%dispatch, %x) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 3 x 5 x f32>, tensor<R x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %h = tensor.contract(%filled, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 5 x 32 x f32>, tensor<3 x 32 x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %y = tensor.contract(%combine, %h) {left_batch = ints[], left_sum = ints[1, 2], right_batch = ints[], right_sum = ints[0, 1]} : (tensor<R x 3 x 5 x f32>, tensor<3 x 5 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}

// Gates below 0 are not dispatched by `> 0`; by `!= 0` they are.
// CHECK-LABEL: core.func @negative
// CHECK-NOT: route.
// REMARK: remark: runs dense: all slots of all experts are computed: gates may be negative, and their tokens are not dispatched
core.func @negative(%x: tensor<R x 32 x f32>, %scores: tensor<R x 3 x f32>, %other: tensor<R x 3 x f32>, %w: tensor<3 x 32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %experts = core.constant {value = data<tensor<3 x i64>>[0, 1, 2]} : () -> tensor<3 x i64>
  %places = core.constant {value = data<tensor<5 x i64>>[0, 1, 2, 3, 4]} : () -> tensor<5 x i64>
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %ones = tensor.broadcast(%one) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = arith.add(%scores, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %pick = tensor.arg_reduce(%gate) {axis = 1, kind = "max"} : (tensor<R x 3 x f32>) -> tensor<R x i64>
  %pick1 = tensor.reshape(%pick) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %picks = tensor.broadcast(%pick1) : (tensor<R x 1 x i64>) -> tensor<R x 3 x i64>
  %numbers = tensor.broadcast(%experts) : (tensor<3 x i64>) -> tensor<R x 3 x i64>
  %hit = arith.cmp(%picks, %numbers) {predicate = "eq"} : (tensor<R x 3 x i64>, tensor<R x 3 x i64>) -> tensor<R x 3 x i1>
  %m = arith.cast(%hit) : (tensor<R x 3 x i1>) -> tensor<R x 3 x f32>
  %count = tensor.cumulate(%m) {axis = 0, kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %position = arith.sub(%count, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %mine = arith.mul(%position, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %slot = tensor.reduce(%mine) {axes = ints[1], kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x f32>
  %number = arith.cast(%slot) : (tensor<R x f32>) -> tensor<R x i64>
  %number1 = tensor.reshape(%number) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %slots = tensor.broadcast(%number1) : (tensor<R x 1 x i64>) -> tensor<R x 5 x i64>
  %all = tensor.broadcast(%places) : (tensor<5 x i64>) -> tensor<R x 5 x i64>
  %in = arith.cmp(%slots, %all) {predicate = "eq"} : (tensor<R x 5 x i64>, tensor<R x 5 x i64>) -> tensor<R x 5 x i1>
  %s = arith.cast(%in) : (tensor<R x 5 x i1>) -> tensor<R x 5 x f32>
  %g = arith.mul(%gate, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %combine = tensor.contract(%g, %s) {left_batch = ints[0], left_sum = ints[], right_batch = ints[0], right_sum = ints[]} : (tensor<R x 3 x f32>, tensor<R x 5 x f32>) -> tensor<R x 3 x 5 x f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x 5 x f32>
  %some = arith.cmp(%combine, %zeros) {predicate = "gt"} : (tensor<R x 3 x 5 x f32>, tensor<R x 3 x 5 x f32>) -> tensor<R x 3 x 5 x i1>
  %dispatch = arith.cast(%some) : (tensor<R x 3 x 5 x i1>) -> tensor<R x 3 x 5 x f32>
  %filled = tensor.contract(%dispatch, %x) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 3 x 5 x f32>, tensor<R x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %h = tensor.contract(%filled, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 5 x 32 x f32>, tensor<3 x 32 x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %y = tensor.contract(%combine, %h) {left_batch = ints[], left_sum = ints[1, 2], right_batch = ints[], right_sum = ints[0, 1]} : (tensor<R x 3 x 5 x f32>, tensor<3 x 5 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}

// CHECK-LABEL: core.func @any_sign
// CHECK: route.switch
core.func @any_sign(%x: tensor<R x 32 x f32>, %scores: tensor<R x 3 x f32>, %other: tensor<R x 3 x f32>, %w: tensor<3 x 32 x 32 x f32>) -> (tensor<R x 32 x f32>) {
  %experts = core.constant {value = data<tensor<3 x i64>>[0, 1, 2]} : () -> tensor<3 x i64>
  %places = core.constant {value = data<tensor<5 x i64>>[0, 1, 2, 3, 4]} : () -> tensor<5 x i64>
  %one = core.constant {value = data<tensor<f32>>[1.0]} : () -> tensor<f32>
  %zero = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>
  %ones = tensor.broadcast(%one) : (tensor<f32>) -> tensor<R x 3 x f32>
  %gate = arith.add(%scores, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %pick = tensor.arg_reduce(%gate) {axis = 1, kind = "max"} : (tensor<R x 3 x f32>) -> tensor<R x i64>
  %pick1 = tensor.reshape(%pick) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %picks = tensor.broadcast(%pick1) : (tensor<R x 1 x i64>) -> tensor<R x 3 x i64>
  %numbers = tensor.broadcast(%experts) : (tensor<3 x i64>) -> tensor<R x 3 x i64>
  %hit = arith.cmp(%picks, %numbers) {predicate = "eq"} : (tensor<R x 3 x i64>, tensor<R x 3 x i64>) -> tensor<R x 3 x i1>
  %m = arith.cast(%hit) : (tensor<R x 3 x i1>) -> tensor<R x 3 x f32>
  %count = tensor.cumulate(%m) {axis = 0, kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %position = arith.sub(%count, %ones) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %mine = arith.mul(%position, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %slot = tensor.reduce(%mine) {axes = ints[1], kind = "sum"} : (tensor<R x 3 x f32>) -> tensor<R x f32>
  %number = arith.cast(%slot) : (tensor<R x f32>) -> tensor<R x i64>
  %number1 = tensor.reshape(%number) : (tensor<R x i64>) -> tensor<R x 1 x i64>
  %slots = tensor.broadcast(%number1) : (tensor<R x 1 x i64>) -> tensor<R x 5 x i64>
  %all = tensor.broadcast(%places) : (tensor<5 x i64>) -> tensor<R x 5 x i64>
  %in = arith.cmp(%slots, %all) {predicate = "eq"} : (tensor<R x 5 x i64>, tensor<R x 5 x i64>) -> tensor<R x 5 x i1>
  %s = arith.cast(%in) : (tensor<R x 5 x i1>) -> tensor<R x 5 x f32>
  %g = arith.mul(%gate, %m) : (tensor<R x 3 x f32>, tensor<R x 3 x f32>) -> tensor<R x 3 x f32>
  %combine = tensor.contract(%g, %s) {left_batch = ints[0], left_sum = ints[], right_batch = ints[0], right_sum = ints[]} : (tensor<R x 3 x f32>, tensor<R x 5 x f32>) -> tensor<R x 3 x 5 x f32>
  %zeros = tensor.broadcast(%zero) : (tensor<f32>) -> tensor<R x 3 x 5 x f32>
  %some = arith.cmp(%combine, %zeros) {predicate = "ne"} : (tensor<R x 3 x 5 x f32>, tensor<R x 3 x 5 x f32>) -> tensor<R x 3 x 5 x i1>
  %dispatch = arith.cast(%some) : (tensor<R x 3 x 5 x i1>) -> tensor<R x 3 x 5 x f32>
  %filled = tensor.contract(%dispatch, %x) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[0]} : (tensor<R x 3 x 5 x f32>, tensor<R x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %h = tensor.contract(%filled, %w) {left_batch = ints[0], left_sum = ints[2], right_batch = ints[0], right_sum = ints[1]} : (tensor<3 x 5 x 32 x f32>, tensor<3 x 32 x 32 x f32>) -> tensor<3 x 5 x 32 x f32>
  %y = tensor.contract(%combine, %h) {left_batch = ints[], left_sum = ints[1, 2], right_batch = ints[], right_sum = ints[0, 1]} : (tensor<R x 3 x 5 x f32>, tensor<3 x 5 x 32 x f32>) -> tensor<R x 32 x f32>
  core.return(%y) : (tensor<R x 32 x f32>)
}

