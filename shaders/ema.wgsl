// use: index, step
// Moving average of parameters. One invocation per vec4; pages are flat.

struct Params {
  vec4s: u32,
  w_off: u32,
  e_off: u32,
  share: f32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> s: Step;

@group(0) @binding(0) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> e: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn ema(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let share = max(p.share, 9.0 / (10.0 + f32(s.step)));
  let old = e[p.e_off + i];
  e[p.e_off + i] = old + (w[p.w_off + i] - old) * share;
}
