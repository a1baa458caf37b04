// use: index, border, epilogue
// Implicit GEMM, data side:
//   C[row, col] = sum over (tap, channel) A[row, (tap, channel)] B[(tap, channel), col]
// Rows are output pixels, columns output channels. Serves conv2d, conv_transpose2d and the input
// gradients of both:
//   output pixel o = q * stride_out + phase,  input pixel i = q * stride_in + base(phase) + dir * t,
//   kernel tap = first(phase) + stride_out * t.
// A convolution has stride_out 1, dir 1; its adjoint stride_in 1, dir -1 and a quarter of the taps
// per phase (at stride 2): no multiply by zero. Weights are [tap][ci][co]; B's strides say which of
// ci and co are summed. x may pass through a (leaky) ReLU as it is loaded.

const TRANS_B: u32 = 0u; // tune
// Blocks of A are 4 rows by 4 k, one vec4 per row.
const A_BY_K: u32 = 0u;
// 1: the sum has several runs over its steps, one for each tap.
const RUNS: u32 = 1u;

struct Params {
  rows: u32, // pixels of a phase, batch folded in
  cols: u32, // vec4s of output channels
  blocks: u32, // vec4s of input channels: k steps of 4 per tap
  hi: u32,
  wi: u32,
  ho: u32,
  wo: u32,
  qh: u32, // pixels of a phase
  qw: u32,
  kernel: u32,
  stride_in: u32,
  stride_out: u32,
  pad: u32,
  dir: i32,
  b_tap: u32,
  b_step: u32,
  b_col: u32,
  b_row: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  y_slice: u32, // vec4s of a slice's partial result; 0 if there is one slice
  phases: u32,
  slice: u32, // k steps of a tap that a slice takes
  x_slope: f32, // 1: x as it is
  has_bias: u32,
  mask_off: u32,
  mask_stride: u32,
  mask_slope: f32,
  row_groups: u32, // subgroups of a workgroup that lie along rows
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// Of a phase: base and first tap in each direction, number of taps. Of a slice: its k steps, its
// place in y.
struct Outer {
  range: vec2<u32>,
  slice: u32,
  base: vec2<i32>,
  first: vec2<u32>,
  count: vec2<u32>,
  phase: vec2<u32>,
}

fn outer_begin(z: u32) -> Outer {
  let slice = z / p.phases;
  let range = vec2<u32>(slice * p.slice, min(p.blocks, (slice + 1u) * p.slice));
  let of_phase = z - slice * p.phases;
  let phase = vec2<u32>(of_phase / p.stride_out, of_phase % p.stride_out);
  let shifted = phase + p.pad;
  let first = shifted % p.stride_out;
  let left = vec2<u32>(p.kernel) - min(first, vec2<u32>(p.kernel));
  let forward = vec2<i32>(-i32(p.pad));
  let backward = vec2<i32>((shifted - first) / p.stride_out);
  return Outer(range, slice, select(backward, forward, p.dir > 0), first, (left + p.stride_out - 1u) / p.stride_out, phase);
}

// A row of A. Fixed: the input pixel at tap 0 (y, x) and the first pixel of its image. Moving: the
// vec4 to load next, and 1 if it lies inside the image. (Vectors rather than structs: one software
// driver takes minutes to compile arrays of structs.)
fn a_row(row: u32, o: Outer) -> vec4<i32> {
  let r = min(row, p.rows - 1u);
  let image = divmod(r, p.qh * p.qw);
  let q = divmod(image.y, p.qw);
  return vec4<i32>(vec2<i32>(q * p.stride_in) + o.base, i32(image.x * p.hi * p.wi), 0);
}

// Starts tap `t`, `block` steps of 4 channels in.
fn a_tap(r: vec4<i32>, t: vec2<u32>, block: u32) -> vec4<u32> {
  let size = vec2<i32>(i32(p.hi), i32(p.wi));
  let i = seen(r.xy + p.dir * vec2<i32>(t), size);
  let ok = inside(i, size);
  let pixel = select(0u, u32(r.z) + u32(i.x) * p.wi + u32(i.y), ok);
  return vec4<u32>(p.x_off + pixel * p.x_stride + block, select(0u, 1u, ok), 0u, 0u);
}

fn a_load(r: vec4<i32>, m: vec4<u32>) -> vec4<f32> {
  let v = select(vec4<f32>(0.0), x[m.x], m.y != 0u);
  return select(v * p.x_slope, v, v > vec4<f32>(0.0));
}

fn a_step(m: vec4<u32>, blocks: u32) -> vec4<u32> { return vec4<u32>(m.x + blocks, m.y, 0u, 0u); }

fn b_begin(t: vec2<u32>, o: Outer, col: u32, block: u32) -> u32 {
  let tap = o.first + p.stride_out * t;
  return (tap.x * p.kernel + tap.y) * p.b_tap + min(col, p.cols - 1u) * p.b_col + block * p.b_step;
}

fn b_load(at: u32, k: u32) -> vec4<f32> { return w[at + k * p.b_row]; }

fn b_step(at: u32, blocks: u32) -> u32 { return at + blocks * p.b_step; }

fn store_with(row: u32, col: u32, o: Outer, v: vec4<f32>, b: vec4<f32>) {
  if (row >= p.rows || col >= p.cols) { return; }
  let image = divmod(row, p.qh * p.qw);
  let q = divmod(image.y, p.qw) * p.stride_out + o.phase;
  // Phases of an odd size differ in length: the shorter ones lack the last pixel.
  if (q.x >= p.ho || q.y >= p.wo) { return; }
  let pixel = (image.x * p.ho + q.x) * p.wo + q.y;
  y[p.y_off + o.slice * p.y_slice + pixel * p.y_stride + col] = finish(v + b, pixel, col);
}

fn store_block(row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  let b = bias_of(min(col, p.cols - 1u));
  store_with(row, col, o, v0, b);
  store_with(row + 1u, col, o, v1, b);
  store_with(row + 2u, col, o, v2, b);
  store_with(row + 3u, col, o, v3, b);
}

fn store_row(row: u32, col: u32, o: Outer, v: vec4<f32>) {
  store_with(row, col, o, v, bias_of(min(col, p.cols - 1u)));
}

const NOWHERE: u32 = 0xffffffffu;

// For lib/tile_workgroup.wgsl: what its loop needs of the parameters, read once.
struct Fixed {
  end: u32,
  x_off: u32,
  slope: f32,
  stride: u32,
  kernel: u32,
  b_tap: u32,
  b_step: u32,
  b_last: u32,
}

fn fixed(o: Outer) -> Fixed {
  let last = o.range.y * p.b_step - select(p.b_row, p.b_step, TRANS_B != 0u);
  return Fixed(o.range.y, p.x_off, p.x_slope, p.stride_out, p.kernel, p.b_tap, p.b_step, last);
}

// How many steps of the run are left at step `c`; a share beyond them does not count, and its place
// is taken by the first.
fn left_at(c: u32, f: Fixed) -> u32 { return f.end - c; }

fn a_step_by(share: vec3<u32>, f: Fixed) -> u32 { return share.x; }

fn b_step_by(share: vec3<u32>, f: Fixed) -> u32 { return share.x * f.b_step + share.y * p.b_row; }

// Of a row: its pixel under tap 0 (y, x), and the first vec4 of that (with a border: the first pixel of
// its image).
fn a_fixed(r: vec4<i32>, f: Fixed) -> vec4<i32> {
  if (BORDER != 0u) { return r; }
  return vec4<i32>(r.xy, i32(p.x_off) + (r.z + r.x * i32(p.wi) + r.y) * i32(p.x_stride), 0);
}

// How far a tap is from tap 0 in x's vec4s.
fn a_tap_at(t: vec2<u32>, f: Fixed) -> u32 {
  if (BORDER != 0u) { return 0u; }
  return u32(p.dir) * (t.x * p.wi + t.y) * p.x_stride;
}

// A row under a tap: the share's step, or where the pixel lies outside no step at all. (With a border:
// the first vec4 of the pixel.)
fn a_start(r: vec4<i32>, t: vec2<u32>, share: vec3<u32>, f: Fixed) -> u32 {
  let size = vec2<i32>(i32(p.hi), i32(p.wi));
  let i = vec2<u32>(seen(r.xy + p.dir * vec2<i32>(t), size));
  if (BORDER != 0u) { return p.x_off + (u32(r.z) + i.x * p.wi + i.y) * p.x_stride; }
  return select(NOWHERE, share.x, (i.x < p.hi) & (i.y < p.wi));
}

fn a_begin(share: vec3<u32>, c: u32) -> vec4<u32> { return vec4<u32>(0u); }

fn a_advance(m: vec4<u32>, f: Fixed) -> vec4<u32> { return m; }

fn a_then(c: u32, ahead: u32, f: Fixed) -> u32 { return c + ahead; }

fn a_counts(r: vec4<i32>, tap: u32, m: vec4<u32>, share: vec3<u32>, left: u32, f: Fixed) -> bool {
  return select(tap, share.x, BORDER != 0u) < left;
}

// Where it does not count, the first vec4 of the map.
fn a_fetch(r: vec4<i32>, tap: u32, m: vec4<u32>, then: u32, keep: bool, f: Fixed) -> vec4<f32> {
  return x[select(f.x_off, then + select(u32(r.z), tap, BORDER != 0u), keep)];
}

fn a_finish(loaded: vec4<f32>, keep: bool, f: Fixed) -> vec4<f32> {
  let v = select(vec4<f32>(0.0), loaded, keep);
  return max(v, v * f.slope);
}

// Where a tap begins in B; beyond the last tap, where the first one does.
fn b_tap_at(t: vec2<u32>, o: Outer, f: Fixed) -> u32 {
  let tap = o.first + f.stride * t;
  return select(0u, (tap.x * f.kernel + tap.y) * f.b_tap, t.x < o.count.x);
}

// Beyond the last step A is 0, and B only has to be of the same column.
fn b_then(c: u32, ahead: u32, f: Fixed) -> u32 { return min(c * f.b_step + ahead, f.b_last); }

fn b_column(o: Outer, col: u32, k: u32) -> u32 { return min(col, p.cols - 1u) * p.b_col + k * p.b_row; }

fn b_fetch(at: u32) -> vec4<f32> { return w[at]; }

fn b_finish(loaded: vec4<f32>, f: Fixed) -> vec4<f32> { return loaded; }

// The output pixels of 4 neighbouring rows: two divisions for the first, carries for the others.
fn out_rows(row: u32, o: Outer) -> vec4<u32> {
  let image = divmod(row, p.qh * p.qw);
  let at0 = vec3<u32>(image.x, divmod(image.y, p.qw));
  let at1 = next_pixel(at0);
  let at2 = next_pixel(at1);
  let at3 = next_pixel(at2);
  return vec4<u32>(out_pixel(at0, row, o), out_pixel(at1, row + 1u, o), out_pixel(at2, row + 2u, o), out_pixel(at3, row + 3u, o));
}

fn next_pixel(at: vec3<u32>) -> vec3<u32> {
  let line = select(0u, 1u, at.z + 1u == p.qw);
  let image = line & select(0u, 1u, at.y + 1u == p.qh);
  return vec3<u32>(at.x + image, (at.y + line) * (1u - image), (at.z + 1u) * (1u - line));
}

fn out_pixel(at: vec3<u32>, row: u32, o: Outer) -> u32 {
  let q = at.yz * p.stride_out + o.phase;
  // Phases of an odd size differ in length: the shorter ones lack the last pixel.
  let there = (row < p.rows) & (q.x < p.ho) & (q.y < p.wo);
  return select(NOWHERE, (at.x * p.ho + q.x) * p.wo + q.y, there);
}

fn out_one(pixel: u32, col: u32, o: Outer, v: vec4<f32>) {
  if (pixel != NOWHERE) { y[p.y_off + o.slice * p.y_slice + pixel * p.y_stride + col] = v; }
}

// Everything is read before anything is written.
fn out_block(pixels: vec4<u32>, row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  if (col >= p.cols) { return; }
  let b = bias_of(col);
  let there = select(vec4<u32>(0u), pixels, pixels != vec4<u32>(NOWHERE));
  let r0 = finish(v0 + b, there.x, col);
  let r1 = finish(v1 + b, there.y, col);
  let r2 = finish(v2 + b, there.z, col);
  let r3 = finish(v3 + b, there.w, col);
  out_one(pixels.x, col, o, r0);
  out_one(pixels.y, col, o, r1);
  out_one(pixels.z, col, o, r2);
  out_one(pixels.w, col, o, r3);
}
