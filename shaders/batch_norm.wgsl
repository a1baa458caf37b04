// use: index, rows, step
// Normalisation over the pixels of a group: the whole batch (one group), each of several batches
// that lie one after another, or one image (one group each).
//
// Statistics and sums have two rows per group, 2g and 2g + 1. Reductions have two stages: chunks of
// pixels, one chunk and vec4 per column of the grid (lib/rows.wgsl), into partial results of two
// rows per chunk; then the chunks, one group and vec4 per column. Where a group is one chunk, the
// first stage writes the result (entries bn_whole). Where groups share a result (running statistics,
// gradients of gamma and beta), a column takes all groups one after another.

struct Params {
  tasks: u32, // columns of a reduction, invocations of the rest
  width: u32,
  groups: u32,
  pixels: u32,
  chunks: u32,
  length: u32,
  rows: u32,
  row: u32,
  update: u32,
  eps: f32,
  momentum: f32,
  inv_count: f32,
  inv_unbiased: f32,
  gamma_off: u32,
  beta_off: u32,
  mean_off: u32,
  var_off: u32,
  x_off: u32,
  x_stride: u32,
  dy_off: u32,
  dy_stride: u32,
  y_off: u32,
  y_stride: u32,
  stats_off: u32,
  stats_stride: u32,
  sums_off: u32,
  sums_stride: u32,
  partials_off: u32,
  partials_stride: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> now: Step;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;

fn only_channels(v: vec4<f32>, q: u32) -> vec4<f32> {
  let here = lanes(q, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  return select(vec4<f32>(0.0), v, lane_mask(here.y));
}

// Where the partial results of chunk k of group g begin.
fn partials_at(g: u32, k: u32, q: u32) -> u32 {
  return p.partials_off + 2u * (g * p.chunks + k) * p.partials_stride + q;
}

// What a column of the first stage reduces. Columns without work have count 0: all have to reach
// the barriers.
struct Chunk {
  group: u32,
  number: u32,
  q: u32,
  first: u32, // pixel of the batch
  count: u32,
}

fn chunk_of(s: Seat) -> Chunk {
  let at = divmod(min(s.column, p.tasks - 1u), p.width);
  let chunk = divmod(at.x, p.chunks);
  let first = chunk.y * p.length;
  let count = select(0u, min(p.length, p.pixels - first), s.column < p.tasks);
  return Chunk(chunk.x, chunk.y, at.y, chunk.x * p.pixels + first, count);
}

// What a column of the second stage joins: the chunks of a group.
struct Chunks {
  group: u32,
  q: u32,
  count: u32,
}

fn chunks_of(s: Seat) -> Chunks {
  let at = divmod(min(s.column, p.tasks - 1u), p.width);
  return Chunks(at.x, at.y, select(0u, p.chunks, s.column < p.tasks));
}

fn writes(s: Seat) -> bool {
  return s.row == 0u && s.column < p.tasks;
}

// The same of group g, for the kernels in which a column takes all groups one after another.
fn chunk_in(s: Seat, g: u32) -> Chunk {
  let one = chunk_of(s);
  return Chunk(g, 0u, one.q, g * p.pixels, one.count);
}

fn chunks_in(s: Seat, g: u32) -> Chunks {
  let one = chunks_of(s);
  return Chunks(g, one.q, one.count);
}

// Between two groups: rows may still be reading what the next group overwrites.
fn next_group() {
  if (ROWS > 1u) { workgroupBarrier(); }
}

// ---- statistics ----

struct Moments {
  count: f32,
  mean: vec4<f32>,
  m2: vec4<f32>, // sum of squared distances from the mean
}

// Moments of both together (Chan's formula).
fn join(a: Moments, b: Moments) -> Moments {
  let count = a.count + b.count;
  let share = b.count / max(count, 1.0);
  let delta = b.mean - a.mean;
  return Moments(count, a.mean + delta * share, a.m2 + (b.m2 + delta * delta * (a.count * share)));
}

var<workgroup> rows_count: array<f32, INVOCATIONS>;

// Moments of a column, joined from its rows as in add_rows.
fn join_rows(m: Moments, local: u32) -> Moments {
  if (ROWS == 1u) { return m; }
  var all = m;
  rows_count[local] = m.count;
  rows_a[local] = m.mean;
  rows_b[local] = m.m2;
  for (var span = INVOCATIONS / 2u; span >= COLUMNS; span = span / 2u) {
    workgroupBarrier();
    if (local < span) {
      let other = local + span;
      all = join(all, Moments(rows_count[other], rows_a[other], rows_b[other]));
      rows_count[local] = all.count;
      rows_a[local] = all.mean;
      rows_b[local] = all.m2;
    }
  }
  return all;
}

// Moments of a chunk, in row 0. Welford's method, four pixels at a time: a plain sum of squares
// would lose the variance of channels with a large mean. Pixels are taken relative to the chunk's
// first one, so that such a mean is rounded once; the differences are rounded before they are added
// up, whatever a compiler makes of sums.
fn chunk_moments(chunk: Chunk, row: u32, local: u32) -> Moments {
  let count = share_of(chunk.count, row);
  var source = p.x_off + chunk.first * p.x_stride + chunk.q;
  let origin = x[source];
  source = source + row * p.x_stride;
  let step = ROWS * p.x_stride;
  var mean = vec4<f32>(0.0);
  var m2 = vec4<f32>(0.0);
  let turns = count >> 2u;
  for (var t = 0u; t < turns; t = t + 1u) {
    let a = rounded(x[source] - origin, now.zero);
    let b = rounded(x[source + step] - origin, now.zero);
    let c = rounded(x[source + 2u * step] - origin, now.zero);
    let d = rounded(x[source + 3u * step] - origin, now.zero);
    source = source + 4u * step;
    // The four by themselves, then joined to the t fours before.
    let here = 0.25 * ((a + b) + (c + d));
    let da = a - here;
    let db = b - here;
    let dc = c - here;
    let dd = d - here;
    let share = 1.0 / f32(t + 1u);
    let delta = here - mean;
    mean = mean + delta * share;
    m2 = m2 + (((da * da + db * db) + (dc * dc + dd * dd)) + delta * delta * (4.0 * f32(t) * share));
  }
  for (var n = 4u * turns; n < count; n = n + 1u) {
    let v = rounded(x[source] - origin, now.zero);
    source = source + step;
    let delta = v - mean;
    mean = mean + delta * (1.0 / f32(n + 1u));
    m2 = m2 + delta * (v - mean);
  }
  let all = join_rows(Moments(f32(count), mean, m2), local);
  return Moments(all.count, origin + all.mean, all.m2);
}

// Moments of a group from those of its chunks, in row 0. Relative to the first one, too.
fn group_moments(chunks: Chunks, row: u32, local: u32) -> Moments {
  let origin = partials[partials_at(chunks.group, 0u, chunks.q)];
  var source = partials_at(chunks.group, row, chunks.q);
  var m = Moments(0.0, vec4<f32>(0.0), vec4<f32>(0.0));
  for (var k = row; k < chunks.count; k = k + ROWS) {
    let count = f32(min(p.length, p.pixels - k * p.length));
    m = join(m, Moments(count, rounded(partials[source] - origin, now.zero), partials[source + p.partials_stride]));
    source = source + 2u * ROWS * p.partials_stride;
  }
  m = join_rows(m, local);
  return Moments(m.count, origin + m.mean, m.m2);
}

@group(0) @binding(1) var<storage, read_write> moments_out: array<vec4<f32>>;

@compute @workgroup_size(INVOCATIONS)
fn bn_moments(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunk = chunk_of(s);
  let m = chunk_moments(chunk, s.row, local);
  if (writes(s)) {
    let to = partials_at(chunk.group, chunk.number, chunk.q);
    moments_out[to] = m.mean;
    moments_out[to + p.partials_stride] = m.m2;
  }
}

@group(0) @binding(1) var<storage, read_write> stats_out: array<vec4<f32>>;

// 1 / sqrt(0 + eps) is not 0: lanes without a channel must stay 0.
fn rstd_of(m: Moments, q: u32) -> vec4<f32> {
  return only_channels(1.0 / sqrt(m.m2 * p.inv_count + p.eps), q);
}

fn write_stats(m: Moments, g: u32, q: u32) {
  let to = p.stats_off + 2u * g * p.stats_stride + q;
  stats_out[to] = m.mean;
  stats_out[to + p.stats_stride] = rstd_of(m, q);
}

@group(0) @binding(2) var<storage, read_write> mean_out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> var_out: array<vec4<f32>>;

// The running statistics, moved towards those of a group.
fn running(m: Moments, mean: vec4<f32>, variance: vec4<f32>) -> Pair {
  let keep = 1.0 - p.momentum;
  return Pair(keep * mean + p.momentum * m.mean, keep * variance + p.momentum * (m.m2 * p.inv_unbiased));
}

fn update_running(m: Moments, q: u32) {
  let moved = running(m, mean_out[p.mean_off + q], var_out[p.var_off + q]);
  mean_out[p.mean_off + q] = moved.a;
  var_out[p.var_off + q] = moved.b;
}

@compute @workgroup_size(INVOCATIONS)
fn bn_whole_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunk = chunk_of(s);
  let m = chunk_moments(chunk, s.row, local);
  if (writes(s)) { write_stats(m, chunk.group, chunk.q); }
}

@compute @workgroup_size(INVOCATIONS)
fn bn_whole_stats_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunk = chunk_in(s, g);
    let m = chunk_moments(chunk, s.row, local);
    if (writes(s)) {
      write_stats(m, g, chunk.q);
      update_running(m, chunk.q);
    }
    next_group();
  }
}

@compute @workgroup_size(INVOCATIONS)
fn bn_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunks = chunks_of(s);
  let m = group_moments(chunks, s.row, local);
  if (writes(s)) { write_stats(m, chunks.group, chunks.q); }
}

@compute @workgroup_size(INVOCATIONS)
fn bn_stats_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunks = chunks_in(s, g);
    let m = group_moments(chunks, s.row, local);
    if (writes(s)) {
      write_stats(m, g, chunks.q);
      update_running(m, chunks.q);
    }
    next_group();
  }
}

@group(0) @binding(0) var<storage, read> running_mean: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> running_var: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> stats_running: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn bn_stats_running(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.tasks) { return; }
  let to = p.stats_off + q;
  stats_running[to] = running_mean[p.mean_off + q];
  stats_running[to + p.stats_stride] = only_channels(1.0 / sqrt(running_var[p.var_off + q] + p.eps), q);
}

// ---- application ----

@group(0) @binding(1) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// An invocation takes up to four pixels of one column, r, r + rows, r + 2 rows, r + 3 rows of its
// group: what belongs to the column is read once, and neighbours still read neighbours. Pixels past
// the end are read (the last one) but not written.
@compute @workgroup_size(WORKGROUP)
fn bn_apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let q = at.y;
  let part = divmod(at.x, p.rows);
  let base = part.x * p.pixels;
  let r0 = part.y;
  let r1 = r0 + p.rows;
  let r2 = r1 + p.rows;
  let r3 = r2 + p.rows;
  let last = p.pixels - 1u;
  let v0 = x[p.x_off + (base + r0) * p.x_stride + q];
  let v1 = x[p.x_off + (base + min(r1, last)) * p.x_stride + q];
  let v2 = x[p.x_off + (base + min(r2, last)) * p.x_stride + q];
  let v3 = x[p.x_off + (base + min(r3, last)) * p.x_stride + q];
  let row = p.stats_off + 2u * part.x * p.stats_stride + q;
  let mean = stats[row];
  let scale = stats[row + p.stats_stride] * gamma[p.gamma_off + q];
  let shift = beta[p.beta_off + q];
  y[p.y_off + (base + r0) * p.y_stride + q] = (v0 - mean) * scale + shift;
  if (r1 <= last) { y[p.y_off + (base + r1) * p.y_stride + q] = (v1 - mean) * scale + shift; }
  if (r2 <= last) { y[p.y_off + (base + r2) * p.y_stride + q] = (v2 - mean) * scale + shift; }
  if (r3 <= last) { y[p.y_off + (base + r3) * p.y_stride + q] = (v3 - mean) * scale + shift; }
}

@group(0) @binding(2) var<storage, read> whole_gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> whole_beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> whole_y: array<vec4<f32>>;

// Writes y of a group that is one chunk; row 0 has its moments. Each row writes the pixels that it
// read.
fn put_y(m: Moments, chunk: Chunk, row: u32, local: u32) {
  let found = from_first(Pair(m.mean, rstd_of(m, chunk.q)), local);
  let scale = found.b * whole_gamma[p.gamma_off + chunk.q];
  let shift = whole_beta[p.beta_off + chunk.q];
  for (var n = row; n < chunk.count; n = n + ROWS) {
    let v = x[p.x_off + (chunk.first + n) * p.x_stride + chunk.q];
    whole_y[p.y_off + (chunk.first + n) * p.y_stride + chunk.q] = (v - found.a) * scale + shift;
  }
}

@compute @workgroup_size(INVOCATIONS)
fn bn_whole(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunk = chunk_of(s);
  let m = chunk_moments(chunk, s.row, local);
  if (writes(s)) { write_stats(m, chunk.group, chunk.q); }
  put_y(m, chunk, s.row, local);
}

@group(0) @binding(5) var<storage, read_write> whole_mean: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> whole_var: array<vec4<f32>>;

@compute @workgroup_size(INVOCATIONS)
fn bn_whole_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunk = chunk_in(s, g);
    let m = chunk_moments(chunk, s.row, local);
    if (writes(s)) {
      write_stats(m, g, chunk.q);
      let to = vec2<u32>(p.mean_off, p.var_off) + chunk.q;
      let moved = running(m, whole_mean[to.x], whole_var[to.y]);
      whole_mean[to.x] = moved.a;
      whole_var[to.y] = moved.b;
    }
    put_y(m, chunk, s.row, local);
    next_group();
  }
}

// ---- derivative ----

@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> products_out: array<vec4<f32>>;

// Sums of dy and of dy * xhat over a chunk, in row 0.
fn chunk_products(chunk: Chunk, row: u32, local: u32) -> Pair {
  let count = share_of(chunk.count, row);
  let sx = ROWS * p.x_stride;
  let sg = ROWS * p.dy_stride;
  var source = p.x_off + (chunk.first + row) * p.x_stride + chunk.q;
  var grad = p.dy_off + (chunk.first + row) * p.dy_stride + chunk.q;
  let at = p.stats_off + 2u * chunk.group * p.stats_stride + chunk.q;
  let mean = stats[at];
  var sum = vec4<f32>(0.0);
  var product = vec4<f32>(0.0);
  var n = 0u;
  for (; n + 4u <= count; n = n + 4u) {
    let a = x[source];
    let b = x[source + sx];
    let c = x[source + 2u * sx];
    let d = x[source + 3u * sx];
    let ga = dy[grad];
    let gb = dy[grad + sg];
    let gc = dy[grad + 2u * sg];
    let gd = dy[grad + 3u * sg];
    source = source + 4u * sx;
    grad = grad + 4u * sg;
    sum = sum + ((ga + gb) + (gc + gd));
    product = product + ((ga * (a - mean) + gb * (b - mean)) + (gc * (c - mean) + gd * (d - mean)));
  }
  for (; n < count; n = n + 1u) {
    let g = dy[grad];
    sum = sum + g;
    product = product + g * (x[source] - mean);
    source = source + sx;
    grad = grad + sg;
  }
  let all = add_pairs(Pair(sum, product), local);
  // 1 / sigma is common to the group.
  return Pair(all.a, all.b * stats[at + p.stats_stride]);
}

// Sums of a group from those of its chunks.
fn group_products(chunks: Chunks, row: u32, local: u32) -> Pair {
  var source = partials_at(chunks.group, row, chunks.q);
  var sums = Pair(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var k = row; k < chunks.count; k = k + ROWS) {
    sums = Pair(sums.a + partials[source], sums.b + partials[source + p.partials_stride]);
    source = source + 2u * ROWS * p.partials_stride;
  }
  return add_pairs(sums, local);
}

// Sums of a chunk, or of a group that is one chunk: the two have one layout.
@compute @workgroup_size(INVOCATIONS)
fn bn_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunk = chunk_of(s);
  let v = chunk_products(chunk, s.row, local);
  if (writes(s)) {
    let to = partials_at(chunk.group, chunk.number, chunk.q);
    products_out[to] = v.a;
    products_out[to + p.partials_stride] = v.b;
  }
}

@group(0) @binding(4) var<storage, read_write> dgamma_whole: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dbeta_whole: array<vec4<f32>>;

// The sums of a group, added to those of the groups before.
fn add_group(before: Pair, v: Pair, g: u32) -> Pair {
  return Pair(select(before.a + v.a, v.a, g == 0u), select(before.b + v.b, v.b, g == 0u));
}

// The sums of all groups are the gradients of gamma and beta. update says which are added to what
// is there: 1 gamma, 2 beta.
@compute @workgroup_size(INVOCATIONS)
fn bn_whole_sums_parameters(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  var all = Pair(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunk = chunk_in(s, g);
    let v = chunk_products(chunk, s.row, local);
    all = add_group(all, v, g);
    if (writes(s)) {
      let to = partials_at(g, 0u, chunk.q);
      products_out[to] = v.a;
      products_out[to + p.partials_stride] = v.b;
    }
    next_group();
  }
  if (writes(s)) {
    let gamma_at = p.gamma_off + s.column;
    let beta_at = p.beta_off + s.column;
    dgamma_whole[gamma_at] = select(all.b, all.b + dgamma_whole[gamma_at], (p.update & 1u) != 0u);
    dbeta_whole[beta_at] = select(all.a, all.a + dbeta_whole[beta_at], (p.update & 2u) != 0u);
  }
}

@group(0) @binding(1) var<storage, read_write> sums_out: array<vec4<f32>>;

fn write_sums(v: Pair, g: u32, q: u32) {
  let to = p.sums_off + 2u * g * p.sums_stride + q;
  sums_out[to] = v.a;
  sums_out[to + p.sums_stride] = v.b;
}

@compute @workgroup_size(INVOCATIONS)
fn bn_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunks = chunks_of(s);
  let v = group_products(chunks, s.row, local);
  if (writes(s)) { write_sums(v, chunks.group, chunks.q); }
}

@group(0) @binding(2) var<storage, read_write> dgamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<vec4<f32>>;

// As bn_whole_sums_parameters, from the sums of chunks.
@compute @workgroup_size(INVOCATIONS)
fn bn_sums_parameters(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  var all = Pair(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunks = chunks_in(s, g);
    let v = group_products(chunks, s.row, local);
    all = add_group(all, v, g);
    if (writes(s)) { write_sums(v, g, chunks.q); }
    next_group();
  }
  if (writes(s)) {
    let gamma_at = p.gamma_off + s.column;
    let beta_at = p.beta_off + s.column;
    dgamma[gamma_at] = select(all.b, all.b + dgamma[gamma_at], (p.update & 1u) != 0u);
    dbeta[beta_at] = select(all.a, all.a + dbeta[beta_at], (p.update & 2u) != 0u);
  }
}

@group(0) @binding(4) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;

// Pixels as in bn_apply. inv_count is 0 where the statistics are given and not those of x.
@compute @workgroup_size(WORKGROUP)
fn bn_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let q = at.y;
  let part = divmod(at.x, p.rows);
  let base = part.x * p.pixels;
  let r0 = part.y;
  let r1 = r0 + p.rows;
  let r2 = r1 + p.rows;
  let r3 = r2 + p.rows;
  let last = p.pixels - 1u;
  let p1 = base + min(r1, last);
  let p2 = base + min(r2, last);
  let p3 = base + min(r3, last);
  let v0 = x[p.x_off + (base + r0) * p.x_stride + q];
  let v1 = x[p.x_off + p1 * p.x_stride + q];
  let v2 = x[p.x_off + p2 * p.x_stride + q];
  let v3 = x[p.x_off + p3 * p.x_stride + q];
  let g0 = dy[p.dy_off + (base + r0) * p.dy_stride + q];
  let g1 = dy[p.dy_off + p1 * p.dy_stride + q];
  let g2 = dy[p.dy_off + p2 * p.dy_stride + q];
  let g3 = dy[p.dy_off + p3 * p.dy_stride + q];
  let row = p.stats_off + 2u * part.x * p.stats_stride + q;
  let mean = stats[row];
  let rstd = stats[row + p.stats_stride];
  let source = p.sums_off + 2u * part.x * p.sums_stride + q;
  let shift = sums[source] * p.inv_count;
  // xhat * mean(dy xhat) = (x - mean) * tilt.
  let tilt = rstd * (sums[source + p.sums_stride] * p.inv_count);
  let scale = rstd * gamma[p.gamma_off + q];
  dx[p.y_off + (base + r0) * p.y_stride + q] = scale * ((g0 - shift) - (v0 - mean) * tilt);
  if (r1 <= last) { dx[p.y_off + p1 * p.y_stride + q] = scale * ((g1 - shift) - (v1 - mean) * tilt); }
  if (r2 <= last) { dx[p.y_off + p2 * p.y_stride + q] = scale * ((g2 - shift) - (v2 - mean) * tilt); }
  if (r3 <= last) { dx[p.y_off + p3 * p.y_stride + q] = scale * ((g3 - shift) - (v3 - mean) * tilt); }
}

@group(0) @binding(4) var<storage, read_write> whole_dx: array<vec4<f32>>;

// dx of a group that is one chunk, from the sums of all its rows.
fn put_dx(sums_of: Pair, chunk: Chunk, row: u32) {
  let at = p.stats_off + 2u * chunk.group * p.stats_stride + chunk.q;
  let mean = stats[at];
  let rstd = stats[at + p.stats_stride];
  let shift = sums_of.a * p.inv_count;
  let tilt = rstd * (sums_of.b * p.inv_count);
  let scale = rstd * gamma[p.gamma_off + chunk.q];
  for (var n = row; n < chunk.count; n = n + ROWS) {
    let pixel = chunk.first + n;
    let v = x[p.x_off + pixel * p.x_stride + chunk.q];
    let g = dy[p.dy_off + pixel * p.dy_stride + chunk.q];
    whole_dx[p.y_off + pixel * p.y_stride + chunk.q] = scale * ((g - shift) - (v - mean) * tilt);
  }
}

@compute @workgroup_size(INVOCATIONS)
fn bn_whole_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let chunk = chunk_of(s);
  let v = from_first(chunk_products(chunk, s.row, local), local);
  put_dx(v, chunk, s.row);
}

@group(0) @binding(5) var<storage, read_write> own_dgamma: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> own_dbeta: array<vec4<f32>>;

// The sums are the gradients of gamma and beta too, as in bn_whole_sums_parameters.
@compute @workgroup_size(INVOCATIONS)
fn bn_whole_bwd_parameters(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  var all = Pair(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var g = 0u; g < p.groups; g = g + 1u) {
    let chunk = chunk_in(s, g);
    let v = chunk_products(chunk, s.row, local);
    all = add_group(all, v, g);
    put_dx(from_first(v, local), chunk, s.row);
    next_group();
  }
  if (writes(s)) {
    let gamma_at = p.mean_off + s.column;
    let beta_at = p.var_off + s.column;
    own_dgamma[gamma_at] = select(all.b, all.b + own_dgamma[gamma_at], (p.update & 1u) != 0u);
    own_dbeta[beta_at] = select(all.a, all.a + own_dbeta[beta_at], (p.update & 2u) != 0u);
  }
}

@group(0) @binding(0) var<storage, read> sums_in: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4<f32>>;

// The gradient of gamma (row 1 of the sums) or beta (row 0): the sum over groups.
@compute @workgroup_size(WORKGROUP)
fn bn_parameter(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.tasks) { return; }
  let to = p.y_off + q;
  var total = vec4<f32>(0.0);
  if (p.update != 0u) { total = gradient[to]; }
  for (var g = 0u; g < p.groups; g = g + 1u) { total = total + sums_in[p.sums_off + (2u * g + p.row) * p.sums_stride + q]; }
  gradient[to] = total;
}
