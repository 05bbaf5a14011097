// A chain of convolutions whose first result (131072 bytes) is larger than the memory that there is.
// RUN: sluice opt %s --passes=bound-memory --memory-budget 100000 | FileCheck %s
// RUN: sluice opt %s --passes=default --memory-budget 100000 | FileCheck %s --check-prefix=FITS
// RUN: sluice opt %s --passes=bound-memory | FileCheck %s --check-prefix=FREE
// RUN: sluice opt %s --passes=bound-memory --memory-budget 150000 | FileCheck %s --check-prefix=FREE
// RUN: sluice opt %s --passes=bound-memory --memory-budget 100000 --decisions=bound-memory 2>&1 | FileCheck %s --check-prefix=WHY
// RUN: not sluice opt %s --passes=default --memory-budget 4000 2>&1 | FileCheck %s --check-prefix=NEVER

// Three bands: the upper one is padded above, the lower one below; neighbours both make the rows that their windows share.
// CHECK: tensor.slice(%x) {starts = [expr(0), expr(0), expr(0), expr(0)]
// CHECK: tensor.conv{{.*}}pads_high = ints[0, 1], pads_low = ints[1, 1]
// CHECK: tensor.conv{{.*}}pads_low = ints[1, 1]
// CHECK: tensor.slice(%x)
// CHECK: tensor.conv{{.*}}pads_low = ints[0, 1]
// CHECK: tensor.concat({{.*}}) {axis = 1}

// FITS: kernel.launch

// FREE-NOT: tensor.slice
// FREE-NOT: tensor.concat

// WHY: bands: 3 bands of rows over {{.*}} bytes alive instead of {{[0-9]+}} (budget 100000), {{.*}} % of the work done twice

// NEVER: remark: about {{[0-9]+}} bytes are alive here; in bands of rows it would be about {{[0-9]+}} at the least, which is more than the budget of 4000
// NEVER: error: the program needs {{[0-9]+}} bytes of memory for intermediate results; the budget is 4000
core.func @main(%x: tensor<1 x 32 x 32 x 4 x f32>) -> (tensor<1 x 4 x 4 x 8 x f32>) {
  %wa = core.constant {value = data<tensor<3 x 3 x 4 x 32 x f32>>splat(0.5)} : () -> tensor<3 x 3 x 4 x 32 x f32>
  %a = tensor.conv(%x, %wa) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[1, 1], pads_low = ints[1, 1], strides = ints[1, 1]} : (tensor<1 x 32 x 32 x 4 x f32>, tensor<3 x 3 x 4 x 32 x f32>) -> tensor<1 x 32 x 32 x 32 x f32>
  %wb = core.constant {value = data<tensor<3 x 3 x 32 x 8 x f32>>splat(0.5)} : () -> tensor<3 x 3 x 32 x 8 x f32>
  %b = tensor.conv(%a, %wb) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<1 x 32 x 32 x 32 x f32>, tensor<3 x 3 x 32 x 8 x f32>) -> tensor<1 x 16 x 16 x 8 x f32>
  %wc = core.constant {value = data<tensor<3 x 3 x 8 x 8 x f32>>splat(0.5)} : () -> tensor<3 x 3 x 8 x 8 x f32>
  %c = tensor.conv(%b, %wc) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<1 x 16 x 16 x 8 x f32>, tensor<3 x 3 x 8 x 8 x f32>) -> tensor<1 x 8 x 8 x 8 x f32>
  %wd = core.constant {value = data<tensor<3 x 3 x 8 x 8 x f32>>splat(0.5)} : () -> tensor<3 x 3 x 8 x 8 x f32>
  %d = tensor.conv(%c, %wd) {dilations = ints[1, 1], groups = 1, layout = "nhwc", pads_high = ints[0, 0], pads_low = ints[1, 1], strides = ints[2, 2]} : (tensor<1 x 8 x 8 x 8 x f32>, tensor<3 x 3 x 8 x 8 x f32>) -> tensor<1 x 4 x 4 x 8 x f32>
  core.return(%d) : (tensor<1 x 4 x 4 x 8 x f32>)
}
