// use: index, epilogue
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
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn split_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  var total = partial[i];
  for (var s = 1u; s < p.slices; s++) { total = total + partial[s * p.vec4s + i]; }
  total = finish(total + bias_of(at.y), at.x, at.y);
  let to = p.y_off + at.x * p.y_stride + at.y;
  if (p.accumulate != 0u) { total = total + y[to]; }
  y[to] = total;
}
