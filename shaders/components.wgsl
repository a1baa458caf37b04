// use: index
// Keeps the 8-connected components of x > 0 that have enough pixels, one of which reaches a level.
// Labels are a union-find forest: a pixel's label is a pixel of the same component that comes no
// later. How the forest grows depends on the order of invocations, its roots (the first pixel of
// each component) do not. Atomics are on integers. One invocation per pixel,
// i = (n * h + row) * w + column.

struct Params {
  pixels: u32,
  w: u32,
  h: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  level: f32,
  least: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

const REACHED: u32 = 0x80000000u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> labels: array<atomic<u32>>;
// By root: number of pixels, and REACHED.
@group(0) @binding(2) var<storage, read_write> sizes: array<atomic<u32>>;

fn value(pixel: u32) -> f32 {
  return x[p.x_off + pixel * p.x_stride].x;
}

@compute @workgroup_size(WORKGROUP)
fn begin(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  atomicStore(&labels[i], select(p.pixels, i, value(i) > 0.0));
  atomicStore(&sizes[i], 0u);
}

fn root(pixel: u32) -> u32 {
  var at = pixel;
  loop {
    let next = atomicLoad(&labels[at]);
    // Labels of a component's pixels only ever decrease.
    if (next >= at) { break; }
    at = next;
  }
  return at;
}

fn join(a: u32, b: u32) {
  var u = root(a);
  var v = root(b);
  loop {
    if (u == v) { break; }
    let later = max(u, v);
    let earlier = min(u, v);
    let before = atomicMin(&labels[later], earlier);
    if (before == later) { break; }
    // Another invocation had linked it elsewhere: join that as well.
    u = root(before);
    v = root(earlier);
  }
}

@compute @workgroup_size(WORKGROUP)
fn merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  if (!(value(i) > 0.0)) { return; }
  let at = divmod(i, p.w);
  let left = at.y > 0u;
  if (left) { if (value(i - 1u) > 0.0) { join(i, i - 1u); } }
  if (at.x % p.h > 0u) {
    let above = i - p.w;
    if (value(above) > 0.0) { join(i, above); }
    if (left) { if (value(above - 1u) > 0.0) { join(i, above - 1u); } }
    if (at.y + 1u < p.w) { if (value(above + 1u) > 0.0) { join(i, above + 1u); } }
  }
}

@compute @workgroup_size(WORKGROUP)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  let v = value(i);
  if (!(v > 0.0)) { return; }
  let r = root(i);
  atomicStore(&labels[i], r);
  atomicAdd(&sizes[r], 1u);
  if (v >= p.level) { atomicOr(&sizes[r], REACHED); }
}

@group(0) @binding(1) var<storage, read> roots: array<u32>;
@group(0) @binding(2) var<storage, read> found: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn keep(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  var r = 0.0;
  if (value(i) > 0.0) {
    let size = found[roots[i]];
    if ((size & REACHED) != 0u && (size & ~REACHED) >= p.least) { r = 1.0; }
  }
  y[p.y_off + i * p.y_stride] = vec4<f32>(r, 0.0, 0.0, 0.0);
}
