// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @tensors(%x: tensor<B x 4 x f32>, %y: tensor<B x 4 x f32>, %i: tensor<B x i32>, %j: tensor<B x i32>) {
  %add = arith.add(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %sub = arith.sub(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %mul = arith.mul(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %div = arith.div(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %rem = arith.rem(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %mod = arith.mod(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %pow = arith.pow(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %max = arith.max(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %min = arith.min(%x, %y) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %and = arith.and(%i, %j) : (tensor<B x i32>, tensor<B x i32>) -> tensor<B x i32>
  %or = arith.or(%i, %j) : (tensor<B x i32>, tensor<B x i32>) -> tensor<B x i32>
  %xor = arith.xor(%i, %j) : (tensor<B x i32>, tensor<B x i32>) -> tensor<B x i32>
  %shl = arith.shl(%i, %j) : (tensor<B x i32>, tensor<B x i32>) -> tensor<B x i32>
  %shr = arith.shr(%i, %j) : (tensor<B x i32>, tensor<B x i32>) -> tensor<B x i32>
  %neg = arith.neg(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %abs = arith.abs(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %sign = arith.sign(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %not = arith.not(%i) : (tensor<B x i32>) -> tensor<B x i32>
  %ceil = arith.ceil(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %floor = arith.floor(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %round = arith.round(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %trunc = arith.trunc(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %sqrt = arith.sqrt(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %exp = arith.exp(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %log = arith.log(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %log1p = arith.log1p(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %expm1 = arith.expm1(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %sin = arith.sin(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %cos = arith.cos(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %tan = arith.tan(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %asin = arith.asin(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %acos = arith.acos(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %atan = arith.atan(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %sinh = arith.sinh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %cosh = arith.cosh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %tanh = arith.tanh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %asinh = arith.asinh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %acosh = arith.acosh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %atanh = arith.atanh(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %erf = arith.erf(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %isnan = arith.isnan(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %isinf = arith.isinf(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %eq = arith.cmp(%x, %y) {predicate = "eq"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %ne = arith.cmp(%x, %y) {predicate = "ne"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %lt = arith.cmp(%x, %y) {predicate = "lt"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %le = arith.cmp(%x, %y) {predicate = "le"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %gt = arith.cmp(%x, %y) {predicate = "gt"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %ge = arith.cmp(%x, %y) {predicate = "ge"} : (tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x i1>
  %sel = arith.select(%lt, %x, %y) : (tensor<B x 4 x i1>, tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %fma = arith.fma(%x, %y, %sel) : (tensor<B x 4 x f32>, tensor<B x 4 x f32>, tensor<B x 4 x f32>) -> tensor<B x 4 x f32>
  %half = arith.cast(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f16>
  %eight = arith.cast(%x) {round = "up", saturate = false} : (tensor<B x 4 x f32>) -> tensor<B x 4 x f8e4m3>
  %bits = arith.bitcast(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x u32>
  core.return
}

core.func @scalars(%x: f64, %y: f64, %p: i1, %q: i1) -> (f64, i1) {
  %0 = arith.add(%x, %y) : (f64, f64) -> f64
  %1 = arith.and(%p, %q) : (i1, i1) -> i1
  %2 = arith.select(%1, %0, %x) : (i1, f64, f64) -> f64
  core.return(%2, %1) : (f64, i1)
}
