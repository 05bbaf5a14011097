// Schedules of a switch (see split_choice.c): select where the bodies cost less than moving rows, both where it depends on the counts, a test for whole batches where products are few.
// RUN: sluice opt %s --passes=split-branches,simplify --target x86-64-v3 --dump-dir %t.dump | FileCheck %s
// RUN: FileCheck %s --check-prefix=WHY --input-file=%t.dump/decisions.txt

// Keys made of truth values need no check: neither sort nor dispatch are left.
// CHECK-LABEL: core.func @select
// CHECK-NOT: route.
// CHECK: %[[N:.*]] = arith.neg(%x)
// CHECK-NOT: route.
// CHECK: arith.select(%{{.*}}, %[[N]], %{{.*}})
// CHECK: core.return
// WHY: schedule: select: the bodies on all rows, {{.*}} us against {{.*}} us packed; 64 rows, 0.50 of the work needed (no profile)
core.func @select(%x: tensor<64 x 8 x f32>, %c: tensor<64 x i1>) -> (tensor<64 x 8 x f32>) {
  %k = arith.cast(%c) : (tensor<64 x i1>) -> tensor<64 x i64>
  %p = route.partition(%k) : (tensor<64 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<64 x 8 x f32>) -> tensor<64 x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    %e = arith.neg(%a) : (tensor<?1 x 8 x f32>) -> tensor<?1 x 8 x f32>
    tensor.yield(%e) : (tensor<?1 x 8 x f32>)
  }, { ^(%b: tensor<?2 x 8 x f32>):
    %f = arith.abs(%b) : (tensor<?2 x 8 x f32>) -> tensor<?2 x 8 x f32>
    tensor.yield(%f) : (tensor<?2 x 8 x f32>)
  })
  core.return(%r) : (tensor<64 x 8 x f32>)
}

// Keys from anywhere go through the sort, which checks them.
// CHECK-LABEL: core.func @checked
// CHECK: route.sort(%k) {branches = 2}
// CHECK: route.dispatch(%{{.*}}) {{.*}}site = {{.*}} : (tensor<3 x i64>) ({
// CHECK-NEXT: route.yield
// CHECK: arith.neg(%x)
// CHECK: arith.select
// CHECK-NOT: tensor.if
// CHECK: core.return
core.func @checked(%x: tensor<64 x 8 x f32>, %k: tensor<64 x i64>) -> (tensor<64 x 8 x f32>) {
  %p = route.partition(%k) : (tensor<64 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<64 x 8 x f32>) -> tensor<64 x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    tensor.yield(%a) : (tensor<?1 x 8 x f32>)
  }, { ^(%b: tensor<?2 x 8 x f32>):
    %f = arith.neg(%b) : (tensor<?2 x 8 x f32>) -> tensor<?2 x 8 x f32>
    tensor.yield(%f) : (tensor<?2 x 8 x f32>)
  })
  core.return(%r) : (tensor<64 x 8 x f32>)
}

// Costly elementwise bodies: from some share of the rows on all of them run, else they are packed. Rows are counted in both.
// CHECK-LABEL: core.func @both
// CHECK: route.sort
// CHECK: %[[MANY:.*]] = arith.cmp({{.*}}) {predicate = "ge"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
// CHECK: %[[R:.*]] = tensor.if(%[[MANY]]) {schedule = true} : (tensor<i1>) -> tensor<64 x 64 x f32> ({
// CHECK: route.dispatch({{.*}}) {{.*}}site = [[SITE:[0-9]+]]
// CHECK: arith.pow(%x, %x)
// CHECK: arith.select
// CHECK: }, {
// CHECK: route.dispatch({{.*}}) {{.*}}site = [[SITE]]
// CHECK: tensor.take(%x, %{{.*}})
// CHECK: arith.pow
// CHECK: core.return(%[[R]])
// WHY: schedule: packed below 0.{{[0-9]+}} of the work, select from there on: {{.*}} us packed against {{.*}} us; 64 rows, 0.50 of the work needed (no profile)
core.func @both(%x: tensor<64 x 64 x f32>, %k: tensor<64 x i64>) -> (tensor<64 x 64 x f32>) {
  %p = route.partition(%k) : (tensor<64 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<64 x 64 x f32>) -> tensor<64 x 64 x f32> ({ ^(%a: tensor<?1 x 64 x f32>):
    tensor.yield(%a) : (tensor<?1 x 64 x f32>)
  }, { ^(%b: tensor<?2 x 64 x f32>):
    %f = arith.pow(%b, %b) : (tensor<?2 x 64 x f32>, tensor<?2 x 64 x f32>) -> tensor<?2 x 64 x f32>
    tensor.yield(%f) : (tensor<?2 x 64 x f32>)
  })
  core.return(%r) : (tensor<64 x 64 x f32>)
}

// Two rows: a batch that goes one way as a whole runs that body in place.
// CHECK-LABEL: core.func @sides
// CHECK: %[[ALL:.*]] = arith.cmp({{.*}}) {predicate = "eq"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
// CHECK: %[[R:.*]] = tensor.if(%[[ALL]]) {schedule = true} : (tensor<i1>) -> tensor<2 x 64 x f32> ({
// CHECK: %[[E:.*]] = arith.tanh(%x)
// CHECK-NEXT: tensor.yield(%[[E]])
// CHECK: tensor.if({{.*}}) {schedule = true}
// CHECK: %[[F:.*]] = arith.erf(%x)
// CHECK-NEXT: tensor.yield(%[[F]])
// CHECK: core.return(%[[R]])
// WHY: a whole batch one way (50 % of runs) runs that body in place: saves
core.func @sides(%x: tensor<2 x 64 x f32>, %k: tensor<2 x i64>) -> (tensor<2 x 64 x f32>) {
  %p = route.partition(%k) : (tensor<2 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<2 x 64 x f32>) -> tensor<2 x 64 x f32> ({ ^(%a: tensor<?1 x 64 x f32>):
    %e = arith.tanh(%a) : (tensor<?1 x 64 x f32>) -> tensor<?1 x 64 x f32>
    tensor.yield(%e) : (tensor<?1 x 64 x f32>)
  }, { ^(%b: tensor<?2 x 64 x f32>):
    %f = arith.erf(%b) : (tensor<?2 x 64 x f32>) -> tensor<?2 x 64 x f32>
    tensor.yield(%f) : (tensor<?2 x 64 x f32>)
  })
  core.return(%r) : (tensor<2 x 64 x f32>)
}

// One row always goes one way: rows that all went one way lie packed in their order and are not merged.
// CHECK-LABEL: core.func @whole
// CHECK: %[[P:.*]] = route.dispatch
// CHECK: tensor.contract
// CHECK: %[[W:.*]] = tensor.if({{.*}}) {schedule = true}
// CHECK-NEXT: tensor.yield(%[[P]])
// CHECK: tensor.take(%[[P]], %{{.*}})
// CHECK: core.return(%[[W]])
// WHY: schedule: packed: {{.*}} us, bodies with products or more run on rows that need them only; {{.*}}; a whole batch one way (100 % of runs) is not merged
core.func @whole(%x: tensor<1 x 8 x f32>, %k: tensor<1 x i64>, %w: tensor<8 x 8 x f32>) -> (tensor<1 x 8 x f32>) {
  %p = route.partition(%k) : (tensor<1 x i64>) -> partition<2>
  %r = route.switch(%p, %x) {merge = "place", rows = 1} : (partition<2>, tensor<1 x 8 x f32>) -> tensor<1 x 8 x f32> ({ ^(%a: tensor<?1 x 8 x f32>):
    tensor.yield(%a) : (tensor<?1 x 8 x f32>)
  }, { ^(%b: tensor<?2 x 8 x f32>):
    %f = tensor.contract(%b, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<?2 x 8 x f32>, tensor<8 x 8 x f32>) -> tensor<?2 x 8 x f32>
    tensor.yield(%f) : (tensor<?2 x 8 x f32>)
  })
  core.return(%r) : (tensor<1 x 8 x f32>)
}
