// use: index
// One value in every lane that holds a channel. One invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  y_off: u32,
  y_stride: u32,
  value: f32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn fill(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), vec4<f32>(p.value), lane_mask(here.y));
}
