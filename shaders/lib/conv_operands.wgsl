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
