// use: index, math
// Activations and their derivatives. One invocation per vec4; i = p * width + q.

const KIND: u32 = 0u; // tune
// KIND 0: leaky ReLU (ReLU with slope 0), 1: tanh, 2: sigmoid.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  dy_off: u32,
  dy_stride: u32,
  y_off: u32,
  y_stride: u32,
  slope: f32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn act_fwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  var r = v;
  if (KIND == 0u) { r = select(p.slope * v, v, v > vec4<f32>(0.0)); }
  if (KIND == 1u) { r = tanh4(v); }
  if (KIND == 2u) {
    // sigmoid(0) is not 0: lanes without a channel must stay 0.
    let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
    r = select(vec4<f32>(0.0), sigmoid4(v), lane_mask(here.y));
  }
  y[p.y_off + at.x * p.y_stride + at.y] = r;
}

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn act_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  // x is the operand for KIND 0, the result for the others.
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  let g = dy[p.dy_off + at.x * p.dy_stride + at.y];
  var r = g;
  if (KIND == 0u) { r = select(p.slope * g, g, v > vec4<f32>(0.0)); }
  if (KIND == 1u) { r = g * (1.0 - v * v); }
  if (KIND == 2u) { r = g * v * (1.0 - v); }
  dx[p.y_off + at.x * p.y_stride + at.y] = r;
}
