// Plain matrix products, many of one size, the middle step of Winograd's method
// (lib/winograd.wgsl):
//   C[z][row, col] = sum over k of A[z][row, k] B[z][k, col]
// k runs over `taps` runs of `blocks` steps of 4.

// 0: A lies [row][k], a vec4 is 4 k of a row. 1: A lies [k][row], a vec4 is 4 rows of a k.
const A_BY_K: u32 = 0u; // tune
// 0: B lies [k][col]. 1: B lies [col][k], and blocks are transposed as they are loaded.
const TRANS_B: u32 = 0u; // tune
// 1: the sum has several runs over its steps, one for each tap.
const RUNS: u32 = 1u;

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

// For lib/tile_workgroup.wgsl: what its loop needs of the parameters, read once.
struct Fixed {
  end: u32,
  a_block: u32,
  a_last: u32,
  a_tap: u32,
  b_step: u32,
  b_last: u32,
  b_tap: u32,
}

fn fixed(o: Outer) -> Fixed {
  let a_block = select(1u, 4u * p.a_k, A_BY_K != 0u);
  let a_last = p.blocks * a_block - select(1u, p.a_k, A_BY_K != 0u);
  let b_last = p.blocks * p.b_step - select(p.b_row, p.b_step, TRANS_B != 0u);
  return Fixed(p.blocks, a_block, a_last, p.a_tap, p.b_step, b_last, p.b_tap);
}

// How many steps of the run are left at step `c`; a share beyond them does not count, and its place
// is taken by the first.
fn left_at(c: u32, f: Fixed) -> u32 { return f.end - c; }

fn a_step_by(share: vec3<u32>, f: Fixed) -> u32 { return share.x * f.a_block + share.y * p.a_k; }

fn b_step_by(share: vec3<u32>, f: Fixed) -> u32 { return share.x * p.b_step + share.y * p.b_row; }

fn a_fixed(r: vec4<i32>, f: Fixed) -> vec4<i32> { return r; }

fn a_tap_at(t: vec2<u32>, f: Fixed) -> u32 { return t.y * f.a_tap; }

fn a_start(r: vec4<i32>, t: vec2<u32>, share: vec3<u32>, f: Fixed) -> u32 { return 0u; }

fn a_begin(share: vec3<u32>, c: u32) -> vec4<u32> { return vec4<u32>(0u); }

fn a_advance(m: vec4<u32>, f: Fixed) -> vec4<u32> { return m; }

fn a_then(c: u32, ahead: u32, f: Fixed) -> u32 { return min(c * f.a_block + ahead, f.a_last); }

fn a_counts(r: vec4<i32>, tap: u32, m: vec4<u32>, share: vec3<u32>, left: u32, f: Fixed) -> bool {
  return share.x < left;
}

fn a_fetch(r: vec4<i32>, tap: u32, m: vec4<u32>, then: u32, keep: bool, f: Fixed) -> vec4<f32> {
  return a[u32(r.x) + then];
}

fn a_finish(loaded: vec4<f32>, keep: bool, f: Fixed) -> vec4<f32> { return select(vec4<f32>(0.0), loaded, keep); }

fn b_tap_at(t: vec2<u32>, o: Outer, f: Fixed) -> u32 { return o.b + t.y * f.b_tap; }

// Beyond the last step A is 0, and B only has to be of the same column.
fn b_then(c: u32, ahead: u32, f: Fixed) -> u32 { return min(c * f.b_step + ahead, f.b_last); }

fn b_column(o: Outer, col: u32, k: u32) -> u32 { return min(col, p.cols - 1u) * p.b_col + k * p.b_row; }

fn b_fetch(at: u32) -> vec4<f32> { return b[at]; }

fn b_finish(loaded: vec4<f32>, f: Fixed) -> vec4<f32> { return loaded; }

fn out_rows(row: u32, o: Outer) -> vec4<u32> { return vec4<u32>(o.c + row * p.c_row, 0u, 0u, 0u); }

fn out_block(first: vec4<u32>, row: u32, col: u32, o: Outer, v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) {
  let at = first.x + col;
  if (row >= p.rows || col >= p.cols) { return; }
  c[at] = v0;
  if (row + 1u < p.rows) { c[at + p.c_row] = v1; }
  if (row + 2u < p.rows) { c[at + 2u * p.c_row] = v2; }
  if (row + 3u < p.rows) { c[at + 3u * p.c_row] = v3; }
}
