// Ops that search; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<2 x 2 x f32>, tensor<2 x 2 x i64>, tensor<2 x 3 x f32>, tensor<2 x 3 x i64>, tensor<0 x 4 x f32>, tensor<0 x 4 x i64>, tensor<2 x ?1 x i64>, tensor<1 x ?2 x i64>, tensor<?3 x i32>, tensor<?3 x i64>, tensor<6 x i64>, tensor<?3 x i64>, tensor<?4 x i32>, tensor<?4 x i64>, tensor<6 x i64>, tensor<?4 x i64>, tensor<?5 x 2 x i32>, tensor<?5 x i64>, tensor<3 x i64>, tensor<?5 x i64>, tensor<?6 x 3 x i64>, tensor<?7 x 3 x i64>, tensor<?8 x 3 x i64>, tensor<?9 x 3 x i64>) {
  %x = core.constant {value = data<tensor<2 x 4 x f32>>[1.0, 3.0, 3.0, 2.0, nan, -1.0, 0.0, -1.0]} : () -> tensor<2 x 4 x f32>
  %k = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  %k1 = core.constant {value = data<tensor<1 x i64>>[3]} : () -> tensor<1 x i64>
  %k0 = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  // CHECK-NEXT: {{^}}f32[2, 2]: 3 3 nan 0{{$}}
  // CHECK-NEXT: {{^}}i64[2, 2]: 1 2 0 2{{$}}
  %v, %p = tensor.topk(%x, %k) {axis = 1, largest = true} : (tensor<2 x 4 x f32>, tensor<i64>) -> (tensor<2 x 2 x f32>, tensor<2 x 2 x i64>)
  // CHECK-NEXT: {{^}}f32[2, 3]: 1 2 3 -1 -1 0{{$}}
  // CHECK-NEXT: {{^}}i64[2, 3]: 0 3 1 1 3 2{{$}}
  %v1, %p1 = tensor.topk(%x, %k1) {axis = 1, largest = false} : (tensor<2 x 4 x f32>, tensor<1 x i64>) -> (tensor<2 x 3 x f32>, tensor<2 x 3 x i64>)
  // CHECK-NEXT: {{^}}f32[0, 4]:{{$}}
  // CHECK-NEXT: {{^}}i64[0, 4]:{{$}}
  %v0, %p0 = tensor.topk(%x, %k0) {axis = 0, largest = true} : (tensor<2 x 4 x f32>, tensor<i64>) -> (tensor<0 x 4 x f32>, tensor<0 x 4 x i64>)
  // CHECK-NEXT: {{^}}i64[2, 7]: 0 0 0 0 1 1 1 0 1 2 3 0 1 3{{$}}
  %nz = tensor.nonzero(%x) : (tensor<2 x 4 x f32>) -> tensor<2 x ?1 x i64>
  %nothing = core.constant {value = data<tensor<2 x i32>>[0, 0]} : () -> tensor<2 x i32>
  // CHECK-NEXT: {{^}}i64[1, 0]:{{$}}
  %nz0 = tensor.nonzero(%nothing) : (tensor<2 x i32>) -> tensor<1 x ?2 x i64>
  %u = core.constant {value = data<tensor<6 x i32>>[5, 3, 5, 1, 3, 3]} : () -> tensor<6 x i32>
  // CHECK-NEXT: {{^}}i32[3]: 1 3 5{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 3 1 0{{$}}
  // CHECK-NEXT: {{^}}i64[6]: 2 1 2 0 1 1{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 1 3 2{{$}}
  %a, %b, %c, %d = tensor.unique(%u) {sorted = true} : (tensor<6 x i32>) -> (tensor<?3 x i32>, tensor<?3 x i64>, tensor<6 x i64>, tensor<?3 x i64>)
  // CHECK-NEXT: {{^}}i32[3]: 5 3 1{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 0 1 3{{$}}
  // CHECK-NEXT: {{^}}i64[6]: 0 1 0 2 1 1{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 2 3 1{{$}}
  %e, %f, %g, %h = tensor.unique(%u) {sorted = false} : (tensor<6 x i32>) -> (tensor<?4 x i32>, tensor<?4 x i64>, tensor<6 x i64>, tensor<?4 x i64>)
  %m = core.constant {value = data<tensor<3 x 2 x i32>>[2, 1, 0, 9, 2, 1]} : () -> tensor<3 x 2 x i32>
  // CHECK-NEXT: {{^}}i32[2, 2]: 0 9 2 1{{$}}
  // CHECK-NEXT: {{^}}i64[2]: 1 0{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 1 0 1{{$}}
  // CHECK-NEXT: {{^}}i64[2]: 1 2{{$}}
  %i, %j, %l, %o = tensor.unique(%m) {axis = 0, sorted = true} : (tensor<3 x 2 x i32>) -> (tensor<?5 x 2 x i32>, tensor<?5 x i64>, tensor<3 x i64>, tensor<?5 x i64>)
  // Boxes 0 and 1 overlap by 0.81 / 1.19 = 0.68; box 2 lies apart; the score of box 3 is too low. Corners may be given in any order.
  %boxes = core.constant {value = data<tensor<1 x 4 x 4 x f32>>[0.0, 0.0, 1.0, 1.0, 1.1, 1.1, 0.1, 0.1, 5.0, 5.0, 6.0, 6.0, 8.0, 8.0, 9.0, 9.0]} : () -> tensor<1 x 4 x 4 x f32>
  %scores = core.constant {value = data<tensor<1 x 1 x 4 x f32>>[0.5, 0.9, 0.6, 0.01]} : () -> tensor<1 x 1 x 4 x f32>
  %most = core.constant {value = data<tensor<i64>>[3]} : () -> tensor<i64>
  %iou = core.constant {value = data<tensor<f32>>[0.5]} : () -> tensor<f32>
  %least = core.constant {value = data<tensor<f32>>[0.1]} : () -> tensor<f32>
  %iou7 = core.constant {value = data<tensor<f32>>[0.7]} : () -> tensor<f32>
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  // CHECK-NEXT: {{^}}i64[2, 3]: 0 0 1 0 0 2{{$}}
  %nms = tensor.nonmax_suppression(%boxes, %scores, %most, %iou, %least) {center_point = false} : (tensor<1 x 4 x 4 x f32>, tensor<1 x 1 x 4 x f32>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?6 x 3 x i64>
  // CHECK-NEXT: {{^}}i64[3, 3]: 0 0 1 0 0 2 0 0 0{{$}}
  %nms7 = tensor.nonmax_suppression(%boxes, %scores, %most, %iou7, %least) {center_point = false} : (tensor<1 x 4 x 4 x f32>, tensor<1 x 1 x 4 x f32>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?7 x 3 x i64>
  // CHECK-NEXT: {{^}}i64[2, 3]: 0 0 1 0 0 2{{$}}
  %nms2 = tensor.nonmax_suppression(%boxes, %scores, %two, %iou7, %least) {center_point = false} : (tensor<1 x 4 x 4 x f32>, tensor<1 x 1 x 4 x f32>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?8 x 3 x i64>
  %centers = core.constant {value = data<tensor<1 x 2 x 4 x f32>>[0.5, 0.5, 1.0, 1.0, 0.6, 0.6, 1.0, 1.0]} : () -> tensor<1 x 2 x 4 x f32>
  %cs = core.constant {value = data<tensor<1 x 1 x 2 x f32>>[0.5, 0.9]} : () -> tensor<1 x 1 x 2 x f32>
  // CHECK-NEXT: {{^}}i64[1, 3]: 0 0 1{{$}}
  %nmsc = tensor.nonmax_suppression(%centers, %cs, %most, %iou, %least) {center_point = true} : (tensor<1 x 2 x 4 x f32>, tensor<1 x 1 x 2 x f32>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?9 x 3 x i64>
  core.return(%v, %p, %v1, %p1, %v0, %p0, %nz, %nz0, %a, %b, %c, %d, %e, %f, %g, %h, %i, %j, %l, %o, %nms, %nms7, %nms2, %nmsc) : (tensor<2 x 2 x f32>, tensor<2 x 2 x i64>, tensor<2 x 3 x f32>, tensor<2 x 3 x i64>, tensor<0 x 4 x f32>, tensor<0 x 4 x i64>, tensor<2 x ?1 x i64>, tensor<1 x ?2 x i64>, tensor<?3 x i32>, tensor<?3 x i64>, tensor<6 x i64>, tensor<?3 x i64>, tensor<?4 x i32>, tensor<?4 x i64>, tensor<6 x i64>, tensor<?4 x i64>, tensor<?5 x 2 x i32>, tensor<?5 x i64>, tensor<3 x i64>, tensor<?5 x i64>, tensor<?6 x 3 x i64>, tensor<?7 x 3 x i64>, tensor<?8 x 3 x i64>, tensor<?9 x 3 x i64>)
}
