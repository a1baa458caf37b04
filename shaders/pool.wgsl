// use: index
// One page of a pool of images. One invocation per vec4 of an image, through the batch in order: i
// = pixel * width + q.

struct Params {
  vec4s: u32, // of one image
  width: u32,
  pixels: u32,
  images: u32,
  first: u32, // slots of this page
  slots: u32,
  x_off: u32,
  x_stride: u32,
  before_off: u32,
  before_stride: u32,
  page_off: u32,
  page_stride: u32,
  y_off: u32,
  y_stride: u32,
  d_off: u32,
  d_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> decisions: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> page: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  for (var image = 0u; image < p.images; image = image + 1u) {
    let pixel = image * p.pixels + at.x;
    let decision = decisions[p.d_off + image * p.d_stride];
    // -1: no slot.
    let slot = i32(decision.x) - i32(p.first);
    var out = before[p.before_off + pixel * p.before_stride + at.y];
    if (slot >= 0 && slot < i32(p.slots)) {
      let place = p.page_off + (u32(slot) * p.pixels + at.x) * p.page_stride + at.y;
      if (decision.y > 0.5) { out = page[place]; }
      page[place] = x[p.x_off + pixel * p.x_stride + at.y];
    }
    y[p.y_off + pixel * p.y_stride + at.y] = out;
  }
}
