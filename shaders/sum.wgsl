// use: index
// Sums over everything, and back.

struct Params {
  vec4s: u32,
  width: u32,
  number: u32,
  last: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  scale: f32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn element(i: u32) -> vec4<f32> {
  let at = divmod(i, p.width);
  return x[p.x_off + at.x * p.x_stride + at.y];
}

// Invocation i of `number` adds up vec4s i, i + number, i + 2 number ...: neighbours read neighbours. Lanes without a channel
// are zero and need no mask. With `last` (one invocation) the lanes are added up too.
@compute @workgroup_size(WORKGROUP)
fn sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = linear_id(group, groups, local);
  if (first >= p.number) { return; }
  let n = p.number;
  var total = vec4<f32>(0.0);
  var i = first;
  // Eight loads in flight: the second stage has one invocation, and waits for nothing else.
  for (; i + 7u * n < p.vec4s; i = i + 8u * n) {
    let v0 = element(i);
    let v1 = element(i + n);
    let v2 = element(i + 2u * n);
    let v3 = element(i + 3u * n);
    let v4 = element(i + 4u * n);
    let v5 = element(i + 5u * n);
    let v6 = element(i + 6u * n);
    let v7 = element(i + 7u * n);
    total = total + (((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)));
  }
  for (; i < p.vec4s; i = i + n) { total = total + element(i); }
  if (p.last != 0u) {
    y[p.y_off] = vec4<f32>(p.scale * ((total.x + total.y) + (total.z + total.w)), 0.0, 0.0, 0.0);
  } else {
    y[p.y_off + first * p.y_stride] = total;
  }
}

@compute @workgroup_size(WORKGROUP)
fn broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  let value = vec4<f32>(p.scale * x[p.x_off].x);
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), value, lane_mask(here.y));
}
