// use: b_block
// A tile of ROWS rows by 32 columns of vec4s per workgroup of 256 invocations, for products of few
// rows, which do little but stream B: every step of k goes to one of 8 groups of invocations,
// straight from global memory; their sums are added in order at the end. Only for A by rows
// (A_BY_K 0).

const ROWS: u32 = 4u; // tune
const COLS: u32 = 32u;
const GROUPS: u32 = 8u;

var<workgroup> sums: array<vec4<f32>, 1024>; // GROUPS * COLS * 4

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = group.y * ROWS;
  let col = group.x * COLS + local % COLS;
  let mine = local / COLS;
  let o = outer_begin(group.z);
  var rows: array<vec4<i32>, ROWS>;
  var moving: array<vec4<u32>, ROWS>;
  //@unroll
  for (var j = 0u; j < ROWS; j++) {
    rows[j] = a_row(row + j, o);
  }
  var acc: array<vec4<f32>, ROWS>;
  //@unroll
  for (var i = 0u; i < ROWS; i++) {
    acc[i] = vec4<f32>(0.0);
  }
  for (var ty = 0u; ty < o.count.x; ty++) {
    for (var tx = 0u; tx < o.count.y; tx++) {
      let t = vec2<u32>(ty, tx);
      //@unroll
      for (var j = 0u; j < ROWS; j++) {
        moving[j] = a_tap(rows[j], t, o.range.x + mine);
      }
      var at = b_begin(t, o, col, o.range.x + mine);
      for (var c = o.range.x + mine; c < o.range.y; c = c + GROUPS) {
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
  }
  // Four rows at a time through workgroup memory; the first four groups add up a row each.
  //@unroll
  for (var part = 0u; part < ROWS / 4u; part++) {
    //@unroll
    for (var i = 0u; i < 4u; i++) {
      sums[(mine * 4u + i) * COLS + local % COLS] = acc[4u * part + i];
    }
    workgroupBarrier();
    if (mine < 4u && col < p.cols) {
      var total = sums[mine * COLS + local % COLS];
      for (var g = 1u; g < GROUPS; g++) { total = total + sums[(g * 4u + mine) * COLS + local % COLS]; }
      store_row(row + 4u * part + mine, col, o, total);
    }
    workgroupBarrier();
  }
}
