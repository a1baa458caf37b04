// use: b_block
// A tile of 8 rows by 4 * TN columns per invocation, straight from global memory: no subgroups, no
// barrier.

const TN: u32 = 4u; // tune
const ROWS: u32 = 8u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * 64u + local) * ROWS;
  let col = group.x * TN;
  if (row >= p.rows) { return; }
  let o = outer_begin(group.z);
  var rows: array<vec4<i32>, ROWS>;
  var moving: array<vec4<u32>, ROWS>;
  //@unroll
  for (var j = 0u; j < ROWS; j++) {
    rows[j] = a_row(row + j, o);
  }
  var acc: array<vec4<f32>, ROWS * TN>;
  //@unroll
  for (var i = 0u; i < ROWS * TN; i++) {
    acc[i] = vec4<f32>(0.0);
  }
  for (var ty = 0u; ty < o.count.x; ty++) {
    for (var tx = 0u; tx < o.count.y; tx++) {
      let t = vec2<u32>(ty, tx);
      //@unroll
      for (var j = 0u; j < ROWS; j++) {
        moving[j] = a_tap(rows[j], t, o.range.x);
      }
      for (var c = o.range.x; c < o.range.y; c++) {
        var a: array<vec4<f32>, ROWS>;
        //@unroll
        for (var j = 0u; j < ROWS; j++) {
          a[j] = a_load(rows[j], moving[j]);
          moving[j] = a_step(moving[j], 1u);
        }
        //@unroll
        for (var n = 0u; n < TN; n++) {
          let at = b_begin(t, o, col + n, c);
          let l0 = b_load(at, 0u);
          let l1 = b_load(at, 1u);
          let l2 = b_load(at, 2u);
          let l3 = b_load(at, 3u);
          let b = b_block(l0, l1, l2, l3);
          //@unroll
          for (var i = 0u; i < ROWS; i++) {
            //@unroll
            for (var k = 0u; k < 4u; k++) {
              acc[i * TN + n] = acc[i * TN + n] + a[(1u - A_BY_K) * i + A_BY_K * (k + i / 4u * 4u)][(1u - A_BY_K) * k + A_BY_K * (i - i / 4u * 4u)] * b[k];
            }
          }
        }
      }
    }
  }
  //@unroll
  for (var n = 0u; n < TN; n++) {
    //@unroll
    for (var i = 0u; i < ROWS / 4u; i++) {
      store_block(row + 4u * i, col + n, o, acc[4u * i * TN + n], acc[(4u * i + 1u) * TN + n], acc[(4u * i + 2u) * TN + n], acc[(4u * i + 3u) * TN + n]);
    }
  }
}
