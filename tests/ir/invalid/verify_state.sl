// What skipped rows and steps owe to states: holes are refused where they are made, and words that mean nothing there.
// RUN: not sluice opt %s 2>&1 | FileCheck %s
core.func @holes(%keys: tensor<B x i64>, %x: tensor<B x 8 x f32>, %past: tensor<B x 8 x f32>) -> (tensor<(2*B) x 8 x f32>) {output_names = ["present"], state = ints[2, 0]} {
  %plan = route.partition(%keys) : (tensor<B x i64>) -> partition<1>
// CHECK: :[[@LINE+1]]:3: error: route.switch: state 'present' is read by a later step, but rows that go nowhere leave a hole in it
  %k = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<1>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    route.yield(%a) : (tensor<?1 x 8 x f32>)
  })
  %joined = tensor.concat(%past, %k) {axis = 0} : (tensor<B x 8 x f32>, tensor<B x 8 x f32>) -> tensor<(2*B) x 8 x f32>
  core.return(%joined) : (tensor<(2*B) x 8 x f32>)
}
// A key that can't be negative leaves none: no error here.
core.func @no_holes(%x: tensor<B x 8 x f32>, %past: tensor<B x 8 x f32>) -> (tensor<B x 8 x f32>) {state = ints[1, 0]} {
  %keys = tensor.arg_reduce(%x) {axis = 1, kind = "max", last = false} : (tensor<B x 8 x f32>) -> tensor<B x i64>
  %plan = route.partition(%keys) : (tensor<B x i64>) -> partition<1>
  %k = route.switch(%plan, %x) {merge = "place", rows = 1} : (partition<1>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?2 x 8 x f32>):
    route.yield(%a) : (tensor<?2 x 8 x f32>)
  })
  core.return(%k) : (tensor<B x 8 x f32>)
}
// Nested: the hole is in the inner switch.
core.func @nested(%keys: tensor<B x i64>, %x: tensor<B x 8 x f32>, %past: tensor<B x 8 x f32>) -> (tensor<B x 8 x f32>) {state = ints[2, 0]} {
  %plan = route.partition(%keys) : (tensor<B x i64>) -> partition<1>
  %k = route.switch(%plan, %x, %keys) {merge = "place", rows = 2, state = ["none"]} : (partition<1>, tensor<B x 8 x f32>, tensor<B x i64>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?3 x 8 x f32>, %i: tensor<?3 x i64>):
    %inner = route.partition(%i) : (tensor<?3 x i64>) -> partition<1>
// CHECK: :[[@LINE+1]]:5: error: route.switch: state '' is read by a later step
    %0 = route.switch(%inner, %a) {merge = "place", rows = 1} : (partition<1>, tensor<?3 x 8 x f32>) -> tensor<?3 x 8 x f32> ({ ^(%b: tensor<?4 x 8 x f32>):
      route.yield(%b) : (tensor<?4 x 8 x f32>)
    })
    route.yield(%0) : (tensor<?3 x 8 x f32>)
  })
  core.return(%k) : (tensor<B x 8 x f32>)
}
core.func @skipped_step(%n: tensor<i64>, %go: tensor<i1>, %x: tensor<1 x 8 x f32>, %start: tensor<4 x 8 x f32>) -> (tensor<4 x 8 x f32>) {
  %r = tensor.loop(%n, %go, %start) {carried = 1, state = ints[0]} : (tensor<i64>, tensor<i1>, tensor<4 x 8 x f32>) -> tensor<4 x 8 x f32> ({ ^(%step: tensor<i64>, %on: tensor<i1>, %cache: tensor<4 x 8 x f32>):
// CHECK: :[[@LINE+1]]:5: error: tensor.if: state 'cache' is read by a later step, but branch 0 hands on the old one without an entry for this step
    %0 = tensor.if(%on) : (tensor<i1>) -> tensor<4 x 8 x f32> ({
      tensor.yield(%cache) : (tensor<4 x 8 x f32>)
    }, {
      %rest = tensor.slice(%cache) {starts = [expr(1), expr(0)], steps = ints[1, 1]} : (tensor<4 x 8 x f32>) -> tensor<3 x 8 x f32>
      %1 = tensor.concat(%rest, %x) {axis = 0} : (tensor<3 x 8 x f32>, tensor<1 x 8 x f32>) -> tensor<4 x 8 x f32>
      tensor.yield(%1) : (tensor<4 x 8 x f32>)
    })
    tensor.yield(%on, %0) : (tensor<i1>, tensor<4 x 8 x f32>)
  })
  core.return(%r) : (tensor<4 x 8 x f32>)
}
core.func @words(%keys: tensor<B x i64>, %two: tensor<B x 2 x i64>, %x: tensor<B x 8 x f32>, %go: tensor<i1>) {
  %plan = route.partition(%keys) : (tensor<B x i64>) -> partition<1>
  %choices = route.partition(%two) : (tensor<B x 2 x i64>) -> partition<1>
// CHECK: :[[@LINE+1]]:3: error: route.switch: `state` has 2 entries, expected 1
  %0 = route.switch(%plan, %x) {merge = "place", rows = 1, state = ["copy", "copy"]} : (partition<1>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?5 x 8 x f32>):
    route.yield(%a) : (tensor<?5 x 8 x f32>)
  })
// CHECK: :[[@LINE+1]]:3: error: route.switch: `state` 0 is "copy": copy goes with one branch, one choice for each row, and merge place or keep
  %1 = route.switch(%choices, %x) {merge = "place", rows = 1, state = ["copy"]} : (partition<1>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?6 x 8 x f32>):
    route.yield(%a) : (tensor<?6 x 8 x f32>)
  })
// CHECK: :[[@LINE+1]]:3: error: tensor.if: `state` 0 is "copy": copy is for a switch
  %2 = tensor.if(%go) {state = ["copy"]} : (tensor<i1>) -> tensor<B x 8 x f32> ({
    tensor.yield(%x) : (tensor<B x 8 x f32>)
  }, {
    tensor.yield(%x) : (tensor<B x 8 x f32>)
  })
  core.return
}
// CHECK: :[[@LINE+1]]:1: error: core.func: `state` must be pairs of an input's and an output's number
core.func @pairs(%x: tensor<B x 8 x f32>) -> (tensor<B x 8 x f32>) {state = ints[0, 4]} {
  core.return(%x) : (tensor<B x 8 x f32>)
}
// CHECK: :[[@LINE+1]]:1: error: core.func: `state` 0 goes in as tensor<B x 8 x f32> and comes out as tensor<B x 8 x i1>
core.func @types(%x: tensor<B x 8 x f32>) -> (tensor<B x 8 x i1>) {state = ints[0, 0]} {
  %0 = arith.cmp(%x, %x) {predicate = "eq"} : (tensor<B x 8 x f32>, tensor<B x 8 x f32>) -> tensor<B x 8 x i1>
  core.return(%0) : (tensor<B x 8 x i1>)
}
core.func @carried(%n: tensor<i64>, %go: tensor<i1>, %start: tensor<4 x f32>) -> (tensor<4 x f32>) {
// CHECK: :[[@LINE+1]]:3: error: tensor.loop: `state` must be numbers of carried values, below 1
  %r = tensor.loop(%n, %go, %start) {carried = 1, state = ints[1]} : (tensor<i64>, tensor<i1>, tensor<4 x f32>) -> tensor<4 x f32> ({ ^(%step: tensor<i64>, %on: tensor<i1>, %h: tensor<4 x f32>):
    tensor.yield(%on, %h) : (tensor<i1>, tensor<4 x f32>)
  })
  core.return(%r) : (tensor<4 x f32>)
}
