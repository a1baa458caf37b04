// use: step
// Adam with PyTorch's arithmetic.

@group(1) @binding(1) var<uniform> s: Step;

struct Updated {
  weight: vec4<f32>,
  moment1: vec4<f32>,
  moment2: vec4<f32>,
}

// A step by a gradient, with the rates that begin at rates_at in the step uniform.
fn adam_step(grad: vec4<f32>, old_w: vec4<f32>, old_m: vec4<f32>, old_v: vec4<f32>, rates_at: u32) -> Updated {
  let rates = s.rates[rates_at];
  let betas = s.rates[rates_at + 1u];
  let new_m = old_m + (grad - old_m) * betas.z;
  var new_v = old_v * betas.y + betas.w * grad * grad;
  // Before v becomes subnormal, which drivers may flush.
  new_v = select(new_v, vec4<f32>(0.0), new_v < vec4<f32>(1e-30));
  return Updated(old_w - rates.x * new_m / (sqrt(new_v) * rates.y + rates.z), new_m, new_v);
}
