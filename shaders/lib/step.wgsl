// What changes with each step. rates[2g]: step size lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), eps;
// rates[2g + 1]: beta1, beta2, 1 - beta1, 1 - beta2 of optimizer group g.
struct Step {
  step: u32,
  seed: u32,
  zero: u32, // always, which no compiler knows
  pad: u32,
  rates: array<vec4<f32>, 8>,
}

// v, as it was rounded. Compilers that take arithmetic of floats for that of real numbers (Metal's
// does, and wgpu cannot ask it not to) turn (x - a) - b into x - (a + b), and with it lose what was
// gained by taking a first. They cannot look through an integer that they do not know.
fn rounded(v: vec4<f32>, zero: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) | vec4<u32>(zero));
}
