// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @elements(%a: f64, %b: f32, %c: f16, %d: bf16, %e: f8e4m3, %f: f8e5m2, %g: f8e4m3fnuz, %h: f8e5m2fnuz, %i: i1, %j: i2, %k: i4, %l: i8, %m: i16, %n: i32, %o: i64, %p: u2, %q: u4, %r: u8, %s: u16, %t: u32, %u: u64, %v: str) {
  core.return
}

core.func @shapes(%scalar: tensor<f32>, %unranked: tensor<* x f32>, %sparse: tensor<768 x 768 x f32, #csr>, %low: tensor<768 x K x i4, #nm<2, 4>>, %v: vector<16 x f32>, %b: buffer<B x 128 x f32>, %p: buffer<? x i8>, %plan: partition<4>, %l: list<tensor<* x f32>>, %o: optional<list<tensor<f32>>>, %t: token) {
  core.return
}

core.func @dims(%a: tensor<B x f32>, %b: tensor<(2*B*S + 1) x f32>, %c: tensor<floordiv(B, 2) x floordiv(B + 2, 3) x mod(B, 4) x f32>, %d: tensor<min(B, S) x max(7, B) x bcast(B, S) x f32>, %e: tensor<?3 x "x" x "two words" x "d0" x f32>, %f: tensor<(-B + 2*S) x floordiv(B + 1, 2*S) x f32>) {
  core.return
}
