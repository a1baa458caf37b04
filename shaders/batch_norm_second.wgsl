// use: index
// The derivative of bn_bwd (batch_norm.wgsl) by x: see src/ops/batch_norm_second.rs. One invocation
// per vec4; i = pixel * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  pixels: u32, // of a group
  inv_count: f32,
  x_off: u32,
  x_stride: u32,
  stats_off: u32,
  stats_stride: u32,
  dx_off: u32,
  dx_stride: u32,
  v_off: u32,
  v_stride: u32,
  sums_off: u32,
  sums_stride: u32,
  sums_u_off: u32,
  sums_u_stride: u32,
  sums_product_off: u32,
  sums_product_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dx: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sums_u: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> sums_product: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn bn_second(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let q = at.y;
  let row = 2u * divmod(at.x, p.pixels).x;
  let mean = stats[p.stats_off + row * p.stats_stride + q];
  let rstd = stats[p.stats_off + (row + 1u) * p.stats_stride + q];
  let g_xhat = sums[p.sums_off + (row + 1u) * p.sums_stride + q] * p.inv_count;
  let u_xhat = sums_u[p.sums_u_off + (row + 1u) * p.sums_u_stride + q] * p.inv_count;
  let u_dx = sums_product[p.sums_product_off + row * p.sums_product_stride + q] * p.inv_count;
  let xhat = (x[p.x_off + at.x * p.x_stride + q] - mean) * rstd;
  let by_v = v[p.v_off + at.x * p.v_stride + q] * g_xhat;
  let by_dx = dx[p.dx_off + at.x * p.dx_stride + q] * u_xhat;
  y[p.y_off + at.x * p.y_stride + q] = -rstd * (xhat * u_dx + (by_v + by_dx));
}
