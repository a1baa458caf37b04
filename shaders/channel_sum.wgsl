// use: index, rows
// Sums over pixels: one chunk of pixels and vec4 per column of the grid (lib/rows.wgsl),
// chunk * width + q; then the same over the chunks' sums.

struct Params {
  tasks: u32, // columns
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

@compute @workgroup_size(INVOCATIONS)
fn channel_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let s = seat(group, groups, local);
  // Columns without work take part and add nothing: all have to reach the barriers.
  let at = divmod(min(s.column, p.tasks - 1u), p.width);
  let first = at.x * p.length;
  let count = share_of(select(0u, min(p.length, p.pixels - first), s.column < p.tasks), s.row);
  let step = ROWS * p.x_stride;
  var source = p.x_off + (first + s.row) * p.x_stride + at.y;
  var total = vec4<f32>(0.0);
  var n = 0u;
  for (; n + 4u <= count; n = n + 4u) {
    let a = x[source];
    let b = x[source + step];
    let c = x[source + 2u * step];
    let d = x[source + 3u * step];
    total = total + ((a + b) + (c + d));
    source = source + 4u * step;
  }
  for (; n < count; n = n + 1u) {
    total = total + x[source];
    source = source + step;
  }
  total = add_rows(total, local);
  if (s.row == 0u && s.column < p.tasks) {
    let to = p.y_off + at.x * p.y_stride + at.y;
    if (p.accumulate != 0u) { total = total + y[to]; }
    y[to] = total;
  }
}
