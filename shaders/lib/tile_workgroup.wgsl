// A tile of 4 * GRID * TM rows by 4 * GRID * TN columns a workgroup of GRID x GRID invocations, staged in workgroup memory KB steps
// of 4 k at a time; 4 * TM rows by 4 * TN columns an invocation. One line of the staging arrays is a vec4, as loaded.

const GRID: u32 = 16u; // tune
const TM: u32 = 1u; // tune
const TN: u32 = 1u; // tune
const KB: u32 = 4u; // tune
const THREADS: u32 = GRID * GRID;
const A_LINES: u32 = 4u * GRID * TM;
const B_COLS: u32 = GRID * TN;
const B_LINES: u32 = 4u * B_COLS;
const A_LOADS: u32 = A_LINES * KB / THREADS;
const B_LOADS: u32 = B_LINES * KB / THREADS;

var<workgroup> staged_a: array<vec4<f32>, A_LINES * KB>;
var<workgroup> staged_b: array<vec4<f32>, B_LINES * KB>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = group.y * A_LINES;
  let col = group.x * B_COLS;
  let o = outer_begin(group.z);
  let my_row = local / GRID;
  let my_col = local % GRID;
  var rows: array<vec4<i32>, A_LOADS>;
  var moving: array<vec4<u32>, A_LOADS>;
  //@unroll
  for (var j = 0u; j < A_LOADS; j++) {
    // Flat line within a block: the row, or pixel + 4 * row group (A_BY_K).
    rows[j] = a_row(row + (local + THREADS * j) % A_LINES, o);
  }
  var acc: array<vec4<f32>, 4u * TM * TN>;
  //@unroll
  for (var i = 0u; i < 4u * TM * TN; i++) {
    acc[i] = vec4<f32>(0.0);
  }
  for (var ty = 0u; ty < o.count.x; ty++) {
    for (var tx = 0u; tx < o.count.y; tx++) {
      let t = vec2<u32>(ty, tx);
      //@unroll
      for (var j = 0u; j < A_LOADS; j++) {
        moving[j] = a_tap(rows[j], t, o.range.x + (local + THREADS * j) / A_LINES);
      }
      for (var c = o.range.x; c < o.range.y; c = c + KB) {
        //@unroll
        for (var j = 0u; j < A_LOADS; j++) {
          let line = local + THREADS * j;
          staged_a[line] = vec4<f32>(0.0);
          if (c + line / A_LINES < o.range.y) { staged_a[line] = a_load(rows[j], moving[j]); }
          moving[j] = a_step(moving[j], KB);
        }
        //@unroll
        for (var j = 0u; j < B_LOADS; j++) {
          let line = local + THREADS * j;
          let block = c + line / B_LINES;
          staged_b[line] = vec4<f32>(0.0);
          if (block < o.range.y) { staged_b[line] = b_load(b_begin(t, o, col + line % B_COLS, block), line % B_LINES / B_COLS); }
        }
        workgroupBarrier();
        //@unroll
        for (var kb = 0u; kb < KB; kb++) {
          var a: array<vec4<f32>, 4u * TM>;
          //@unroll
          for (var m = 0u; m < TM; m++) {
            //@unroll
            for (var i = 0u; i < 4u; i++) {
              a[4u * m + i] = staged_a[kb * A_LINES + 4u * GRID * m + 4u * my_row + i];
            }
          }
          //@unroll
          for (var n = 0u; n < TN; n++) {
            let l0 = staged_b[kb * B_LINES + GRID * n + my_col];
            let l1 = staged_b[kb * B_LINES + B_COLS + GRID * n + my_col];
            let l2 = staged_b[kb * B_LINES + 2u * B_COLS + GRID * n + my_col];
            let l3 = staged_b[kb * B_LINES + 3u * B_COLS + GRID * n + my_col];
            var b: array<vec4<f32>, 4>;
            if (TRANS_B == 0u) {
              b[0] = l0; b[1] = l1; b[2] = l2; b[3] = l3;
            } else {
              b[0] = vec4<f32>(l0.x, l1.x, l2.x, l3.x);
              b[1] = vec4<f32>(l0.y, l1.y, l2.y, l3.y);
              b[2] = vec4<f32>(l0.z, l1.z, l2.z, l3.z);
              b[3] = vec4<f32>(l0.w, l1.w, l2.w, l3.w);
            }
            //@unroll
            for (var m = 0u; m < TM; m++) {
              //@unroll
              for (var i = 0u; i < 4u; i++) {
                //@unroll
                for (var k = 0u; k < 4u; k++) {
                  acc[(4u * m + i) * TN + n] = fma(vec4<f32>(a[4u * m + (1u - A_BY_K) * i + A_BY_K * k][(1u - A_BY_K) * k + A_BY_K * i]), b[k], acc[(4u * m + i) * TN + n]);
                }
              }
            }
          }
        }
        workgroupBarrier();
      }
    }
  }
  //@unroll
  for (var m = 0u; m < TM; m++) {
    //@unroll
    for (var n = 0u; n < TN; n++) {
      store_block(row + 4u * GRID * m + 4u * my_row, col + GRID * n + my_col, o, acc[4u * m * TN + n], acc[(4u * m + 1u) * TN + n], acc[(4u * m + 2u) * TN + n], acc[(4u * m + 3u) * TN + n]);
    }
  }
}
