// use: index
// Copies pixels from one place to another. One invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  y[p.y_off + at.x * p.y_stride + at.y] = x[p.x_off + at.x * p.x_stride + at.y];
}

// Both ends in one buffer, which cannot be bound twice. They do not overlap.
@group(0) @binding(0) var<storage, read_write> z: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn copy_within(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  z[p.y_off + at.x * p.y_stride + at.y] = z[p.x_off + at.x * p.x_stride + at.y];
}
