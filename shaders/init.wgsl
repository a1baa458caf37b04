// use: index, math, rng, step
// Normal values for a stored tensor [taps, 1, ci, co] or vector. Each value depends on its index in
// the public layout only, co * co_step + ci * ci_step + tap, so padding changes nothing. One
// invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  rows: u32,
  y_off: u32,
  y_stride: u32,
  co_step: u32,
  ci_step: u32,
  mean: f32,
  deviation: f32,
  stream: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
  col0: u32,
  col1: u32,
  col2: u32,
  col3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> s: Step;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;

// Box-Muller on 24 bits each: u in (0, 1], so the logarithm is finite; the sine by its Taylor
// series, since drivers' own may be off by 2^-11.
fn normal4(a: vec4<u32>, b: vec4<u32>) -> vec4<f32> {
  let u = vec4<f32>((a >> vec4<u32>(8u)) + 1u) * 5.9604644775390625e-8;
  let radius = sqrt(max(-2.0 * log4(u), vec4<f32>(0.0)));
  // A turn in [-1/2, 1/2), folded to a quarter.
  let t = vec4<f32>(b >> vec4<u32>(8u)) * 5.9604644775390625e-8 - 0.5;
  let z = 4.0 * (0.25 - abs(abs(t) - 0.25));
  let w = z * z;
  var q = vec4<f32>(-3.5988432e-6);
  q = q * w + 1.6044118e-4;
  q = q * w - 4.6817541e-3;
  q = q * w + 7.9692626e-2;
  q = q * w - 6.4596410e-1;
  q = q * w + 1.57079633;
  return radius * select(-q * z, q * z, t >= vec4<f32>(0.0));
}

@compute @workgroup_size(WORKGROUP)
fn init_normal(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let tap_row = divmod(at.x, p.rows);
  let row = lanes(tap_row.y / 4u, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  let here = lanes(at.y, vec4<u32>(p.col0, p.col1, p.col2, p.col3));
  let in_part = tap_row.y % 4u;
  let first = here.x * p.co_step + (row.x + in_part) * p.ci_step + tap_row.x;
  let r0 = random(first, p.stream, 0u, s.seed);
  let r1 = random(first + p.co_step, p.stream, 0u, s.seed);
  let r2 = random(first + 2u * p.co_step, p.stream, 0u, s.seed);
  let r3 = random(first + 3u * p.co_step, p.stream, 0u, s.seed);
  let v = p.mean + p.deviation * normal4(vec4<u32>(r0.x, r1.x, r2.x, r3.x), vec4<u32>(r0.y, r1.y, r2.y, r3.y));
  // A row that is padding holds no value.
  let valid = select(0u, here.y, in_part < row.y);
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), v, lane_mask(valid));
}
