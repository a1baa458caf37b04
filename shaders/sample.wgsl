// use: index, rng, rows, step
// Operations on each sample of a batch.

struct Params {
  tasks: u32, // columns of a sum, vec4s of the rest
  width: u32,
  each: u32, // vec4s of a sample that is summed, pixels of a sample of the rest
  chunks: u32,
  length: u32,
  last: u32,
  x_off: u32,
  x_stride: u32,
  b_off: u32, // mix
  b_stride: u32,
  y_off: u32,
  y_stride: u32,
  stream: u32,
  second: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> s: Step;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

// Column k of sample n (n * chunks + k over the grid) adds up a chunk of its vec4s, shared out to
// the rows in turn. Lanes without a channel are zero and need no mask. With `last` (one chunk) the
// lanes are added up too.
@compute @workgroup_size(INVOCATIONS)
fn sample_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let place = seat(group, groups, local);
  let here = place.column < p.tasks;
  let at = divmod(min(place.column, p.tasks - 1u), p.chunks);
  let first = at.y * p.length;
  let count = select(0u, share_of(min(p.length, p.each - first), place.row), here);
  var i = at.x * p.each + first + place.row;
  var total = vec4<f32>(0.0);
  for (var n = 0u; n < count; n = n + 1u) {
    let source = divmod(i, p.width);
    total = total + x[p.x_off + source.x * p.x_stride + source.y];
    i = i + ROWS;
  }
  total = add_rows(total, local);
  if (place.row == 0u && here) {
    if (p.last != 0u) { total = vec4<f32>((total.x + total.y) + (total.z + total.w), 0.0, 0.0, 0.0); }
    y[p.y_off + place.column * p.y_stride] = total;
  }
}

@compute @workgroup_size(WORKGROUP)
fn sample_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let value = vec4<f32>(x[p.x_off + divmod(at.x, p.each).x * p.x_stride].x);
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), value, lane_mask(here.y));
}

// Uniform in [0, 1), one per sample.
fn alpha(sample: u32) -> f32 {
  return f32(random(sample, p.stream, s.step, s.seed).x >> 8u) / 16777216.0;
}

@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn sample_mix(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let share = alpha(divmod(at.x, p.each).x);
  let left = x[p.x_off + at.x * p.x_stride + at.y];
  let right = b[p.b_off + at.x * p.b_stride + at.y];
  z[p.y_off + at.x * p.y_stride + at.y] = share * left + (1.0 - share) * right;
}

@compute @workgroup_size(WORKGROUP)
fn sample_mix_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let share = alpha(divmod(at.x, p.each).x);
  y[p.y_off + at.x * p.y_stride + at.y] = select(share, 1.0 - share, p.second != 0u) * x[p.x_off + at.x * p.x_stride + at.y];
}
