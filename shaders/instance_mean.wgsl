// use: index
// The mean of x over all pixels of an image that have the same number. Kernels run in the order of
// the file. Each number is kept by one of its pixels, its owner, at which its sums lie.
//
// Sums are in fixed point: values are rounded to 31 bits below the largest one of their instance
// and channel, and added up in 64 bits, two words that atomics are added to. Whole numbers can be
// added in any order, so the bits of the result do not depend on it, nor on which pixel is owner.

struct Params {
  pixels: u32,
  each: u32, // pixels of an image
  places: u32, // of the tables of all images
  shift: u32, // a table has 2^(32 - shift) places
  width: u32,
  tasks: u32, // runs of pixels, times width
  vec4s: u32,
  ids_off: u32,
  ids_stride: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

const NONE: u32 = 0xffffffffu;
const INFINITE: u32 = 0x7f800000u;
// Pixels that an invocation takes one after another. Neighbours mostly have the same number, whose
// sums are then touched once.
const RUN: u32 = 16u;

// A table per image, of at least twice as many places as it has pixels: each holds an owner.
@group(0) @binding(0) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read> ids: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> owners: array<u32>; // of every pixel
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> largest: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> low: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> high: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn begin(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.places) { return; }
  atomicStore(&table[i], NONE);
}

// Equal for equal numbers; -0 is 0.
fn key(pixel: u32) -> u32 {
  let id = ids[p.ids_off + pixel * p.ids_stride].x;
  return select(bitcast<u32>(id), 0u, id == 0.0);
}

// Per pixel: its owner, looked for from a hash of its number on. Where none is found it becomes
// owner itself. What lies at owners is 0 at first, at every pixel.
@compute @workgroup_size(WORKGROUP)
fn enter(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  let last = NONE >> p.shift;
  let first = divmod(i, p.each).x * (last + 1u);
  let own = key(i);
  var place = (own * 0x9e3779b9u) >> p.shift;
  var owner = NONE;
  loop {
    owner = atomicLoad(&table[first + place]);
    if (owner == NONE) {
      let entered = atomicCompareExchangeWeak(&table[first + place], NONE, i);
      owner = select(entered.old_value, i, entered.exchanged);
      // It may have failed without a reason.
      if (owner == NONE) { continue; }
    }
    if (key(owner) == own) { break; }
    place = (place + 1u) & last;
  }
  owners[i] = owner;
  counts[i] = 0u;
  for (var q = 0u; q < p.width; q = q + 1u) {
    let at = i * p.width + q;
    largest[at] = vec4<u32>(0u);
    low[at] = vec4<u32>(0u);
    high[at] = vec4<u32>(0u);
  }
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> members: array<u32>;
@group(0) @binding(2) var<storage, read_write> peaks: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> tally: array<atomic<u32>>;

fn raise(at: u32, bits: u32) {
  if (bits > atomicLoad(&peaks[at])) { atomicMax(&peaks[at], bits); }
}

fn note(owner: u32, q: u32, bits: vec4<u32>, count: u32) {
  let at = 4u * (owner * p.width + q);
  raise(at, bits.x);
  raise(at + 1u, bits.y);
  raise(at + 2u, bits.z);
  raise(at + 3u, bits.w);
  if (q == 0u) { atomicAdd(&tally[owner], count); }
}

// Per run and vec4, run * width + q: the largest magnitude of each instance, as bits, which are in
// the order of the numbers; and how many pixels it has.
@compute @workgroup_size(WORKGROUP)
fn measure(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let first = at.x * RUN;
  let end = min(first + RUN, p.pixels);
  var owner = members[first];
  var bits = vec4<u32>(0u);
  var count = 0u;
  for (var pixel = first; pixel < end; pixel = pixel + 1u) {
    let next = members[pixel];
    if (next != owner) {
      note(owner, at.y, bits, count);
      owner = next;
      bits = vec4<u32>(0u);
      count = 0u;
    }
    bits = max(bits, bitcast<vec4<u32>>(x[p.x_off + pixel * p.x_stride + at.y]) & vec4<u32>(0x7fffffffu));
    count = count + 1u;
  }
  note(owner, at.y, bits, count);
}

@group(0) @binding(2) var<storage, read> found: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> lows: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> highs: array<atomic<u32>>;

// The exponent of the largest magnitude; kept where 2^(30 - e) is a number as well.
fn exponent(bits: vec4<u32>) -> vec4<i32> {
  return max(bitcast<vec4<i32>>(bits >> vec4<u32>(23u)) - vec4<i32>(127), vec4<i32>(-96));
}

// 2^k, -126 <= k <= 127.
fn power(k: vec4<i32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((k + vec4<i32>(127)) << vec4<u32>(23u));
}

fn carry(sum: vec4<u32>, term: vec4<u32>) -> vec4<u32> {
  return select(vec4<u32>(0u), vec4<u32>(1u), sum < term);
}

fn add_to(at: u32, lo: u32, hi: u32) {
  if ((lo | hi) == 0u) { return; }
  let before = atomicAdd(&lows[at], lo);
  let up = hi + select(0u, 1u, before + lo < lo);
  if (up != 0u) { atomicAdd(&highs[at], up); }
}

fn hand_over(owner: u32, q: u32, lo: vec4<u32>, hi: vec4<u32>) {
  let at = 4u * (owner * p.width + q);
  add_to(at, lo.x, hi.x);
  add_to(at + 1u, lo.y, hi.y);
  add_to(at + 2u, lo.z, hi.z);
  add_to(at + 3u, lo.w, hi.w);
}

// Per run and vec4: its share of the sums.
@compute @workgroup_size(WORKGROUP)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let first = at.x * RUN;
  let end = min(first + RUN, p.pixels);
  var owner = members[first];
  var bits = found[owner * p.width + at.y];
  var lo = vec4<u32>(0u);
  var hi = vec4<u32>(0u);
  for (var pixel = first; pixel < end; pixel = pixel + 1u) {
    let next = members[pixel];
    if (next != owner) {
      hand_over(owner, at.y, lo, hi);
      owner = next;
      bits = found[owner * p.width + at.y];
      lo = vec4<u32>(0u);
      hi = vec4<u32>(0u);
    }
    let v = x[p.x_off + pixel * p.x_stride + at.y] * power(vec4<i32>(30) - exponent(bits));
    let whole = vec4<i32>(round(select(vec4<f32>(0.0), v, bits < vec4<u32>(INFINITE))));
    let term = bitcast<vec4<u32>>(whole);
    lo = lo + term;
    hi = hi + carry(lo, term) + select(vec4<u32>(0u), vec4<u32>(NONE), whole < vec4<i32>(0));
  }
  hand_over(owner, at.y, lo, hi);
}

@group(0) @binding(0) var<storage, read> sizes: array<u32>;
@group(0) @binding(2) var<storage, read_write> quotients: array<vec4<u32>>; // found, overwritten
@group(0) @binding(3) var<storage, read> low_sums: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> high_sums: array<vec4<u32>>;

// A sum over a count of at most 2^24, times 2^k, rounded to the nearest number: by long division,
// since that of floats may be off by some bits.
fn quotient(sum_low: u32, sum_high: u32, count: u32, k: i32) -> f32 {
  let negative = sum_high >= 0x80000000u;
  var lo = sum_low;
  var hi = sum_high;
  if (negative) {
    hi = ~hi + select(0u, 1u, lo == 0u);
    lo = ~lo + 1u;
  }
  if ((lo | hi) == 0u) { return 0.0; }
  // Its 32 leading bits, the last one set where bits that follow are; hi is less than 2^31.
  var e = k;
  if (hi == 0u) {
    let shift = countLeadingZeros(lo);
    lo = lo << shift;
    e = e - i32(shift);
  } else {
    let shift = 32u - countLeadingZeros(hi);
    lo = (hi << (32u - shift)) | (lo >> shift) | select(0u, 1u, (lo << (32u - shift)) != 0u);
    e = e + i32(shift);
  }
  // At least 25 bits of the quotient, eight at a time, the last one likewise.
  var q = lo / count;
  var rest = lo % count;
  while (q < 0x01000000u) {
    rest = rest << 8u;
    q = (q << 8u) | (rest / count);
    rest = rest % count;
    e = e - 8;
  }
  q = q | select(0u, 1u, rest != 0u);
  let drop = 8u - countLeadingZeros(q);
  let half = 1u << (drop - 1u);
  let over = q & (2u * half - 1u);
  q = q >> drop;
  if (over > half || (over == half && (q & 1u) == 1u)) { q = q + 1u; }
  // Twice, since 2^e alone may be less than any number.
  e = e + i32(drop);
  let first = max(e, -126);
  let size = f32(q) * power(vec4<i32>(first)).x * power(vec4<i32>(e - first)).x;
  return select(size, -size, negative);
}

// Per vec4 of a pixel that is owner: the means. Infinity and NaN among the values: the largest
// magnitude, which is one.
@compute @workgroup_size(WORKGROUP)
fn divide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let owner = divmod(i, p.width).x;
  if (members[owner] != owner) { return; }
  let bits = quotients[i];
  let lo = low_sums[i];
  let hi = high_sums[i];
  let n = sizes[owner];
  let k = exponent(bits) - vec4<i32>(30);
  let all = vec4<f32>(
    quotient(lo.x, hi.x, n, k.x),
    quotient(lo.y, hi.y, n, k.y),
    quotient(lo.z, hi.z, n, k.z),
    quotient(lo.w, hi.w, n, k.w),
  );
  quotients[i] = select(bits, bitcast<vec4<u32>>(all), bits < vec4<u32>(INFINITE));
}

@group(0) @binding(0) var<storage, read> means: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

// Per vec4 of y.
@compute @workgroup_size(WORKGROUP)
fn spread(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  y[p.y_off + at.x * p.y_stride + at.y] = means[members[at.x] * p.width + at.y];
}
