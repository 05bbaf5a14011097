%a = core.dim {value = expr(1)} : () -> i64
%1 = core.dim {value = expr(2)} : () -> i64
core.func @f(%x: f32) {
  %2 = arith.neg(%x) : (f32) -> f32
  core.return
}
%b = core.dim {value = expr(2)} : () -> i64
%3 = arith.neg(%1) : (i64) -> i64
