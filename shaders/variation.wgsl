// use: index
// Differences of neighbouring pixels. One invocation per vec4; i = pixel * width + q. Lanes without
// a channel are 0 and differ by 0.

struct Params {
  vec4s: u32,
  width: u32,
  rows: u32,
  columns: u32,
  x_off: u32,
  x_stride: u32,
  dy_off: u32,
  dy_stride: u32,
  y_off: u32,
  y_stride: u32,
  across: f32,
  down: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn value(pixel: u32, q: u32) -> vec4<f32> {
  return x[p.x_off + pixel * p.x_stride + q];
}

@compute @workgroup_size(WORKGROUP)
fn variation(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.columns);
  let here = value(at.x, at.y);
  var total = vec4<f32>(0.0);
  if (row.y + 1u < p.columns) { total = p.across * abs(value(at.x + 1u, at.y) - here); }
  if (divmod(row.x, p.rows).y + 1u < p.rows) { total = total + p.down * abs(value(at.x + p.columns, at.y) - here); }
  y[p.y_off + at.x * p.y_stride + at.y] = total;
}

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

fn weight(pixel: u32, q: u32) -> vec4<f32> {
  return dy[p.dy_off + pixel * p.dy_stride + q];
}

@compute @workgroup_size(WORKGROUP)
fn variation_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.columns);
  let line = divmod(row.x, p.rows).y;
  let here = value(at.x, at.y);
  let own = weight(at.x, at.y);
  var total = vec4<f32>(0.0);
  if (row.y > 0u) { total = p.across * sign(here - value(at.x - 1u, at.y)) * weight(at.x - 1u, at.y); }
  if (row.y + 1u < p.columns) { total = total - p.across * sign(value(at.x + 1u, at.y) - here) * own; }
  if (line > 0u) { total = total + p.down * sign(here - value(at.x - p.columns, at.y)) * weight(at.x - p.columns, at.y); }
  if (line + 1u < p.rows) { total = total - p.down * sign(value(at.x + p.columns, at.y) - here) * own; }
  dx[p.y_off + at.x * p.y_stride + at.y] = total;
}
