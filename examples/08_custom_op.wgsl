// use: index
// Softplus and its derivative, for examples/08_custom_op.rs. shaders/README.md says what `use` brings
// and how parameters, bindings and tensors are laid out. Lanes without a channel have to stay 0.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  dy_off: u32,
  dy_stride: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn softplus(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  let made = max(v, vec4<f32>(0.0)) + log(1.0 + exp(-abs(v)));
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), made, lane_mask(here.y));
}

@compute @workgroup_size(WORKGROUP)
fn softplus_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  dx[p.y_off + at.x * p.y_stride + at.y] = dy[p.dy_off + at.x * p.dy_stride + at.y] / (1.0 + exp(-v));
}
