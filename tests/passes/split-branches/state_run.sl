// What state.sl runs: rows 1 and 3 go nowhere; with merge keep and with merge place, keys constant and computed.
core.func @main() -> (tensor<4 x 1 x f32>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>) {
  %x = core.constant {value = data<tensor<4 x 1 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<4 x 1 x f32>
  %past = core.constant {value = data<tensor<4 x 1 x f32>>[9.0, 9.0, 9.0, 9.0]} : () -> tensor<4 x 1 x f32>
  %k = core.constant {value = data<tensor<4 x i64>>[0, -1, 0, -5]} : () -> tensor<4 x i64>
  %p = route.partition(%k) : (tensor<4 x i64>) -> partition<1>
  // CHECK: f32[4, 1]: 2 2 6 4
  // CHECK-NEXT: f32[4, 1]: -1 -2 -3 -4
  %h, %s = route.switch(%p, %x, %x, %past) {merge = "keep", rows = 1, state = ["", "copy"]} : (partition<1>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>) -> (tensor<4 x 1 x f32>, tensor<4 x 1 x f32>) ({ ^(%a: tensor<?1 x 1 x f32>):
    %e = arith.add(%a, %a) : (tensor<?1 x 1 x f32>, tensor<?1 x 1 x f32>) -> tensor<?1 x 1 x f32>
    %n = arith.neg(%a) : (tensor<?1 x 1 x f32>) -> tensor<?1 x 1 x f32>
    route.yield(%e, %n) : (tensor<?1 x 1 x f32>, tensor<?1 x 1 x f32>)
  })
  %flags = tensor.random {distribution = "uniform", first = 1.0, second = 2.0, seed = 7} : () -> tensor<4 x f32>
  %twos = core.constant {value = data<tensor<4 x f32>>[3.0, 0.0, 3.0, 0.0]} : () -> tensor<4 x f32>
  %small = arith.cmp(%flags, %twos) {predicate = "lt"} : (tensor<4 x f32>, tensor<4 x f32>) -> tensor<4 x i1>
  %here = core.constant {value = data<tensor<4 x i64>>splat(0)} : () -> tensor<4 x i64>
  %nowhere = core.constant {value = data<tensor<4 x i64>>splat(-1)} : () -> tensor<4 x i64>
  %k2 = arith.select(%small, %here, %nowhere) : (tensor<4 x i1>, tensor<4 x i64>, tensor<4 x i64>) -> tensor<4 x i64>
  %p2 = route.partition(%k2) : (tensor<4 x i64>) -> partition<1>
  // CHECK-NEXT: f32[4, 1]: 2 0 6 0
  // CHECK-NEXT: f32[4, 1]: -1 -2 -3 -4
  %h2, %s2 = route.switch(%p2, %x) {merge = "place", rows = 1, state = ["", "copy"]} : (partition<1>, tensor<4 x 1 x f32>) -> (tensor<4 x 1 x f32>, tensor<4 x 1 x f32>) ({ ^(%a: tensor<?2 x 1 x f32>):
    %e = arith.add(%a, %a) : (tensor<?2 x 1 x f32>, tensor<?2 x 1 x f32>) -> tensor<?2 x 1 x f32>
    %n = arith.neg(%a) : (tensor<?2 x 1 x f32>) -> tensor<?2 x 1 x f32>
    route.yield(%e, %n) : (tensor<?2 x 1 x f32>, tensor<?2 x 1 x f32>)
  })
  core.return(%h, %s, %h2, %s2) : (tensor<4 x 1 x f32>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>, tensor<4 x 1 x f32>)
}
