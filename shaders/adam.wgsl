// use: index, adam
// Adam, a page at a time. One invocation per vec4; pages are flat.

struct Params {
  vec4s: u32,
  rates_at: u32,
  g_off: u32,
  w_off: u32,
  m_off: u32,
  v_off: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment2: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let made = adam_step(g[p.g_off + i], weight[p.w_off + i], moment1[p.m_off + i], moment2[p.v_off + i], p.rates_at);
  weight[p.w_off + i] = made.weight;
  moment1[p.m_off + i] = made.moment1;
  moment2[p.v_off + i] = made.moment2;
}
