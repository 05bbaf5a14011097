// If and loop: one branch runs, shapes may differ, loops carry growing tensors; values worked out by hand.
// RUN: sluice opt %s --evaluate > %t.out
// RUN: (echo; cat %t.out) | FileCheck %s
// CHECK: {{^$}}
core.func @main() -> (tensor<?1 x i32>, tensor<?2 x i32>, tensor<2 x i64>, tensor<* x i32>, tensor<?11 x i64>, tensor<?12 x i64>, tensor<?21 x i64>, tensor<?22 x i64>, tensor<?31 x i64>, tensor<?32 x i64>, tensor<?41 x i64>, tensor<?42 x i64>, tensor<i64>, tensor<i64>, tensor<i64>) {
  %yes = core.constant {value = data<tensor<i1>>[true]} : () -> tensor<i1>
  %no = core.constant {value = data<tensor<i1>>[false]} : () -> tensor<i1>
  %x = core.constant {value = data<tensor<2 x i32>>[1, 2]} : () -> tensor<2 x i32>
  %big = core.constant {value = data<tensor<i32>>[7]} : () -> tensor<i32>
  // CHECK-NEXT: {{^}}i32[2]: -1 -2{{$}}
  %a = tensor.if(%yes) : (tensor<i1>) -> tensor<?1 x i32> ({
    %an = arith.neg(%x) : (tensor<2 x i32>) -> tensor<2 x i32>
    tensor.yield(%an) : (tensor<2 x i32>)
  }, {
    %ac = tensor.concat(%x, %x, %x) {axis = 0} : (tensor<2 x i32>, tensor<2 x i32>, tensor<2 x i32>) -> tensor<6 x i32>
    tensor.yield(%ac) : (tensor<6 x i32>)
  })
  // CHECK-NEXT: {{^}}i32[6]: 1 2 1 2 1 2{{$}}
  %b = tensor.if(%no) : (tensor<i1>) -> tensor<?2 x i32> ({
    %bn = arith.neg(%x) : (tensor<2 x i32>) -> tensor<2 x i32>
    tensor.yield(%bn) : (tensor<2 x i32>)
  }, {
    %bc = tensor.concat(%x, %x, %x) {axis = 0} : (tensor<2 x i32>, tensor<2 x i32>, tensor<2 x i32>) -> tensor<6 x i32>
    tensor.yield(%bc) : (tensor<6 x i32>)
  })
  // The dims that the branches gave are bound: 2 and 6.
  // CHECK-NEXT: {{^}}i64[2]: 2 6{{$}}
  %d = tensor.from_dims {dims = [expr(?1), expr(?2)]} : () -> tensor<2 x i64>
  // CHECK-NEXT: {{^}}i32[]: 7{{$}}
  %r = tensor.if(%no) : (tensor<i1>) -> tensor<* x i32> ({
    tensor.yield(%x) : (tensor<2 x i32>)
  }, {
    tensor.yield(%big) : (tensor<i32>)
  })
  // h grows by an element each time: [1], [1 2], [1 2 3]; the scanned sums are 1, 3, 6.
  %n = core.constant {value = data<tensor<i64>>[3]} : () -> tensor<i64>
  %one = core.constant {value = data<tensor<1 x i64>>[0]} : () -> tensor<1 x i64>
  %start = core.constant {value = data<tensor<0 x i64>>[]} : () -> tensor<0 x i64>
  %forever = core.constant {value = data<tensor<i64>>[-1]} : () -> tensor<i64>
  %zero = core.constant {value = data<tensor<i64>>[0]} : () -> tensor<i64>
  %two = core.constant {value = data<tensor<i64>>[2]} : () -> tensor<i64>
  // CHECK-NEXT: {{^}}i64[3]: 1 2 3{{$}}
  // CHECK-NEXT: {{^}}i64[3]: 1 3 6{{$}}
  %plast, %pall = tensor.loop(%forever, %yes, %start) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<0 x i64>) -> (tensor<?11 x i64>, tensor<?12 x i64>) ({ ^(%pi: tensor<i64>, %pgo: tensor<i1>, %ph: tensor<?10 x i64>):
    %pone = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
    %pnext = arith.add(%pi, %pone) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %prow = tensor.reshape(%pnext) : (tensor<i64>) -> tensor<1 x i64>
    %pg = tensor.concat(%ph, %prow) {axis = 0} : (tensor<?10 x i64>, tensor<1 x i64>) -> tensor<(?10 + 1) x i64>
    %psum = tensor.reduce(%pg) {axes = ints[0], kind = "sum"} : (tensor<(?10 + 1) x i64>) -> tensor<i64>
    %plimit = core.constant {value = data<tensor<i64>>[5]} : () -> tensor<i64>
    %plow = arith.cmp(%psum, %plimit) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    tensor.yield(%plow, %pg, %psum) : (tensor<i1>, tensor<(?10 + 1) x i64>, tensor<i64>)
  })
  // CHECK-NEXT: {{^}}i64[2]: 1 2{{$}}
  // CHECK-NEXT: {{^}}i64[2]: 1 3{{$}}
  %qlast, %qall = tensor.loop(%two, %yes, %start) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<0 x i64>) -> (tensor<?21 x i64>, tensor<?22 x i64>) ({ ^(%qi: tensor<i64>, %qgo: tensor<i1>, %qh: tensor<?20 x i64>):
    %qone = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
    %qnext = arith.add(%qi, %qone) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %qrow = tensor.reshape(%qnext) : (tensor<i64>) -> tensor<1 x i64>
    %qg = tensor.concat(%qh, %qrow) {axis = 0} : (tensor<?20 x i64>, tensor<1 x i64>) -> tensor<(?20 + 1) x i64>
    %qsum = tensor.reduce(%qg) {axes = ints[0], kind = "sum"} : (tensor<(?20 + 1) x i64>) -> tensor<i64>
    %qlimit = core.constant {value = data<tensor<i64>>[5]} : () -> tensor<i64>
    %qlow = arith.cmp(%qsum, %qlimit) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    tensor.yield(%qlow, %qg, %qsum) : (tensor<i1>, tensor<(?20 + 1) x i64>, tensor<i64>)
  })
  // CHECK-NEXT: {{^}}i64[0]:{{$}}
  // CHECK-NEXT: {{^}}i64[0]:{{$}}
  %olast, %oall = tensor.loop(%zero, %yes, %start) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<0 x i64>) -> (tensor<?31 x i64>, tensor<?32 x i64>) ({ ^(%oi: tensor<i64>, %ogo: tensor<i1>, %oh: tensor<?30 x i64>):
    %oone = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
    %onext = arith.add(%oi, %oone) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %orow = tensor.reshape(%onext) : (tensor<i64>) -> tensor<1 x i64>
    %og = tensor.concat(%oh, %orow) {axis = 0} : (tensor<?30 x i64>, tensor<1 x i64>) -> tensor<(?30 + 1) x i64>
    %osum = tensor.reduce(%og) {axes = ints[0], kind = "sum"} : (tensor<(?30 + 1) x i64>) -> tensor<i64>
    %olimit = core.constant {value = data<tensor<i64>>[5]} : () -> tensor<i64>
    %olow = arith.cmp(%osum, %olimit) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    tensor.yield(%olow, %og, %osum) : (tensor<i1>, tensor<(?30 + 1) x i64>, tensor<i64>)
  })
  // CHECK-NEXT: {{^}}i64[0]:{{$}}
  // CHECK-NEXT: {{^}}i64[0]:{{$}}
  %mlast, %mall = tensor.loop(%forever, %no, %start) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<0 x i64>) -> (tensor<?41 x i64>, tensor<?42 x i64>) ({ ^(%mi: tensor<i64>, %mgo: tensor<i1>, %mh: tensor<?40 x i64>):
    %mone = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>
    %mnext = arith.add(%mi, %mone) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %mrow = tensor.reshape(%mnext) : (tensor<i64>) -> tensor<1 x i64>
    %mg = tensor.concat(%mh, %mrow) {axis = 0} : (tensor<?40 x i64>, tensor<1 x i64>) -> tensor<(?40 + 1) x i64>
    %msum = tensor.reduce(%mg) {axes = ints[0], kind = "sum"} : (tensor<(?40 + 1) x i64>) -> tensor<i64>
    %mlimit = core.constant {value = data<tensor<i64>>[5]} : () -> tensor<i64>
    %mlow = arith.cmp(%msum, %mlimit) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    tensor.yield(%mlow, %mg, %msum) : (tensor<i1>, tensor<(?40 + 1) x i64>, tensor<i64>)
  })
  // Nested: 2 times 3 iterations add 1; the inner loop sees the outer values.
  // CHECK-NEXT: {{^}}i64[]: 3{{$}}
  %total = tensor.loop(%two, %yes, %zero) {carried = 1, trip_count = expr(2)} : (tensor<i64>, tensor<i1>, tensor<i64>) -> tensor<i64> ({ ^(%oi: tensor<i64>, %ogo: tensor<i1>, %ov: tensor<i64>):
    %inner = tensor.loop(%n, %ogo, %ov) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<i64>) -> tensor<i64> ({ ^(%ii: tensor<i64>, %igo: tensor<i1>, %iv: tensor<i64>):
      %isum = arith.add(%iv, %oi) : (tensor<i64>, tensor<i64>) -> tensor<i64>
      tensor.yield(%igo, %isum) : (tensor<i1>, tensor<i64>)
    })
    tensor.yield(%ogo, %inner) : (tensor<i1>, tensor<i64>)
  })
  // Carried values may be swapped.
  // CHECK-NEXT: {{^}}i64[]: 2{{$}}
  // CHECK-NEXT: {{^}}i64[]: 0{{$}}
  %s1, %s2 = tensor.loop(%n, %yes, %zero, %two) {carried = 2} : (tensor<i64>, tensor<i1>, tensor<i64>, tensor<i64>) -> (tensor<i64>, tensor<i64>) ({ ^(%si: tensor<i64>, %sgo: tensor<i1>, %sa: tensor<i64>, %sb: tensor<i64>):
    tensor.yield(%sgo, %sb, %sa) : (tensor<i1>, tensor<i64>, tensor<i64>)
  })
  core.return(%a, %b, %d, %r, %plast, %pall, %qlast, %qall, %olast, %oall, %mlast, %mall, %total, %s1, %s2) : (tensor<?1 x i32>, tensor<?2 x i32>, tensor<2 x i64>, tensor<* x i32>, tensor<?11 x i64>, tensor<?12 x i64>, tensor<?21 x i64>, tensor<?22 x i64>, tensor<?31 x i64>, tensor<?32 x i64>, tensor<?41 x i64>, tensor<?42 x i64>, tensor<i64>, tensor<i64>, tensor<i64>)
}
