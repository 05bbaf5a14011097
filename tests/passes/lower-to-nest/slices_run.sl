// What slices.sl runs: positions that are computed while running (the number of nonzeros, less a constant), so that no pass knows them.
core.func @main() -> (tensor<?2 x i32>, tensor<?3 x i32>, tensor<?4 x i32>, tensor<?5 x i32>) {
  %x = core.constant {value = data<tensor<6 x i32>>[1, 2, 3, 4, 5, 6]} : () -> tensor<6 x i32>
  %flags = tensor.random {distribution = "uniform", first = 1.0, second = 2.0, seed = 7} : () -> tensor<4 x f32>
  %nz = tensor.nonzero(%flags) : (tensor<4 x f32>) -> tensor<1 x ?1 x i64>
  %four = tensor.from_dims {dims = [expr(?1)]} : () -> tensor<1 x i64>
  %c2 = core.constant {value = data<tensor<1 x i64>>[2]} : () -> tensor<1 x i64>
  %c5 = core.constant {value = data<tensor<1 x i64>>[5]} : () -> tensor<1 x i64>
  %c9 = core.constant {value = data<tensor<1 x i64>>[9]} : () -> tensor<1 x i64>
  %step = core.constant {value = data<tensor<1 x i64>>[1]} : () -> tensor<1 x i64>
  %largest = tensor.reduce(%nz) {axes = ints[0, 1], kind = "max"} : (tensor<1 x ?1 x i64>) -> tensor<i64>
  %three = tensor.reshape(%largest) : (tensor<i64>) -> tensor<1 x i64>
  %minus = arith.sub(%three, %c5) : (tensor<1 x i64>, tensor<1 x i64>) -> tensor<1 x i64>
  %less = arith.sub(%minus, %c9) : (tensor<1 x i64>, tensor<1 x i64>) -> tensor<1 x i64>
  // [2:3], [:-2], [-11:3], [3:2]
  // CHECK: {{^}}i32[1]: 3{{$}}
  %a = tensor.slice_dynamic(%x, %c2, %three, %step) {axes = ints[0]} : (tensor<6 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?2 x i32>
  %zero = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  // CHECK-NEXT: {{^}}i32[4]: 1 2 3 4{{$}}
  %b = tensor.slice_dynamic(%x, %zero, %minus, %step) {axes = ints[0]} : (tensor<6 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?3 x i32>
  // CHECK-NEXT: {{^}}i32[3]: 1 2 3{{$}}
  %c = tensor.slice_dynamic(%x, %less, %three, %step) {axes = ints[0]} : (tensor<6 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?4 x i32>
  // CHECK-NEXT: {{^}}i32[0]:{{$}}
  %d = tensor.slice_dynamic(%x, %three, %c2, %step) {axes = ints[0]} : (tensor<6 x i32>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<?5 x i32>
  core.return(%a, %b, %c, %d) : (tensor<?2 x i32>, tensor<?3 x i32>, tensor<?4 x i32>, tensor<?5 x i32>)
}
