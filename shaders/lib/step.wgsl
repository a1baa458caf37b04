// What changes with each step. rates[2g]: step size lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), eps;
// rates[2g + 1]: beta1, beta2, 1 - beta1, 1 - beta2 of optimizer group g.
struct Step {
  step: u32,
  seed: u32,
  pad0: u32,
  pad1: u32,
  rates: array<vec4<f32>, 8>,
}
