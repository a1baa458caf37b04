// use: index
// Enlargement by 2 and padding by reflection or replication, and their adjoint. One invocation per
// vec4 of what is written; i = pixel * width + q.

const KIND: u32 = 0u; // tune
// KIND 0: not enlarged, 1: nearest, 2: bilinear.
const PADDING: u32 = 0u; // tune
// PADDING 0: the mirror image, 1: the edge.

struct Params {
  vec4s: u32,
  width: u32,
  small_h: u32, // before
  small_w: u32,
  large_h: u32, // enlarged and padded
  large_w: u32,
  pad: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  mask_off: u32,
  mask_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

// An enlarged pixel is (1 - share) of the first and share of the second.
struct Taps {
  first: u32,
  second: u32,
  share: f32,
}

fn taps(r: u32, side: u32) -> Taps {
  if (KIND == 0u) { return Taps(r, r, 0.0); }
  let k = r >> 1u;
  if (KIND == 1u) { return Taps(k, k, 0.0); }
  if ((r & 1u) == 1u) { return Taps(k, min(k + 1u, side - 1u), 0.25); }
  return Taps(max(k, 1u) - 1u, k, 0.75);
}

fn enlarged(side: u32) -> u32 {
  return select(2u * side, side, KIND == 0u);
}

// The enlarged pixel at a padded one.
fn source(o: u32, side: u32) -> u32 {
  let last = i32(side) - 1;
  if (PADDING == 1u) { return u32(clamp(i32(o) - i32(p.pad), 0, last)); }
  let r = abs(i32(o) - i32(p.pad));
  return u32(select(r, 2 * last - r, r > last));
}

fn value(row: u32, column: u32, q: u32) -> vec4<f32> {
  return x[p.x_off + (row + column) * p.x_stride + q];
}

@compute @workgroup_size(WORKGROUP)
fn resample2d(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.large_w);
  let picture = divmod(row.x, p.large_h);
  let down = taps(source(picture.y, enlarged(p.small_h)), p.small_h);
  let across = taps(source(row.y, enlarged(p.small_w)), p.small_w);
  let top = (picture.x * p.small_h + down.first) * p.small_w;
  var v = value(top, across.first, at.y);
  if (KIND == 2u) {
    let bottom = (picture.x * p.small_h + down.second) * p.small_w;
    let upper = v * (1.0 - across.share) + value(top, across.second, at.y) * across.share;
    let lower = value(bottom, across.first, at.y) * (1.0 - across.share) + value(bottom, across.second, at.y) * across.share;
    v = upper * (1.0 - down.share) + lower * down.share;
  }
  y[p.y_off + at.x * p.y_stride + at.y] = v;
}

// Enlarged pixels that a pixel contributes to: from the first up to, not including, the second.
fn reached(at: u32, side: u32) -> vec2<u32> {
  if (KIND == 0u) { return vec2<u32>(at, at + 1u); }
  if (KIND == 1u) { return vec2<u32>(2u * at, 2u * at + 2u); }
  return vec2<u32>(max(2u * at, 1u) - 1u, min(2u * at + 3u, 2u * side));
}

fn share_in(r: u32, at: u32, side: u32) -> f32 {
  let t = taps(r, side);
  return select(0.0, 1.0 - t.share, t.first == at) + select(0.0, t.share, t.second == at);
}

// At how many padded pixels an enlarged one may appear.
fn places(r: u32, side: u32) -> u32 {
  if (PADDING == 0u) { return 3u; }
  return 1u + select(0u, p.pad, r == 0u) + select(0u, p.pad, r == side - 1u);
}

// The k-th of them. Reflection: itself (k 0), before the first (1), after the last (2); `large`
// where there is none. Replication: one after another.
fn shown(r: u32, side: u32, k: u32) -> u32 {
  if (PADDING == 1u) { return select(r + p.pad, 0u, r == 0u) + k; }
  if (k == 0u) { return r + p.pad; }
  let from_edge = select(side - 1u - r, r, k == 1u);
  if (from_edge == 0u || from_edge > p.pad) { return 0xffffffffu; }
  return select(p.pad + side - 1u + from_edge, p.pad - from_edge, k == 1u);
}

// The gradient of a pixel (at.x) and vec4 (at.y).
fn adjoint(at: vec2<u32>) -> vec4<f32> {
  let row = divmod(at.x, p.small_w);
  let picture = divmod(row.x, p.small_h);
  let rows = reached(picture.y, p.small_h);
  let columns = reached(row.y, p.small_w);
  let sides = vec2<u32>(enlarged(p.small_h), enlarged(p.small_w));
  var total = vec4<f32>(0.0);
  for (var r = rows.x; r < rows.y; r = r + 1u) {
    for (var down = 0u; down < places(r, sides.x); down = down + 1u) {
      let oy = shown(r, sides.x, down);
      if (oy == 0xffffffffu) { continue; }
      var line = vec4<f32>(0.0);
      for (var c = columns.x; c < columns.y; c = c + 1u) {
        let share = share_in(c, row.y, p.small_w);
        for (var across = 0u; across < places(c, sides.y); across = across + 1u) {
          let ox = shown(c, sides.y, across);
          if (ox == 0xffffffffu) { continue; }
          line = line + share * value((picture.x * p.large_h + oy) * p.large_w, ox, at.y);
        }
      }
      total = total + share_in(r, picture.y, p.small_h) * line;
    }
  }
  return total;
}

@compute @workgroup_size(WORKGROUP)
fn resample2d_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  y[p.y_off + at.x * p.y_stride + at.y] = adjoint(at);
}

@group(0) @binding(1) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>;

// The same times the derivative of a ReLU, whose operand was `mask`.
@compute @workgroup_size(WORKGROUP)
fn resample2d_bwd_relu(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let passes = mask[p.mask_off + at.x * p.mask_stride + at.y] > vec4<f32>(0.0);
  z[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), adjoint(at), passes);
}
