// use: index, step
// Adam with PyTorch's arithmetic. One invocation per vec4; pages are flat.

struct Params {
  vec4s: u32,
  rates_at: u32,
  g_off: u32,
  w_off: u32,
  m_off: u32,
  v_off: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> s: Step;

@group(0) @binding(0) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let rates = s.rates[p.rates_at];
  let betas = s.rates[p.rates_at + 1u];
  let grad = g[p.g_off + i];
  let old_w = w[p.w_off + i];
  let old_m = m[p.m_off + i];
  let old_v = v[p.v_off + i];
  let new_m = old_m + (grad - old_m) * betas.z;
  var new_v = old_v * betas.y + betas.w * grad * grad;
  // Before v becomes subnormal, which drivers may flush.
  new_v = select(new_v, vec4<f32>(0.0), new_v < vec4<f32>(1e-30));
  w[p.w_off + i] = old_w - rates.x * new_m / (sqrt(new_v) * rates.y + rates.z);
  m[p.m_off + i] = new_m;
  v[p.v_off + i] = new_v;
}
