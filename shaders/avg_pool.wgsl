// use: index
// The mean over windows, of the pixels inside the image only, and its adjoint. One invocation per
// vec4 of what is written; i = pixel * width + q.

const KERNEL: u32 = 3u; // tune
const STRIDE: u32 = 2u; // tune
const PAD: u32 = 1u; // tune

struct Params {
  vec4s: u32,
  width: u32,
  image_h: u32, // what is pooled
  image_w: u32,
  pooled_h: u32,
  pooled_w: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

// Pixels of a window inside the image: from the first up to, not including, the second.
fn inside(o: u32, side: u32) -> vec2<u32> {
  let first = o * STRIDE;
  return vec2<u32>(max(first, PAD) - PAD, min(first + KERNEL - PAD, side));
}

// The windows that hold a pixel, likewise.
fn over(at: u32, side: u32) -> vec2<u32> {
  let place = at + PAD;
  var first = 0u;
  if (place >= KERNEL) { first = (place - KERNEL) / STRIDE + 1u; }
  return vec2<u32>(first, min(place / STRIDE + 1u, side));
}

@compute @workgroup_size(WORKGROUP)
fn avg_pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.pooled_w);
  let picture = divmod(row.x, p.pooled_h);
  let rows = inside(picture.y, p.image_h);
  let columns = inside(row.y, p.image_w);
  var total = vec4<f32>(0.0);
  for (var r = rows.x; r < rows.y; r = r + 1u) {
    let line = (picture.x * p.image_h + r) * p.image_w;
    for (var c = columns.x; c < columns.y; c = c + 1u) {
      total = total + x[p.x_off + (line + c) * p.x_stride + at.y];
    }
  }
  y[p.y_off + at.x * p.y_stride + at.y] = total / f32((rows.y - rows.x) * (columns.y - columns.x));
}

@compute @workgroup_size(WORKGROUP)
fn avg_pool_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.image_w);
  let picture = divmod(row.x, p.image_h);
  let rows = over(picture.y, p.pooled_h);
  let columns = over(row.y, p.pooled_w);
  var total = vec4<f32>(0.0);
  for (var r = rows.x; r < rows.y; r = r + 1u) {
    let line = (picture.x * p.pooled_h + r) * p.pooled_w;
    let down = inside(r, p.image_h);
    for (var c = columns.x; c < columns.y; c = c + 1u) {
      let across = inside(c, p.image_w);
      let count = f32((across.y - across.x) * (down.y - down.x));
      total = total + x[p.x_off + (line + c) * p.x_stride + at.y] / count;
    }
  }
  y[p.y_off + at.x * p.y_stride + at.y] = total;
}
