// use: index, epilogue, adam
// Second pass of a product whose sum over k was cut into slices: adds the slices' partial results
// in order.

struct Params {
  vec4s: u32, // of a result; also from one slice's partial result to the next
  width: u32, // vec4s of a pixel (of a weight: of a row)
  slices: u32,
  y_off: u32,
  y_stride: u32,
  accumulate: u32,
  has_bias: u32,
  mask_off: u32,
  mask_stride: u32,
  mask_slope: f32,
  rates_at: u32, // of Adam, in the step uniform
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn sum_of(i: u32) -> vec4<f32> {
  var total = partial[i];
  for (var k = 1u; k < p.slices; k++) { total = total + partial[k * p.vec4s + i]; }
  return total;
}

@compute @workgroup_size(WORKGROUP)
fn split_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  var total = finish(sum_of(i) + bias_of(at.y), at.x, at.y);
  let to = p.y_off + at.x * p.y_stride + at.y;
  if (p.accumulate != 0u) { total = total + y[to]; }
  y[to] = total;
}

@group(0) @binding(1) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment2: array<vec4<f32>>;

// The sum is the gradient of a weight, which goes into a step of Adam.
@compute @workgroup_size(WORKGROUP)
fn split_sum_adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let made = adam_step(sum_of(i), weight[i], moment1[i], moment2[i], p.rates_at);
  weight[i] = made.weight;
  moment1[i] = made.moment1;
  moment2[i] = made.moment2;
}
