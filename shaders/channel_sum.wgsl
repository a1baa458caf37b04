// use: index
// Sums over pixels. One invocation a chunk of pixels and a vec4 column; i = chunk * width + q, so neighbours read neighbours.

struct Params {
  invocations: u32,
  width: u32,
  pixels: u32,
  length: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  accumulate: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn channel_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = divmod(i, p.width);
  let first = at.x * p.length;
  let end = min(first + p.length, p.pixels);
  let step = p.x_stride;
  var source = p.x_off + first * step + at.y;
  var pixel = first;
  var total = vec4<f32>(0.0);
  for (; pixel + 4u <= end; pixel = pixel + 4u) {
    let a = x[source];
    let b = x[source + step];
    let c = x[source + 2u * step];
    let d = x[source + 3u * step];
    total = total + ((a + b) + (c + d));
    source = source + 4u * step;
  }
  for (; pixel < end; pixel = pixel + 1u) {
    total = total + x[source];
    source = source + step;
  }
  let to = p.y_off + at.x * p.y_stride + at.y;
  if (p.accumulate != 0u) { total = total + y[to]; }
  y[to] = total;
}
