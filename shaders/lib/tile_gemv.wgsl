// use: b_block, index
// For products of few rows or few columns, which do little but stream B or A: a tile of LANES * ROWS
// rows by COLS vec4s of columns per workgroup. The steps of k, tap after tap, go in turn to 8 groups
// of invocations, straight from global memory; their sums are added in order at the end.
// Neighbouring invocations load neighbouring vec4s: the 8 groups along k, or where few rows meet a B
// that lies [k][col] those of a group along the columns. Only for A by rows (A_BY_K 0).

const ROWS: u32 = 4u; // tune
const COLS: u32 = 32u; // tune
const LANES: u32 = 1u; // tune
const GROUPS: u32 = 8u;
const PLACES: u32 = COLS * LANES;
// Rows of an invocation that are added up at a time.
const PART: u32 = 2u; // tune
// Between the sums of one group and the next: one place more than there are, so that groups side by
// side store into different banks.
const STRIDE: u32 = PLACES + 1u;

var<workgroup> sums: array<vec4<f32>, PART * GROUPS * STRIDE>;

@compute @workgroup_size(GROUPS * PLACES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let along_k = TRANS_B != 0u || COLS == 1u;
  let mine = select(local / PLACES, local % GROUPS, along_k);
  let place = select(local % PLACES, local / GROUPS, along_k);
  let row = group.y * LANES * ROWS;
  // One lane's rows are the same for all: said so that compilers know.
  let lane = select(place / COLS, 0u, LANES == 1u);
  let col = group.x * COLS + place % COLS;
  let o = outer_begin(group.z);
  var rows: array<vec4<i32>, ROWS>;
  var moving: array<vec4<u32>, ROWS>;
  //@unroll
  for (var j = 0u; j < ROWS; j++) {
    rows[j] = a_row(row + j * LANES + lane, o);
  }
  var acc: array<vec4<f32>, ROWS>;
  //@unroll
  for (var i = 0u; i < ROWS; i++) {
    acc[i] = vec4<f32>(0.0);
  }
  // Taps of fewer steps than groups are taken several at a time.
  let steps = o.range.y - o.range.x;
  let taps = o.count.x * o.count.y;
  let together = max(GROUPS / steps, 1u);
  let my_tap = select(0u, mine / steps, steps < GROUPS);
  let my_step = select(mine, mine % steps, steps < GROUPS);
  for (var tap = 0u; tap < taps; tap = tap + together) {
    let t = divmod(tap + my_tap, o.count.y);
    //@unroll
    for (var j = 0u; j < ROWS; j++) {
      moving[j] = a_tap(rows[j], t, o.range.x + my_step);
    }
    var at = b_begin(t, o, col, o.range.x + my_step);
    let end = select(o.range.x, o.range.y, my_tap < together && tap + my_tap < taps);
    for (var c = o.range.x + my_step; c < end; c = c + GROUPS) {
      let l0 = b_load(at, 0u);
      let l1 = b_load(at, 1u);
      let l2 = b_load(at, 2u);
      let l3 = b_load(at, 3u);
      at = b_step(at, GROUPS);
      let b = b_block(l0, l1, l2, l3);
      //@unroll
      for (var i = 0u; i < ROWS; i++) {
        let a = a_load(rows[i], moving[i]);
        moving[i] = a_step(moving[i], GROUPS);
        acc[i] = fma(vec4<f32>(a.x), b[0], fma(vec4<f32>(a.y), b[1], fma(vec4<f32>(a.z), b[2], fma(vec4<f32>(a.w), b[3], acc[i]))));
      }
    }
  }
  // PART rows of an invocation at a time through workgroup memory.
  //@unroll
  for (var part = 0u; part < ROWS / PART; part++) {
    //@unroll
    for (var i = 0u; i < PART; i++) {
      sums[(i * GROUPS + mine) * STRIDE + place] = acc[PART * part + i];
    }
    workgroupBarrier();
    let i = local / PLACES;
    let spot = local % PLACES;
    let to = group.x * COLS + spot % COLS;
    if (i < PART && to < p.cols) {
      var total = sums[i * GROUPS * STRIDE + spot];
      for (var g = 1u; g < GROUPS; g++) { total = total + sums[(i * GROUPS + g) * STRIDE + spot]; }
      store_row(row + (PART * part + i) * LANES + select(spot / COLS, 0u, LANES == 1u), to, o, total);
    }
    workgroupBarrier();
  }
}
