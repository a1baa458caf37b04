// use: index, border
// Implicit GEMM, weight side:
//   dW[(tap, a), b] = sum over pixels X[pixel * stride - pad + tap, a] G[pixel, b]
// Rows are (tap, channel of the gathered map), columns channels of the other one. For
// conv2d the gathered map is x and G is dy; for conv_transpose2d it is dy and G is x, and blocks
// are transposed on their way to [tap][ci][co].

const TRANS_OUT: u32 = 0u; // tune
// Blocks of A are 4 rows by 4 k (pixels), one vec4 per pixel.
const A_BY_K: u32 = 1u;
const TRANS_B: u32 = 0u;
// 0: the sum is one run over its steps.
const RUNS: u32 = 0u;

struct Params {
  rows: u32, // taps * 4 * groups
  cols: u32, // vec4s of G's channels
  groups: u32, // vec4s of X's channels
  pixels: u32,
  hi: u32,
  wi: u32,
  ho: u32,
  wo: u32,
  kernel: u32,
  stride: u32,
  pad: u32,
  next_x: u32, // the pixel a step of k further on: columns, rows, images
  next_y: u32,
  next_n: u32,
  dw_tap: u32, // vec4s per tap
  dw_width: u32, // vec4s per row of dW
  x_off: u32,
  x_stride: u32,
  g_off: u32,
  g_stride: u32,
  dw_slice: u32, // vec4s of a slice's partial result
  slice: u32, // k steps that a slice takes
  x_slope: f32, // of a (leaky) ReLU that x or g passes as it is loaded; 1: as it is
  g_slope: f32,
  row_groups: u32,
  rates_at: u32, // of Adam, in the step uniform
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;

struct Outer {
  range: vec2<u32>,
  slice: u32,
  count: vec2<u32>,
}

fn outer_begin(z: u32) -> Outer {
  return Outer(vec2<u32>(z * p.slice, min((p.pixels + 3u) / 4u, (z + 1u) * p.slice)), z, vec2<u32>(1u));
}

// A lane's row group at its pixel: a vec4 of 4 rows. Fixed: the tap less the padding (y, x), the
// vec4 of channels, the place (0 to 3) among the pixels of a step. Moving: the pixel (y, x) and its
// image. `flat` counts a block's vec4s: place + 4 * row group.
fn a_row(flat: u32, o: Outer) -> vec4<i32> {
  let group = divmod(min(flat / 4u, p.rows / 4u - 1u), p.groups);
  let tap = divmod(group.x, p.kernel);
  return vec4<i32>(vec2<i32>(tap) - i32(p.pad), i32(group.y), i32(flat % 4u));
}

fn a_tap(r: vec4<i32>, t: vec2<u32>, block: u32) -> vec4<u32> {
  let image = divmod(u32(r.w) + 4u * block, p.ho * p.wo);
  return vec4<u32>(divmod(image.y, p.wo), image.x, 0u);
}

fn a_load(r: vec4<i32>, m: vec4<u32>) -> vec4<f32> {
  let size = vec2<i32>(i32(p.hi), i32(p.wi));
  let i = seen(vec2<i32>(m.xy * p.stride) + r.xy, size);
  let ok = inside(i, size) & (m.z * p.ho * p.wo < p.pixels);
  let pixel = select(0u, (m.z * p.hi + u32(i.x)) * p.wi + u32(i.y), ok);
  let v = select(vec4<f32>(0.0), x[p.x_off + pixel * p.x_stride + u32(r.z)], ok);
  return select(v * p.x_slope, v, v > vec4<f32>(0.0));
}

// One step further: additions and carries instead of divisions.
fn a_step(m: vec4<u32>, blocks: u32) -> vec4<u32> {
  let column = m.y + p.next_x;
  let line = select(0u, 1u, column >= p.wo);
  let row = m.x + p.next_y + line;
  let picture = select(0u, 1u, row >= p.ho);
  return vec4<u32>(row - picture * p.ho, column - line * p.wo, m.z + p.next_n + picture, 0u);
}

// B's state is the column and the first pixel of the step.
struct BCol {
  col: u32,
  pixel: u32,
}

fn b_begin(t: vec2<u32>, o: Outer, col: u32, block: u32) -> BCol { return BCol(p.g_off + min(col, p.cols - 1u), 4u * block); }

// Beyond the last pixel A is 0, and B only has to be finite.
fn b_load(at: BCol, k: u32) -> vec4<f32> {
  let v = g[min(at.pixel + k, p.pixels - 1u) * p.g_stride + at.col];
  return select(v * p.g_slope, v, v > vec4<f32>(0.0));
}

fn b_step(at: BCol, blocks: u32) -> BCol { return BCol(at.col, at.pixel + 4u * blocks); }

fn store_block(row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  if (row >= p.rows || col >= p.cols) { return; }
  let group = divmod(row / 4u, p.groups);
  if (TRANS_OUT == 0u) {
    let at = o.slice * p.dw_slice + group.x * p.dw_tap + 4u * group.y * p.dw_width + col;
    put(at, v0);
    put(at + p.dw_width, v1);
    put(at + 2u * p.dw_width, v2);
    put(at + 3u * p.dw_width, v3);
  } else {
    let at = o.slice * p.dw_slice + group.x * p.dw_tap + 4u * col * p.dw_width + group.y;
    put(at, vec4<f32>(v0.x, v1.x, v2.x, v3.x));
    put(at + p.dw_width, vec4<f32>(v0.y, v1.y, v2.y, v3.y));
    put(at + 2u * p.dw_width, vec4<f32>(v0.z, v1.z, v2.z, v3.z));
    put(at + 3u * p.dw_width, vec4<f32>(v0.w, v1.w, v2.w, v3.w));
  }
}

// For lib/tile_workgroup.wgsl: what its loop needs of the parameters, read once.
struct Fixed {
  end: u32,
  pixels: u32, // the first that the slice's steps do not hold
  size: vec2<u32>, // of x
  walked: vec2<u32>, // the pixels of x that the kernel walks over in each direction
  stride: u32,
  next: vec3<u32>, // the pixel a stage further on: images, rows, columns of x
  // How far apart that is in x's vec4s, and what carries to the next row and the next image add.
  apart: u32,
  carry: vec2<u32>,
  x_off: u32,
  x_stride: u32,
  x_slope: f32,
  g_slope: f32,
  g_stride: u32,
  b_last: u32,
}

fn fixed(o: Outer) -> Fixed {
  let pixels = min(4u * o.range.y, p.pixels);
  let walked = p.stride * vec2<u32>(p.ho, p.wo);
  let next = vec3<u32>(p.next_n, p.stride * p.next_y, p.stride * p.next_x);
  let apart = ((next.x * p.hi + next.y) * p.wi + next.z) * p.x_stride;
  let carry = vec2<u32>((p.stride * p.wi - walked.y) * p.x_stride, (p.hi - walked.x) * p.wi * p.x_stride);
  return Fixed(
    o.range.y, pixels, vec2<u32>(p.hi, p.wi), walked, p.stride, next, apart, carry,
    p.x_off, p.x_stride, p.x_slope, p.g_slope, p.g_stride, (pixels - 1u) * p.g_stride,
  );
}

// How many pixels of the slice are left at step `c`; a share beyond them does not count, and its
// place is taken by the first.
fn left_at(c: u32, f: Fixed) -> u32 { return f.pixels - min(4u * c, f.pixels); }

fn a_within(share: vec3<u32>, left: u32) -> bool { return 4u * share.x + share.y < left; }

fn a_step_by(share: vec3<u32>, f: Fixed) -> u32 { return 0u; }

fn b_step_by(share: vec3<u32>, f: Fixed) -> u32 { return (4u * share.x + share.y) * p.g_stride; }

// Of a row: its tap less the padding (y, x), how far that and its channels are from the pixel that
// the kernel is anchored at, and the vec4 of channels.
fn a_fixed(r: vec4<i32>, f: Fixed) -> vec4<i32> {
  return vec4<i32>(r.xy, (r.x * i32(f.size.y) + r.y) * i32(f.x_stride) + r.z, r.z);
}

fn a_tap_at(t: vec2<u32>, f: Fixed) -> u32 { return 0u; }

fn a_start(r: vec4<i32>, t: vec2<u32>, share: vec3<u32>, f: Fixed) -> u32 { return 0u; }

// The anchor in x: y, x, its first vec4, and its image.
fn a_begin(share: vec3<u32>, c: u32) -> vec4<u32> {
  let image = divmod(4u * (c + share.x) + share.y, p.ho * p.wo);
  let i = p.stride * divmod(image.y, p.wo);
  return vec4<u32>(i, p.x_off + ((image.x * p.hi + i.x) * p.wi + i.y) * p.x_stride, image.x);
}

// A stage further: additions and carries instead of divisions.
fn a_advance(m: vec4<u32>, f: Fixed) -> vec4<u32> {
  let column = m.y + f.next.z;
  let line = column >= f.walked.y;
  let row = m.x + f.next.y + select(0u, f.stride, line);
  let image = row >= f.walked.x;
  return vec4<u32>(
    row - select(0u, f.walked.x, image),
    column - select(0u, f.walked.y, line),
    m.z + f.apart + select(0u, f.carry.x, line) + select(0u, f.carry.y, image),
    m.w + f.next.x + select(0u, 1u, image),
  );
}

fn a_then(c: u32, ahead: u32, f: Fixed) -> u32 { return 0u; }

fn a_counts(r: vec4<i32>, tap: u32, m: vec4<u32>, share: vec3<u32>, left: u32, f: Fixed) -> bool {
  let there = a_within(share, left);
  if (BORDER != 0u) { return there; }
  return (m.x + u32(r.x) < f.size.x) & (m.y + u32(r.y) < f.size.y) & there;
}

// Where it does not count, the channels of the first pixel.
fn a_fetch(r: vec4<i32>, tap: u32, m: vec4<u32>, then: u32, keep: bool, f: Fixed) -> vec4<f32> {
  var at = m.z + u32(r.z);
  if (BORDER != 0u) {
    let i = vec2<u32>(seen(vec2<i32>(m.xy) + r.xy, vec2<i32>(f.size)));
    at = f.x_off + ((m.w * f.size.x + i.x) * f.size.y + i.y) * f.x_stride + u32(r.w);
  }
  return x[select(f.x_off + u32(r.w), at, keep)];
}

fn a_finish(loaded: vec4<f32>, keep: bool, f: Fixed) -> vec4<f32> {
  let v = select(vec4<f32>(0.0), loaded, keep);
  return max(v, v * f.x_slope);
}

fn b_tap_at(t: vec2<u32>, o: Outer, f: Fixed) -> u32 { return p.g_off; }

// Beyond the last pixel A is 0, and B only has to be of the same column.
fn b_then(c: u32, ahead: u32, f: Fixed) -> u32 { return min(4u * c * f.g_stride + ahead, f.b_last); }

fn b_column(o: Outer, col: u32, k: u32) -> u32 { return min(col, p.cols - 1u); }

fn b_fetch(at: u32) -> vec4<f32> { return g[at]; }

fn b_finish(loaded: vec4<f32>, f: Fixed) -> vec4<f32> {
  return max(loaded, loaded * f.g_slope);
}

fn out_rows(row: u32, o: Outer) -> vec4<u32> {
  let group = divmod(row / 4u, p.groups);
  let within = group.y * select(4u * p.dw_width, 1u, TRANS_OUT != 0u);
  return vec4<u32>(o.slice * p.dw_slice + group.x * p.dw_tap + within, 0u, 0u, 0u);
}

fn out_block(first: vec4<u32>, row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  if (row >= p.rows || col >= p.cols) { return; }
  if (TRANS_OUT == 0u) {
    let at = first.x + col;
    put(at, v0);
    put(at + p.dw_width, v1);
    put(at + 2u * p.dw_width, v2);
    put(at + 3u * p.dw_width, v3);
  } else {
    let at = first.x + 4u * col * p.dw_width;
    put(at, vec4<f32>(v0.x, v1.x, v2.x, v3.x));
    put(at + p.dw_width, vec4<f32>(v0.y, v1.y, v2.y, v3.y));
    put(at + 2u * p.dw_width, vec4<f32>(v0.z, v1.z, v2.z, v3.z));
    put(at + 3u * p.dw_width, vec4<f32>(v0.w, v1.w, v2.w, v3.w));
  }
}
