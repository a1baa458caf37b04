// use: index
// The mean over windows, of the pixels inside the image only, and its adjoint. One invocation per
// vec4 of what is written; i = pixel * width + q.

const KERNEL: u32 = 3u; // tune
const STRIDE: u32 = 2u; // tune
const PAD: u32 = 1u; // tune

struct Params {
  vec4s: u32,
  width: u32,
  image_h: u32, // what is pooled
  image_w: u32,
  pooled_h: u32,
  pooled_w: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

// What a pixel counts along an axis, in a window that begins at `first` (which may have wrapped
// around 0): 1 over the number of pixels inside. Divisions of constants are rounded correctly,
// others need not be.
fn share(first: u32, side: u32) -> f32 {
  let end = min(first + KERNEL, side);
  let count = select(end - first, end, first >= 0x80000000u);
  var part = 1.0;
  //@unroll
  for (var k = 2u; k < KERNEL + 1u; k++) {
    if (count == k) { part = 1.0 / f32(k); }
  }
  return part;
}

@compute @workgroup_size(WORKGROUP)
fn avg_pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.pooled_w);
  let picture = divmod(row.x, p.pooled_h);
  let top = picture.y * STRIDE - PAD;
  let left = row.y * STRIDE - PAD;
  var total = vec4<f32>(0.0);
  //@unroll
  for (var ky = 0u; ky < KERNEL; ky++) {
    let r = top + ky;
    if (r < p.image_h) {
      let line = (picture.x * p.image_h + r) * p.image_w;
      //@unroll
      for (var kx = 0u; kx < KERNEL; kx++) {
        let c = left + kx;
        if (c < p.image_w) { total = total + x[p.x_off + (line + c) * p.x_stride + at.y]; }
      }
    }
  }
  y[p.y_off + at.x * p.y_stride + at.y] = share(top, p.image_h) * (share(left, p.image_w) * total);
}

// The last window that may hold a pixel; there are at most KERNEL / STRIDE, rounded up.
@compute @workgroup_size(WORKGROUP)
fn avg_pool_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let row = divmod(at.x, p.image_w);
  let picture = divmod(row.x, p.image_h);
  let bottom = (picture.y + PAD) / STRIDE;
  let right = (row.y + PAD) / STRIDE;
  var total = vec4<f32>(0.0);
  //@unroll
  for (var ky = 0u; ky < (KERNEL + STRIDE - 1u) / STRIDE; ky++) {
    let r = bottom - ky;
    let top = r * STRIDE - PAD;
    if (r < p.pooled_h && picture.y - top < KERNEL) {
      let line = (picture.x * p.pooled_h + r) * p.pooled_w;
      var across = vec4<f32>(0.0);
      //@unroll
      for (var kx = 0u; kx < (KERNEL + STRIDE - 1u) / STRIDE; kx++) {
        let c = right - kx;
        let left = c * STRIDE - PAD;
        if (c < p.pooled_w && row.y - left < KERNEL) {
          across = across + share(left, p.image_w) * x[p.x_off + (line + c) * p.x_stride + at.y];
        }
      }
      total = total + share(top, p.image_h) * across;
    }
  }
  y[p.y_off + at.x * p.y_stride + at.y] = total;
}
