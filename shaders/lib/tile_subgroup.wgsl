// use: b_block
// A tile of 16 rows by 4 * SG columns per subgroup. Each lane loads its own column of B and a share
// of A; rows of A reach the other lanes by broadcast. Valid only where every subgroup has SG lanes
// (src/gpu/probe.rs makes sure).

const SG: u32 = 8u; // tune
const ROWS: u32 = 16u; // tune
const LOADS: u32 = ROWS / SG;
const SUBGROUPS: u32 = 64u / SG;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(local_invocation_index) local: u32,
) {
  let subgroup = local / SG;
  // Few rows: the subgroups of a workgroup lie along the columns, or most would have nothing to do.
  let column_groups = SUBGROUPS / p.row_groups;
  let row = (group.y * p.row_groups + subgroup % p.row_groups) * ROWS;
  let first_col = (group.x * column_groups + subgroup / p.row_groups) * SG;
  if (row >= p.rows || first_col >= p.cols) { return; }
  let col = first_col + lane;
  let o = outer_begin(group.z);
  var rows: array<vec4<i32>, LOADS>;
  var moving: array<vec4<u32>, LOADS>;
  //@unroll
  for (var j = 0u; j < LOADS; j++) {
    rows[j] = a_row(row + j * SG + lane, o);
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
      for (var j = 0u; j < LOADS; j++) {
        moving[j] = a_tap(rows[j], t, o.range.x);
      }
      var at = b_begin(t, o, col, o.range.x);
      for (var c = o.range.x; c < o.range.y; c++) {
        // All loads before all arithmetic: faster on software drivers.
        var a: array<vec4<f32>, LOADS>;
        //@unroll
        for (var j = 0u; j < LOADS; j++) {
          a[j] = a_load(rows[j], moving[j]);
          moving[j] = a_step(moving[j], 1u);
        }
        let l0 = b_load(at, 0u);
        let l1 = b_load(at, 1u);
        let l2 = b_load(at, 2u);
        let l3 = b_load(at, 3u);
        at = b_step(at, 1u);
        let b = b_block(l0, l1, l2, l3);
        //@unroll
        for (var i = 0u; i < ROWS; i++) {
          //@unroll
          for (var k = 0u; k < 4u; k++) {
            acc[i] = acc[i] + subgroupBroadcast(a[((1u - A_BY_K) * i + A_BY_K * (k + i / 4u * 4u)) / SG][(1u - A_BY_K) * k + A_BY_K * (i - i / 4u * 4u)], ((1u - A_BY_K) * i + A_BY_K * (k + i / 4u * 4u)) % SG) * b[k];
          }
        }
      }
    }
  }
  //@unroll
  for (var i = 0u; i < ROWS / 4u; i++) {
    store_block(row + 4u * i, col, o, acc[4u * i], acc[4u * i + 1u], acc[4u * i + 2u], acc[4u * i + 3u]);
  }
}
