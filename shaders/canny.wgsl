// use: index
// Steps of Canny's edge detector on maps of one vec4 per pixel. One invocation per pixel,
// i = (n * h + row) * w + column.

struct Params {
  pixels: u32,
  w: u32,
  h: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  low: f32,
  high: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn luma(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  y[p.y_off + i * p.y_stride] = vec4<f32>(dot(x[p.x_off + i * p.x_stride].xyz, vec3<f32>(0.299, 0.587, 0.114)), 0.0, 0.0, 0.0);
}

fn value(pixel: u32) -> f32 {
  return x[p.x_off + pixel * p.x_stride].x;
}

@compute @workgroup_size(WORKGROUP)
fn sobel(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  let at = divmod(i, p.w);
  let row = at.x % p.h;
  // Pixels beyond the border repeat it.
  let above = i - select(0u, p.w, row > 0u);
  let below = i + select(0u, p.w, row + 1u < p.h);
  let left = select(0u, 1u, at.y > 0u);
  let right = select(0u, 1u, at.y + 1u < p.w);
  let a = value(above - left);
  let b = value(above + right);
  let c = value(below - left);
  let d = value(below + right);
  let gx = (b - a) + 2.0 * (value(i + right) - value(i - left)) + (d - c);
  let gy = (c - a) + 2.0 * (value(below) - value(above)) + (d - b);
  y[p.y_off + i * p.y_stride] = vec4<f32>(gx, gy, sqrt(gx * gx + gy * gy), 0.0);
}

fn magnitude(pixel: u32) -> f32 {
  return x[p.x_off + pixel * p.x_stride].z;
}

@compute @workgroup_size(WORKGROUP)
fn non_maximum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  let at = divmod(i, p.w);
  let row = at.x % p.h;
  let g = x[p.x_off + i * p.x_stride].xyz;
  var r = 0.0;
  // A pixel at the border lacks neighbours to compare with.
  let inside = row > 0u && row + 1u < p.h && at.y > 0u && at.y + 1u < p.w;
  if (inside && g.z >= p.low) {
    // The straight neighbour nearest to the gradient's direction and the diagonal one beyond it,
    // ahead and behind.
    let a = abs(g.xy);
    let down = a.y > a.x;
    let same = (g.x >= 0.0) == (g.y >= 0.0) || g.x == 0.0 || g.y == 0.0;
    let straight = select(1u, p.w, down);
    let diagonal = select(p.w - 1u, p.w + 1u, same);
    let ahead = select(i - diagonal, i + diagonal, same || down);
    let behind = select(i + diagonal, i - diagonal, same || down);
    let large = max(a.x, a.y);
    let small = min(a.x, a.y);
    // Interpolated between the two, both sides times `large`: no division.
    let here = g.z * large;
    let one = magnitude(i + straight) * (large - small) + magnitude(ahead) * small;
    let other = magnitude(i - straight) * (large - small) + magnitude(behind) * small;
    if (one <= here && other <= here) { r = select(1.0, 2.0, g.z >= p.high); }
  }
  y[p.y_off + i * p.y_stride] = vec4<f32>(r, 0.0, 0.0, 0.0);
}
