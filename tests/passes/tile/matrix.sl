// Narrow factors with constant weights go to matrix tiles where the machine has them: 2 x 2 of 16 x 16 sums, two panels side by side for few rows, none where --kernel says so.
// RUN: sluice opt %s --target=sapphirerapids --passes=simplify,lower-to-nest,fuse,tile | FileCheck %s
// RUN: sluice opt %s --target=sapphirerapids --kernel=matrix=off --passes=simplify,lower-to-nest,fuse,tile | FileCheck %s --check-prefix=OFF
// RUN: sluice opt %s --target=sapphirerapids,-amx-tile --passes=simplify,lower-to-nest,fuse,tile | FileCheck %s --check-prefix=OFF
// RUN: sluice compile %s --target=sapphirerapids --emit=asm | FileCheck %s --check-prefix=ASM

// OFF-NOT: kernel.matrix

// CHECK-LABEL: kernel.func @contract_40x64x64(
// CHECK-SAME: reason = "contraction: matrix tiles of 14 rows, 2 x 2 at once
// CHECK-SAME: rows in place
// CHECK: kernel.matrix_config({{.*}}) {bytes = ints[64, 64, 64, 64, 64, 64, 64, 64], rows = ints[0, 0, 0, 0, 0, 0, 16, 16]}
// CHECK: kernel.matrix_zero {tile = 0}
// CHECK: kernel.for
// CHECK: kernel.matrix_load({{.*}}) {tile = 6} : (buffer<? x bf16>, i64, i64)
// CHECK: kernel.matrix_load({{.*}}) {tile = 4} : (buffer<? x bf16>, i64, i64)
// CHECK: kernel.matrix_dot {kind = "bf16", left = 4, right = 6, sum = 0}
// CHECK: kernel.matrix_load({{.*}}) {tile = 7}
// CHECK: kernel.matrix_dot {kind = "bf16", left = 4, right = 7, sum = 1}
// CHECK: kernel.matrix_load({{.*}}) {tile = 5}
// CHECK: kernel.matrix_dot {kind = "bf16", left = 5, right = 6, sum = 2}
// CHECK: kernel.matrix_dot {kind = "bf16", left = 5, right = 7, sum = 3}
// CHECK: kernel.matrix_store({{.*}}) {tile = 3} : (buffer<? x f32>, i64, i64)
// CHECK: kernel.matrix_release
// CHECK-NEXT: kernel.yield

// ASM: ldtilecfg
// ASM: tilezero %tmm3
// ASM: tileloadd ({{.*}}), %tmm6
// ASM: tileloadd ({{.*}}), %tmm4
// ASM: tdpbf16ps %tmm6, %tmm4, %tmm0
// ASM: tileloadd ({{.*}}), %tmm7
// ASM: tdpbf16ps %tmm7, %tmm4, %tmm1
// ASM: tileloadd ({{.*}}), %tmm5
// ASM: tdpbf16ps %tmm6, %tmm5, %tmm2
// ASM: tdpbf16ps %tmm7, %tmm5, %tmm3
// ASM: tilestored %tmm3, ({{.*}})
// ASM: tilerelease
// ASM: ret
core.func @main(%x: tensor<40 x 64 x bf16>) -> (tensor<40 x 64 x f32>) {
  %w = tensor.iota {axis = 1} : () -> tensor<64 x 64 x bf16>
  %y = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], result_element = f32, right_batch = ints[], right_sum = ints[0]} : (tensor<40 x 64 x bf16>, tensor<64 x 64 x bf16>) -> tensor<40 x 64 x f32>
  core.return(%y) : (tensor<40 x 64 x f32>)
}
