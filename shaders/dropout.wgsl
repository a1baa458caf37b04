// use: index, rng, step
// Drops elements by a hash of their logical NHWC index, so that the mask does not depend on padding
// or layout. One invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  threshold: u32,
  scale: f32,
  stream: u32,
  channels: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;
@group(1) @binding(1) var<uniform> s: Step;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn dropout(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  // Channels of a vec4 are consecutive; lanes without one hold 0 and keep it either way.
  let first = at.x * p.channels + lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3)).x;
  let drawn = vec4<u32>(
    random(first, p.stream, s.step, s.seed).x,
    random(first + 1u, p.stream, s.step, s.seed).x,
    random(first + 2u, p.stream, s.step, s.seed).x,
    random(first + 3u, p.stream, s.step, s.seed).x,
  );
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), p.scale * v, drawn >= vec4<u32>(p.threshold));
}
