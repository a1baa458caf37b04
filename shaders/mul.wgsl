// use: index
// Product of two tensors. One invocation a vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  a_off: u32,
  a_stride: u32,
  b_off: u32,
  b_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn mul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  y[p.y_off + at.x * p.y_stride + at.y] = a[p.a_off + at.x * p.a_stride + at.y] * b[p.b_off + at.x * p.b_stride + at.y];
}
