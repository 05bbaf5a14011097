// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @main(%keys: tensor<B x 2 x i32>, %weights: tensor<B x 2 x f32>, %x: tensor<B x 8 x f32>, %gate: tensor<B x i32>) -> (tensor<B x 8 x f32>, tensor<B x 8 x f32>, tensor<3 x i64>) {
  %plan = route.partition(%keys) : (tensor<B x 2 x i32>) -> partition<3>
  %count = route.count(%plan) : (partition<3>) -> tensor<3 x i64>
  %mixed = route.switch(%plan, %x, %weights) {merge = "add", rows = 1, weighted = true} : (partition<3>, tensor<B x 8 x f32>, tensor<B x 2 x f32>) -> tensor<B x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    %0 = arith.exp(%a) : (tensor<?1 x 8 x f32>) -> tensor<?1 x 8 x f32>
    route.yield(%0) : (tensor<?1 x 8 x f32>)
  }, { ^(%b: tensor<?2 x 8 x f32>):
    %1 = arith.neg(%b) : (tensor<?2 x 8 x f32>) -> tensor<?2 x 8 x f32>
    route.yield(%1) : (tensor<?2 x 8 x f32>)
  }, { ^(%c: tensor<?3 x 8 x f32>):
    route.yield(%c) : (tensor<?3 x 8 x f32>)
  })
  %skip = route.partition(%gate) : (tensor<B x i32>) -> partition<1>
  %kept = route.switch(%skip, %mixed, %mixed) {merge = "keep", rows = 1} : (partition<1>, tensor<B x 8 x f32>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%d: tensor<?4 x 8 x f32>):
    %2 = arith.abs(%d) : (tensor<?4 x 8 x f32>) -> tensor<?4 x 8 x f32>
    route.yield(%2) : (tensor<?4 x 8 x f32>)
  })
  core.return(%mixed, %kept, %count) : (tensor<B x 8 x f32>, tensor<B x 8 x f32>, tensor<3 x i64>)
}

core.func @split(%keys: tensor<B x 2 x i32>, %x: tensor<B x 8 x f32>) -> (tensor<(2*B) x 8 x f32>, tensor<B x 2 x i64>, tensor<B x 2 x i64>, tensor<B x 2 x i64>) {
  %0, %1, %2, %3, %4 = route.sort(%keys) {branches = 3} : (tensor<B x 2 x i32>) -> (tensor<4 x i64>, tensor<(2*B) x i64>, tensor<B x 2 x i64>, tensor<B x 2 x i64>, tensor<B x 2 x i64>)
  %5 = route.dispatch(%0) {begins = [expr(?2)], branches = ints[1], counts = [expr(?1)], rows = expr(B)} : (tensor<4 x i64>) -> tensor<(2*B) x 8 x f32> ({
    %6 = tensor.slice(%1) {starts = [expr(?2)], steps = ints[1]} : (tensor<(2*B) x i64>) -> tensor<?1 x i64>
    %7 = tensor.take(%x, %6) {axis = 0} : (tensor<B x 8 x f32>, tensor<?1 x i64>) -> tensor<?1 x 8 x f32>
    route.yield(%7) : (tensor<?1 x 8 x f32>)
  })
  core.return(%5, %2, %3, %4) : (tensor<(2*B) x 8 x f32>, tensor<B x 2 x i64>, tensor<B x 2 x i64>, tensor<B x 2 x i64>)
}

core.func @states(%keys: tensor<B x i64>, %x: tensor<B x 8 x f32>, %old: tensor<B x 8 x f32>, %go: tensor<i1>, %n: tensor<i64>) -> (tensor<B x 8 x f32>) {state = ints[2, 0]} {
  %plan = route.partition(%keys) : (tensor<B x i64>) -> partition<1>
  %h, %k = route.switch(%plan, %x) {merge = "place", rows = 1, state = ["", "copy"]} : (partition<1>, tensor<B x 8 x f32>) -> (tensor<B x 8 x f32>, tensor<B x 8 x f32>) ({ ^(%a: tensor<?1 x 8 x f32>):
    %0 = arith.neg(%a) : (tensor<?1 x 8 x f32>) -> tensor<?1 x 8 x f32>
    route.yield(%0, %a) : (tensor<?1 x 8 x f32>, tensor<?1 x 8 x f32>)
  })
  %1 = tensor.if(%go) {state = ["keep"]} : (tensor<i1>) -> tensor<B x 8 x f32> ({
    tensor.yield(%k) : (tensor<B x 8 x f32>)
  }, {
    tensor.yield(%old) : (tensor<B x 8 x f32>)
  })
  %2 = tensor.loop(%n, %go, %1) {carried = 1, state = ints[0]} : (tensor<i64>, tensor<i1>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32> ({ ^(%step: tensor<i64>, %on: tensor<i1>, %s: tensor<B x 8 x f32>):
    tensor.yield(%on, %s) : (tensor<i1>, tensor<B x 8 x f32>)
  })
  core.return(%2) : (tensor<B x 8 x f32>)
}
