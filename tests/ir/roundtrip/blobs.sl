// What is printed is this text again: the IR's canonical form.
// RUN: grep -v '^//' %s > %t.want
// RUN: sluice opt %s -o %t.got
// RUN: diff %t.want %t.got
core.func @main() {
  %0 = core.constant {value = data<tensor<66 x u8>>@"blob0"} : () -> tensor<66 x u8>
  %1 = core.constant {value = data<tensor<65 x f16>>@"blob1"} : () -> tensor<65 x f16>
  %2 = core.constant {value = data<tensor<66 x u8>>@"blob0"} : () -> tensor<66 x u8>
  core.return
}

blob "blob0" = hex "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7"
blob "blob1" = hex "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b00010203040506070809"
