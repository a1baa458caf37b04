// Plain matrix products, many of one size, the middle step of Winograd's method
// (lib/winograd.wgsl):
//   C[z][row, col] = sum over k of A[z][row, k] B[z][k, col]
// k runs over `taps` runs of `blocks` steps of 4.

// 0: A lies [row][k], a vec4 is 4 k of a row. 1: A lies [k][row], a vec4 is 4 rows of a k.
const A_BY_K: u32 = 0u; // tune
// 0: B lies [k][col]. 1: B lies [col][k], and blocks are transposed as they are loaded.
const TRANS_B: u32 = 0u; // tune

struct Params {
  rows: u32,
  cols: u32, // vec4s
  blocks: u32,
  taps: u32,
  a_z: u32, // all in vec4s
  a_row: u32,
  a_tap: u32,
  a_k: u32,
  b_z: u32,
  b_tap: u32,
  b_step: u32,
  b_col: u32,
  b_row: u32,
  c_z: u32,
  c_row: u32,
  row_groups: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;

struct Outer {
  range: vec2<u32>,
  count: vec2<u32>,
  a: u32,
  b: u32,
  c: u32,
}

fn outer_begin(z: u32) -> Outer {
  return Outer(vec2<u32>(0u, p.blocks), vec2<u32>(1u, p.taps), z * p.a_z, z * p.b_z, z * p.c_z);
}

// A row of A (A_BY_K: one of the 4 k of a block, at a row group; `flat` counts k + 4 * group).
// Fixed: where it begins.
fn a_row(flat: u32, o: Outer) -> vec4<i32> {
  if (A_BY_K == 0u) { return vec4<i32>(i32(o.a + min(flat, p.rows - 1u) * p.a_row), 0, 0, 0); }
  return vec4<i32>(i32(o.a + min(flat / 4u, p.rows / 4u - 1u) + (flat % 4u) * p.a_k), 0, 0, 0);
}

fn a_tap(r: vec4<i32>, t: vec2<u32>, block: u32) -> vec4<u32> {
  return vec4<u32>(u32(r.x) + t.y * p.a_tap + block * select(1u, 4u * p.a_k, A_BY_K != 0u), 0u, 0u, 0u);
}

fn a_load(r: vec4<i32>, m: vec4<u32>) -> vec4<f32> { return a[m.x]; }

fn a_step(m: vec4<u32>, blocks: u32) -> vec4<u32> {
  return vec4<u32>(m.x + blocks * select(1u, 4u * p.a_k, A_BY_K != 0u), 0u, 0u, 0u);
}

fn b_begin(t: vec2<u32>, o: Outer, col: u32, block: u32) -> u32 {
  return o.b + t.y * p.b_tap + min(col, p.cols - 1u) * p.b_col + block * p.b_step;
}

fn b_load(at: u32, k: u32) -> vec4<f32> { return b[at + k * p.b_row]; }

fn b_step(at: u32, blocks: u32) -> u32 { return at + blocks * p.b_step; }

fn store_row(row: u32, col: u32, o: Outer, v: vec4<f32>) {
  if (row < p.rows) { c[o.c + row * p.c_row + col] = v; }
}

fn store_block(row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  if (col >= p.cols) { return; }
  store_row(row, col, o, v0);
  store_row(row + 1u, col, o, v1);
  store_row(row + 2u, col, o, v2);
  store_row(row + 3u, col, o, v3);
}
