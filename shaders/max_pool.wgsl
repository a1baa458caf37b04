// use: index
// The largest of 2x2 pixels, and where its gradient goes. An odd row or column at the end belongs
// to no window.

struct Params {
  tasks: u32,
  width: u32,
  image_h: u32,
  image_w: u32,
  pooled_h: u32,
  pooled_w: u32,
  x_off: u32,
  x_stride: u32,
  dy_off: u32,
  dy_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

struct Largest {
  value: vec4<f32>,
  place: vec4<u32>, // 2 * row + column within the window
}

fn is_nan(v: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// The first of equal ones, row by row; of several NaN the last.
fn largest(picture: u32, row: u32, column: u32, q: u32) -> Largest {
  let line = (picture * p.image_h + 2u * row) * p.image_w + 2u * column;
  var found = Largest(x[p.x_off + line * p.x_stride + q], vec4<u32>(0u));
  for (var k = 1u; k < 4u; k = k + 1u) {
    let v = x[p.x_off + (line + (k >> 1u) * p.image_w + (k & 1u)) * p.x_stride + q];
    let later = (v > found.value) | is_nan(v);
    found.value = select(found.value, v, later);
    found.place = select(found.place, vec4<u32>(k), later);
  }
  return found;
}

// One invocation per vec4 of the result: i = pixel * width + q.
@compute @workgroup_size(WORKGROUP)
fn max_pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.pooled_w);
  let picture = divmod(row.x, p.pooled_h);
  y[p.y_off + at.x * p.y_stride + at.y] = largest(picture.x, picture.y, row.y, at.y).value;
}

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

// One invocation per vec4 of a window, and of the incomplete ones at the end, whose pixels get 0.
@compute @workgroup_size(WORKGROUP)
fn max_pool_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.tasks) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, (p.image_w + 1u) / 2u);
  let picture = divmod(row.x, (p.image_h + 1u) / 2u);
  var gradient = vec4<f32>(0.0);
  var place = vec4<u32>(0u);
  if (picture.y < p.pooled_h && row.y < p.pooled_w) {
    let pixel = (picture.x * p.pooled_h + picture.y) * p.pooled_w + row.y;
    gradient = dy[p.dy_off + pixel * p.dy_stride + at.y];
    place = largest(picture.x, picture.y, row.y, at.y).place;
  }
  for (var k = 0u; k < 4u; k = k + 1u) {
    let r = 2u * picture.y + (k >> 1u);
    let c = 2u * row.y + (k & 1u);
    if (r < p.image_h && c < p.image_w) {
      let pixel = (picture.x * p.image_h + r) * p.image_w + c;
      dx[p.y_off + pixel * p.y_stride + at.y] = select(vec4<f32>(0.0), gradient, place == vec4<u32>(k));
    }
  }
}
