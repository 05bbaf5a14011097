core.func @main() -> (tensor<2 x 3 x f32>, tensor<?1 x 1 x i64>) {
  %0 = tensor.iota {axis = 1} : () -> tensor<2 x 3 x f32>
  %1 = core.constant {value = data<tensor<4 x f32>>[0.0, 1.0, 2.0, 0.0]} : () -> tensor<4 x f32>
  %2 = tensor.nonzero(%1) : (tensor<4 x f32>) -> tensor<1 x ?1 x i64>
  %3 = tensor.transpose(%2) {perm = ints[1, 0]} : (tensor<1 x ?1 x i64>) -> tensor<?1 x 1 x i64>
  %4 = arith.exp(%0) : (tensor<2 x 3 x f32>) -> tensor<2 x 3 x f32>
  core.return(%4, %3) : (tensor<2 x 3 x f32>, tensor<?1 x 1 x i64>)
}
