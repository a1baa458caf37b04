// A tile of 4 * HIGH * TM rows by 4 * WIDE * TN columns per workgroup of HIGH x WIDE invocations, 4
// * TM rows by 4 * TN columns per invocation. It is staged in workgroup memory KB steps of 4 k at a
// time, k by k. What the next stage needs is on its way from memory during the arithmetic of this
// one: loads have no branches (an address outside is replaced by one inside), and nothing but the
// store into workgroup memory looks at what they bring.
//
// Sums add up in the order of k: acc = fma(a[k], b[k], acc) for k = 0, 1, 2, ...

const HIGH: u32 = 16u; // tune
const WIDE: u32 = 16u; // tune
const TM: u32 = 1u; // tune
const TN: u32 = 1u; // tune
const KB: u32 = 4u; // tune
const THREADS: u32 = HIGH * WIDE;
const A_LINES: u32 = 4u * HIGH * TM;
const B_LINES: u32 = 4u * WIDE * TN;
const A_LOADS: u32 = A_LINES * KB / THREADS;
const B_LOADS: u32 = B_LINES * KB / THREADS;
const A_APART: u32 = A_LINES / A_LOADS;
const B_APART: u32 = B_LINES / B_LOADS;
// Scalars per k. Four between one k and the next where a vec4 is 4 k of a row and its lanes go to
// four places: without them those stores would meet in the same banks.
const B_BY_K: u32 = 1u - TRANS_B;
const A_STRIDE: u32 = A_LINES + 4u * (1u - A_BY_K);
const B_STRIDE: u32 = B_LINES + 4u * (1u - B_BY_K);

// By vec4s where those are loaded as they are staged, else by scalars: lanes of one vec4 that
// different invocations write would be a race. The other array of each pair has 16 bytes, so that
// each begins at a multiple of them: some drivers keep it, and read by scalars what is not aligned.
var<workgroup> a_whole: array<vec4<f32>, A_BY_K * A_STRIDE * KB + 1u - A_BY_K>;
var<workgroup> b_whole: array<vec4<f32>, B_BY_K * B_STRIDE * KB + 1u - B_BY_K>;
var<workgroup> a_parts: array<f32, (1u - A_BY_K) * 4u * A_STRIDE * KB + 4u * A_BY_K>;
var<workgroup> b_parts: array<f32, (1u - B_BY_K) * 4u * B_STRIDE * KB + 4u * B_BY_K>;

// What an invocation brings to a stage: of every one of its loads the same k, here the step (x) and
// its place among the 4 of the step (y); and the first load's row or column (z). The next load's is
// A_APART or B_APART further on. By k: neighbours bring 4 neighbouring rows each; else the steps of
// a row.
fn share(local: u32, apart: u32, by_k: u32) -> vec3<u32> {
  if (by_k == 0u) { return vec3<u32>(local % KB, 0u, local / KB); }
  let k = local / (apart / 4u);
  return vec3<u32>(k / 4u, k % 4u, 4u * (local % (apart / 4u)));
}

// Where load 0 goes: a vec4 of `whole` or a scalar of `parts`.
fn a_home(s: vec3<u32>) -> u32 { return ((4u * s.x + s.y) * A_STRIDE + s.z) / (1u + 3u * A_BY_K); }

fn b_home(s: vec3<u32>) -> u32 { return ((4u * s.x + s.y) * B_STRIDE + s.z) / (1u + 3u * B_BY_K); }

fn put_a(home: u32, j: u32, v: vec4<f32>) {
  if (A_BY_K != 0u) {
    a_whole[home + j * (A_APART / 4u)] = v;
  } else {
    let at = home + j * A_APART;
    a_parts[at] = v.x;
    a_parts[at + A_STRIDE] = v.y;
    a_parts[at + 2u * A_STRIDE] = v.z;
    a_parts[at + 3u * A_STRIDE] = v.w;
  }
}

fn put_b(home: u32, j: u32, v: vec4<f32>) {
  if (B_BY_K != 0u) {
    b_whole[home + j * (B_APART / 4u)] = v;
  } else {
    let at = home + j * B_APART;
    b_parts[at] = v.x;
    b_parts[at + B_STRIDE] = v.y;
    b_parts[at + 2u * B_STRIDE] = v.z;
    b_parts[at + 3u * B_STRIDE] = v.w;
  }
}

fn get_a(k: u32, block: u32) -> vec4<f32> {
  if (A_BY_K != 0u) { return a_whole[k * (A_STRIDE / 4u) + block]; }
  let at = k * A_STRIDE + 4u * block;
  return vec4<f32>(a_parts[at], a_parts[at + 1u], a_parts[at + 2u], a_parts[at + 3u]);
}

fn get_b(k: u32, block: u32) -> vec4<f32> {
  if (B_BY_K != 0u) { return b_whole[k * (B_STRIDE / 4u) + block]; }
  let at = k * B_STRIDE + 4u * block;
  return vec4<f32>(b_parts[at], b_parts[at + 1u], b_parts[at + 2u], b_parts[at + 3u]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = group.y * A_LINES;
  let col = group.x * (B_LINES / 4u);
  let o = outer_begin(group.z);
  // 32 invocations lie 4 high and 8 wide: fewer distinct reads than 2 by 16.
  let run = local / 32u;
  let my_row = run / (WIDE / 8u) * 4u + local % 32u / 8u;
  let my_col = run % (WIDE / 8u) * 8u + local % 8u;
  var acc: array<vec4<f32>, 4u * TM * TN>;
  //@unroll
  for (var i = 0u; i < 4u * TM * TN; i++) {
    acc[i] = vec4<f32>(0.0);
  }
  let f = fixed(o);
  let a_share = share(local, A_APART, A_BY_K);
  let b_share = share(local, B_APART, B_BY_K);
  let a_ahead = a_step_by(a_share, f);
  let b_ahead = b_step_by(b_share, f);
  var rows: array<vec4<i32>, A_LOADS>;
  var taps: array<u32, A_LOADS>;
  var columns: array<u32, B_LOADS>;
  var a_next: array<vec4<f32>, A_LOADS>;
  var b_next: array<vec4<f32>, B_LOADS>;
  var a_keep: array<bool, A_LOADS>;
  let a_to = a_home(a_share);
  let b_to = b_home(b_share);
  // No taps: beyond the last one.
  var t = vec2<u32>(select(0u, o.count.x, o.count.y == 0u), 0u);
  var c = o.range.x;
  var moving = a_begin(a_share, c);
  // The first stage's loads.
  var left = left_at(c, f);
  let a_first = a_tap_at(t, f) + a_then(c, a_ahead, f);
  let b_first = b_tap_at(t, o, f) + b_then(c, b_ahead, f);
  //@unroll
  for (var j = 0u; j < A_LOADS; j++) {
    rows[j] = a_fixed(a_row(row + a_share.z + A_APART * j, o), f);
    taps[j] = a_start(rows[j], t, a_share, f);
    a_keep[j] = a_counts(rows[j], taps[j], moving, a_share, left, f);
    a_next[j] = a_fetch(rows[j], taps[j], moving, a_first, a_keep[j], f);
  }
  //@unroll
  for (var j = 0u; j < B_LOADS; j++) {
    let line = b_share.z + B_APART * j;
    columns[j] = b_column(o, col + line / 4u, line % 4u);
    b_next[j] = b_fetch(columns[j] + b_first);
  }
  //@unroll
  for (var j = 0u; j < A_LOADS; j++) {
    put_a(a_to, j, a_finish(a_next[j], a_keep[j], f));
  }
  //@unroll
  for (var j = 0u; j < B_LOADS; j++) {
    put_b(b_to, j, b_finish(b_next[j], f));
  }
  workgroupBarrier();
  while (select(c < f.end, t.x < o.count.x, RUNS != 0u)) {
    c = c + KB;
    moving = a_advance(moving, f);
    if (RUNS != 0u && c >= f.end) {
      // The next tap. Nothing uses what is loaded beyond the last one.
      c = o.range.x;
      let wraps = t.y + 1u == o.count.y;
      t = select(vec2<u32>(t.x, t.y + 1u), vec2<u32>(t.x + 1u, 0u), wraps);
      //@unroll
      for (var j = 0u; j < A_LOADS; j++) {
        taps[j] = a_start(rows[j], t, a_share, f);
      }
    }
    left = left_at(c, f);
    let a_in_tap = a_tap_at(t, f) + a_then(c, a_ahead, f);
    //@unroll
    for (var j = 0u; j < A_LOADS; j++) {
      a_keep[j] = a_counts(rows[j], taps[j], moving, a_share, left, f);
      a_next[j] = a_fetch(rows[j], taps[j], moving, a_in_tap, a_keep[j], f);
    }
    let b_in_tap = b_tap_at(t, o, f) + b_then(c, b_ahead, f);
    //@unroll
    for (var j = 0u; j < B_LOADS; j++) {
      b_next[j] = b_fetch(columns[j] + b_in_tap);
    }
    //@unroll
    for (var k = 0u; k < 4u * KB; k++) {
      var a: array<vec4<f32>, TM>;
      //@unroll
      for (var m = 0u; m < TM; m++) {
        a[m] = get_a(k, HIGH * m + my_row);
      }
      //@unroll
      for (var n = 0u; n < TN; n++) {
        let b = get_b(k, WIDE * n + my_col);
        //@unroll
        for (var m = 0u; m < TM; m++) {
          //@unroll
          for (var i = 0u; i < 4u; i++) {
            acc[(4u * m + i) * TN + n] = fma(vec4<f32>(a[m][i]), b, acc[(4u * m + i) * TN + n]);
          }
        }
      }
    }
    workgroupBarrier();
    //@unroll
    for (var j = 0u; j < A_LOADS; j++) {
      put_a(a_to, j, a_finish(a_next[j], a_keep[j], f));
    }
    //@unroll
    for (var j = 0u; j < B_LOADS; j++) {
      put_b(b_to, j, b_finish(b_next[j], f));
    }
    workgroupBarrier();
  }
  //@unroll
  for (var m = 0u; m < TM; m++) {
    let out = out_rows(row + 4u * (HIGH * m + my_row), o);
    //@unroll
    for (var n = 0u; n < TN; n++) {
      out_block(out, row + 4u * (HIGH * m + my_row), col + WIDE * n + my_col, o, acc[4u * m * TN + n], acc[(4u * m + 1u) * TN + n], acc[(4u * m + 2u) * TN + n], acc[(4u * m + 3u) * TN + n]);
    }
  }
}
