// use: b_block
// A tile of 4 * GRID * TM rows by 4 * GRID * TN columns per workgroup of GRID x GRID invocations,
// staged in workgroup memory KB steps of 4 k at a time; 4 * TM rows by 4 * TN columns per
// invocation. One line of the staging arrays is a vec4, as loaded.

const GRID: u32 = 16u; // tune
const TM: u32 = 1u; // tune
const TN: u32 = 1u; // tune
const KB: u32 = 4u; // tune
const THREADS: u32 = GRID * GRID;
const A_LINES: u32 = 4u * GRID * TM;
const B_COLS: u32 = GRID * TN;
const B_LINES: u32 = 4u * B_COLS;
// Two vec4s between the blocks: lanes that store into different blocks have no bank conflicts.
const A_STRIDE: u32 = A_LINES + 2u;
const B_STRIDE: u32 = B_LINES + 2u;
const A_LOADS: u32 = A_LINES * KB / THREADS;
const B_LOADS: u32 = B_LINES * KB / THREADS;

var<workgroup> staged_a: array<vec4<f32>, A_STRIDE * KB>;
var<workgroup> staged_b: array<vec4<f32>, B_STRIDE * KB>;

// Which block (x) and line of it (y) an invocation fetches: neighbours fetch neighbouring memory,
// which is a row's steps of k where rows are contiguous, and a block's lines otherwise.
fn share_a(line: u32) -> vec2<u32> {
  if (A_BY_K == 0u) { return vec2<u32>(line % KB, line / KB); }
  return vec2<u32>(line / A_LINES, line % A_LINES);
}

fn share_b(line: u32) -> vec2<u32> {
  if (TRANS_B != 0u) { return vec2<u32>(line % KB, line / KB); }
  return vec2<u32>(line / B_LINES, line % B_LINES);
}

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
    // A line within a block is a row, or pixel + 4 * row group (A_BY_K).
    rows[j] = a_row(row + share_a(local + THREADS * j).y, o);
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
        moving[j] = a_tap(rows[j], t, o.range.x + share_a(local + THREADS * j).x);
      }
      for (var c = o.range.x; c < o.range.y; c = c + KB) {
        //@unroll
        for (var j = 0u; j < A_LOADS; j++) {
          let share = share_a(local + THREADS * j);
          let line = share.x * A_STRIDE + share.y;
          staged_a[line] = vec4<f32>(0.0);
          if (c + share.x < o.range.y) { staged_a[line] = a_load(rows[j], moving[j]); }
          moving[j] = a_step(moving[j], KB);
        }
        //@unroll
        for (var j = 0u; j < B_LOADS; j++) {
          let share = share_b(local + THREADS * j);
          let block = c + share.x;
          let line = share.x * B_STRIDE + share.y;
          staged_b[line] = vec4<f32>(0.0);
          if (block < o.range.y) { staged_b[line] = b_load(b_begin(t, o, col + share.y % B_COLS, block), share.y / B_COLS); }
        }
        workgroupBarrier();
        //@unroll
        for (var kb = 0u; kb < KB; kb++) {
          var a: array<vec4<f32>, 4u * TM>;
          //@unroll
          for (var m = 0u; m < TM; m++) {
            //@unroll
            for (var i = 0u; i < 4u; i++) {
              a[4u * m + i] = staged_a[kb * A_STRIDE + 4u * GRID * m + 4u * my_row + i];
            }
          }
          //@unroll
          for (var n = 0u; n < TN; n++) {
            let l0 = staged_b[kb * B_STRIDE + GRID * n + my_col];
            let l1 = staged_b[kb * B_STRIDE + B_COLS + GRID * n + my_col];
            let l2 = staged_b[kb * B_STRIDE + 2u * B_COLS + GRID * n + my_col];
            let l3 = staged_b[kb * B_STRIDE + 3u * B_COLS + GRID * n + my_col];
            let b = b_block(l0, l1, l2, l3);
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
