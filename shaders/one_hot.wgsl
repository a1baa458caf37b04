// use: index
// Indices to planes: 1 in the channel that a pixel's index names, 0 in the others. One invocation
// per vec4 of the result: i = pixel * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  classes: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn one_hot(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let channel = vec4<u32>(4u * at.y) + vec4<u32>(0u, 1u, 2u, 3u);
  // Lanes behind the last class hold no channel and stay 0, also for an index that names one.
  let here = (vec4<f32>(channel) == vec4<f32>(x[p.x_off + at.x * p.x_stride].x)) & (channel < vec4<u32>(p.classes));
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), vec4<f32>(1.0), here);
}
