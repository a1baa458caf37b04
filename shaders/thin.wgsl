// use: index
// Half an iteration of Guo and Hall's thinning: pixels of x > 0 on two sides of a line are removed
// where that cuts no line. One invocation per pixel, i = (n * h + row) * w + column; y is 1 or 0.

struct Params {
  pixels: u32,
  w: u32,
  h: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  second: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn filled(there: bool, pixel: u32) -> u32 {
  // Clamped where it lies outside: read, but not counted.
  let v = x[p.x_off + min(pixel, p.pixels - 1u) * p.x_stride].x;
  return select(0u, 1u, there && v > 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn thin(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  var r = filled(true, i);
  if (r == 1u) {
    let at = divmod(i, p.w);
    let row = at.x % p.h;
    let up = row > 0u;
    let down = row + 1u < p.h;
    let left = at.y > 0u;
    let right = at.y + 1u < p.w;
    // Neighbours from above, clockwise: p2 … p9 of the paper.
    let p2 = filled(up, i - p.w);
    let p3 = filled(up && right, i - p.w + 1u);
    let p4 = filled(right, i + 1u);
    let p5 = filled(down && right, i + p.w + 1u);
    let p6 = filled(down, i + p.w);
    let p7 = filled(down && left, i + p.w - 1u);
    let p8 = filled(left, i - 1u);
    let p9 = filled(up && left, i - p.w - 1u);
    let crossings = ((1u - p2) & (p3 | p4)) + ((1u - p4) & (p5 | p6)) + ((1u - p6) & (p7 | p8)) + ((1u - p8) & (p9 | p2));
    let n1 = (p9 | p2) + (p3 | p4) + (p5 | p6) + (p7 | p8);
    let n2 = (p2 | p3) + (p4 | p5) + (p6 | p7) + (p8 | p9);
    let n = min(n1, n2);
    let side = select((p6 | p7 | (1u - p9)) & p8, (p2 | p3 | (1u - p5)) & p4, p.second != 0u);
    if (crossings == 1u && n >= 2u && n <= 3u && side == 0u) { r = 0u; }
  }
  y[p.y_off + i * p.y_stride] = vec4<f32>(f32(r), 0.0, 0.0, 0.0);
}
