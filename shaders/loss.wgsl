// use: index, math, rows
// Losses and their derivatives. Entries _value compare x with a constant, entries _pair with a
// tensor.

const KIND: u32 = 0u; // tune
// KIND 0: binary cross-entropy with logits, 1: squared error, 2: absolute error, 3: hinge, 4:
// squared error of the root.

struct Params {
  vec4s: u32,
  width: u32,
  number: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  z_off: u32,
  z_stride: u32,
  dloss_off: u32,
  goal: f32,
  factor: f32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;

// Lanes without a channel have no loss and no gradient, whatever the formula gives for 0.
fn only_channels(v: vec4<f32>, q: u32) -> vec4<f32> {
  let here = lanes(q, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  return select(vec4<f32>(0.0), v, lane_mask(here.y));
}

fn loss4(v: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
  if (KIND == 0u) { return max(v, vec4<f32>(0.0)) - v * t + log1p4(exp4(-abs(v))); }
  if (KIND == 3u) { return max(vec4<f32>(0.0), 1.0 - t * v); }
  if (KIND == 4u) {
    let off = sqrt(max(v, vec4<f32>(0.0))) - t;
    return off * off;
  }
  let d = v - t;
  if (KIND == 1u) { return d * d; }
  return abs(d);
}

fn slope4(v: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
  if (KIND == 0u) { return sigmoid4(v) - t; }
  if (KIND == 3u) { return select(vec4<f32>(0.0), -t, t * v < vec4<f32>(1.0)); }
  if (KIND == 4u) { return 1.0 - t / sqrt(max(v, vec4<f32>(1e-12))); }
  let d = v - t;
  if (KIND == 1u) { return 2.0 * d; }
  return sign(d);
}

fn value_at(i: u32) -> vec4<f32> {
  let at = divmod(i, p.width);
  return only_channels(loss4(x[p.x_off + at.x * p.x_stride + at.y], vec4<f32>(p.goal)), at.y);
}

fn pair_at(i: u32) -> vec4<f32> {
  let at = divmod(i, p.width);
  return only_channels(loss4(x[p.x_off + at.x * p.x_stride + at.y], y[p.y_off + at.x * p.y_stride + at.y]), at.y);
}

// Column i of `number` takes every number-th run of ROWS vec4s, so neighbours read neighbours;
// columns without work start at the end.
fn begin(s: Seat) -> u32 {
  return select(p.vec4s, s.column * ROWS + s.row, s.column < p.number);
}

// A single column has summed everything: its lanes are added up to the mean.
fn result(v: vec4<f32>) -> vec4<f32> {
  if (p.number > 1u) { return v; }
  return vec4<f32>(p.factor * ((v.x + v.y) + (v.z + v.w)), 0.0, 0.0, 0.0);
}

@group(0) @binding(1) var<storage, read_write> sums_value: array<vec4<f32>>;

@compute @workgroup_size(INVOCATIONS)
fn loss_value(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let n = p.number * ROWS;
  var total = vec4<f32>(0.0);
  var i = begin(s);
  for (; i + 3u * n < p.vec4s; i = i + 4u * n) {
    total = total + ((value_at(i) + value_at(i + n)) + (value_at(i + 2u * n) + value_at(i + 3u * n)));
  }
  for (; i < p.vec4s; i = i + n) { total = total + value_at(i); }
  total = add_rows(total, local);
  if (s.row == 0u && s.column < p.number) { sums_value[p.z_off + s.column * p.z_stride] = result(total); }
}

@group(0) @binding(2) var<storage, read_write> sums_pair: array<vec4<f32>>;

@compute @workgroup_size(INVOCATIONS)
fn loss_pair(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let n = p.number * ROWS;
  var total = vec4<f32>(0.0);
  var i = begin(s);
  for (; i + 3u * n < p.vec4s; i = i + 4u * n) {
    total = total + ((pair_at(i) + pair_at(i + n)) + (pair_at(i + 2u * n) + pair_at(i + 3u * n)));
  }
  for (; i < p.vec4s; i = i + n) { total = total + pair_at(i); }
  total = add_rows(total, local);
  if (s.row == 0u && s.column < p.number) { sums_pair[p.z_off + s.column * p.z_stride] = result(total); }
}

@group(0) @binding(1) var<storage, read> dloss_value: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx_value: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn loss_value_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let slope = slope4(x[p.x_off + at.x * p.x_stride + at.y], vec4<f32>(p.goal));
  dx_value[p.z_off + at.x * p.z_stride + at.y] = only_channels(dloss_value[p.dloss_off].x * p.factor * slope, at.y);
}

@group(0) @binding(2) var<storage, read> dloss_pair: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx_pair: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn loss_pair_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let slope = slope4(x[p.x_off + at.x * p.x_stride + at.y], y[p.y_off + at.x * p.y_stride + at.y]);
  dx_pair[p.z_off + at.x * p.z_stride + at.y] = only_channels(dloss_pair[p.dloss_off].x * p.factor * slope, at.y);
}
