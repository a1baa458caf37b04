// use: index, rows
// Sum of all elements, and its adjoint.

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

// Column i of `number` adds up every number-th run of ROWS vec4s, so neighbours read neighbours.
// Lanes without a channel are zero and need no mask. With `last` (one column) the lanes are added
// up too.
@compute @workgroup_size(INVOCATIONS)
fn sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  let here = s.column < p.number;
  let n = p.number * ROWS;
  var total = vec4<f32>(0.0);
  // Columns without work start at the end.
  var i = select(p.vec4s, s.column * ROWS + s.row, here);
  // Eight loads in flight: the second stage has one column, and loads are all it waits for.
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
  total = add_rows(total, local);
  if (s.row == 0u && here) {
    if (p.last != 0u) { total = vec4<f32>(p.scale * ((total.x + total.y) + (total.z + total.w)), 0.0, 0.0, 0.0); }
    y[p.y_off + s.column * p.y_stride] = total;
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
