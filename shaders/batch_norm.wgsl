// use: index
// Normalisation over the pixels of a group: the whole batch (one group) or one image (a group each).
//
// Statistics and sums have two rows a group, 2g and 2g + 1. Reductions have two stages: a chunk of pixels and a vec4 column an
// invocation, then a group and a column an invocation, chunks joined in order.

struct Params {
  invocations: u32,
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

// ---- statistics ----

@group(0) @binding(1) var<storage, read_write> moments_out: array<vec4<f32>>;

// Mean and sum of squared distances from it, of a chunk. Welford's way, four pixels at a time: a plain sum of squares would lose
// the variance of channels whose mean is large. Pixels are taken relative to the first one, so that such a mean is rounded once.
@compute @workgroup_size(WORKGROUP)
fn bn_moments(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = divmod(i, p.width);
  let chunk = divmod(at.x, p.chunks);
  let first = chunk.y * p.length;
  let count = min(p.length, p.pixels - first);
  let step = p.x_stride;
  var source = p.x_off + (chunk.x * p.pixels + first) * step + at.y;
  let origin = x[source];
  var mean = vec4<f32>(0.0);
  var m2 = vec4<f32>(0.0);
  let turns = count >> 2u;
  for (var t = 0u; t < turns; t = t + 1u) {
    let a = x[source] - origin;
    let b = x[source + step] - origin;
    let c = x[source + 2u * step] - origin;
    let d = x[source + 3u * step] - origin;
    source = source + 4u * step;
    // The four on their own, then joined to the t fours before (Chan's formula).
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
    let v = x[source] - origin;
    source = source + step;
    let delta = v - mean;
    mean = mean + delta * (1.0 / f32(n + 1u));
    m2 = m2 + delta * (v - mean);
  }
  let to = partials_at(chunk.x, chunk.y, at.y);
  moments_out[to] = origin + mean;
  moments_out[to + p.partials_stride] = m2;
}

struct Moments {
  mean: vec4<f32>,
  m2: vec4<f32>,
}

// Joins chunk k to the chunks before it (Chan's formula).
fn join(m: Moments, k: u32, mean: vec4<f32>, m2: vec4<f32>) -> Moments {
  let before = f32(k * p.length);
  let here = f32(min(p.length, p.pixels - k * p.length));
  let share = here / (before + here);
  let delta = mean - m.mean;
  return Moments(m.mean + delta * share, m.m2 + (m2 + delta * delta * (before * share)));
}

fn moments(g: u32, q: u32) -> Moments {
  let step = p.partials_stride;
  var source = partials_at(g, 0u, q);
  // Here too relative to the first.
  let origin = partials[source];
  var m = Moments(vec4<f32>(0.0), vec4<f32>(0.0));
  var k = 0u;
  for (; k + 4u <= p.chunks; k = k + 4u) {
    let mean0 = partials[source] - origin;
    let m20 = partials[source + step];
    let mean1 = partials[source + 2u * step] - origin;
    let m21 = partials[source + 3u * step];
    let mean2 = partials[source + 4u * step] - origin;
    let m22 = partials[source + 5u * step];
    let mean3 = partials[source + 6u * step] - origin;
    let m23 = partials[source + 7u * step];
    source = source + 8u * step;
    m = join(m, k, mean0, m20);
    m = join(m, k + 1u, mean1, m21);
    m = join(m, k + 2u, mean2, m22);
    m = join(m, k + 3u, mean3, m23);
  }
  for (; k < p.chunks; k = k + 1u) {
    m = join(m, k, partials[source] - origin, partials[source + step]);
    source = source + 2u * step;
  }
  return Moments(origin + m.mean, m.m2);
}

@group(0) @binding(1) var<storage, read_write> stats_out: array<vec4<f32>>;

// 1 / sqrt(0 + eps) is not 0: lanes without a channel must stay 0.
fn write_stats(m: Moments, g: u32, q: u32) {
  let to = p.stats_off + 2u * g * p.stats_stride + q;
  stats_out[to] = m.mean;
  stats_out[to + p.stats_stride] = only_channels(1.0 / sqrt(m.m2 * p.inv_count + p.eps), q);
}

@compute @workgroup_size(WORKGROUP)
fn bn_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = divmod(i, p.width);
  write_stats(moments(at.x, at.y), at.x, at.y);
}

@group(0) @binding(2) var<storage, read_write> mean_out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> var_out: array<vec4<f32>>;

// One group; the running statistics move towards its own.
@compute @workgroup_size(WORKGROUP)
fn bn_stats_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.invocations) { return; }
  let m = moments(0u, q);
  write_stats(m, 0u, q);
  let keep = 1.0 - p.momentum;
  mean_out[p.mean_off + q] = keep * mean_out[p.mean_off + q] + p.momentum * m.mean;
  var_out[p.var_off + q] = keep * var_out[p.var_off + q] + p.momentum * (m.m2 * p.inv_unbiased);
}

@group(0) @binding(0) var<storage, read> running_mean: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> running_var: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> stats_running: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn bn_stats_running(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.invocations) { return; }
  let to = p.stats_off + q;
  stats_running[to] = running_mean[p.mean_off + q];
  stats_running[to + p.stats_stride] = only_channels(1.0 / sqrt(running_var[p.var_off + q] + p.eps), q);
}

// ---- application ----

@group(0) @binding(1) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// An invocation takes up to four pixels of one column, r, r + rows, r + 2 rows, r + 3 rows of its group: what belongs to the
// column is read once, and neighbours still read neighbours. Pixels past the end are read (the last one) but not written.
@compute @workgroup_size(WORKGROUP)
fn bn_apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
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

// ---- derivative ----

@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> products_out: array<vec4<f32>>;

// Sums of dy and of dy * xhat over a chunk.
@compute @workgroup_size(WORKGROUP)
fn bn_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = divmod(i, p.width);
  let chunk = divmod(at.x, p.chunks);
  let first = chunk.y * p.length;
  let count = min(p.length, p.pixels - first);
  let pixel = chunk.x * p.pixels + first;
  let sx = p.x_stride;
  let sg = p.dy_stride;
  var source = p.x_off + pixel * sx + at.y;
  var grad = p.dy_off + pixel * sg + at.y;
  let row = p.stats_off + 2u * chunk.x * p.stats_stride + at.y;
  let mean = stats[row];
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
  let to = partials_at(chunk.x, chunk.y, at.y);
  products_out[to] = sum;
  // 1 / sigma is common to the chunk.
  products_out[to + p.partials_stride] = product * stats[row + p.stats_stride];
}

@group(0) @binding(1) var<storage, read_write> sums_out: array<vec4<f32>>;

struct Products {
  sum: vec4<f32>,
  product: vec4<f32>,
}

fn products(g: u32, q: u32) -> Products {
  let step = p.partials_stride;
  var source = partials_at(g, 0u, q);
  var sum = vec4<f32>(0.0);
  var product = vec4<f32>(0.0);
  var k = 0u;
  for (; k + 4u <= p.chunks; k = k + 4u) {
    let a = partials[source];
    let pa = partials[source + step];
    let b = partials[source + 2u * step];
    let pb = partials[source + 3u * step];
    let c = partials[source + 4u * step];
    let pc = partials[source + 5u * step];
    let d = partials[source + 6u * step];
    let pd = partials[source + 7u * step];
    source = source + 8u * step;
    sum = sum + ((a + b) + (c + d));
    product = product + ((pa + pb) + (pc + pd));
  }
  for (; k < p.chunks; k = k + 1u) {
    sum = sum + partials[source];
    product = product + partials[source + step];
    source = source + 2u * step;
  }
  let to = p.sums_off + 2u * g * p.sums_stride + q;
  sums_out[to] = sum;
  sums_out[to + p.sums_stride] = product;
  return Products(sum, product);
}

@compute @workgroup_size(WORKGROUP)
fn bn_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = divmod(i, p.width);
  let unused = products(at.x, at.y);
}

@group(0) @binding(2) var<storage, read_write> dgamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<vec4<f32>>;

// One group: its sums are the gradients of gamma and beta. update says which are added to what is there: 1 gamma, 2 beta.
@compute @workgroup_size(WORKGROUP)
fn bn_sums_parameters(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.invocations) { return; }
  let s = products(0u, q);
  var g = s.product;
  var b = s.sum;
  if ((p.update & 1u) != 0u) { g = g + dgamma[p.gamma_off + q]; }
  if ((p.update & 2u) != 0u) { b = b + dbeta[p.beta_off + q]; }
  dgamma[p.gamma_off + q] = g;
  dbeta[p.beta_off + q] = b;
}

@group(0) @binding(4) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;

// Pixels as in bn_apply. inv_count is 0 where the statistics are given and not those of x.
@compute @workgroup_size(WORKGROUP)
fn bn_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
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

@group(0) @binding(0) var<storage, read> sums_in: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4<f32>>;

// The gradient of gamma (row 1 of the sums) or beta (row 0): the sum over groups.
@compute @workgroup_size(WORKGROUP)
fn bn_parameter(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let q = linear_id(group, groups, local);
  if (q >= p.invocations) { return; }
  let to = p.y_off + q;
  var total = vec4<f32>(0.0);
  if (p.update != 0u) { total = gradient[to]; }
  for (var g = 0u; g < p.groups; g = g + 1u) { total = total + sums_in[p.sums_off + (2u * g + p.row) * p.sums_stride + q]; }
  gradient[to] = total;
}
