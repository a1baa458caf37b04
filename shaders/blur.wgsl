// use: index
// One direction of a Gaussian blur, each channel by itself; pixels beyond the border repeat it. One
// invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  side: u32, // pixels along the direction
  step: u32, // pixels from one to the next of them
  radius: u32,
  w0: f32,
  w1: f32,
  w2: f32,
  w3: f32,
  w4: f32,
  w5: f32,
  w6: f32,
  w7: f32,
  w8: f32,
  w9: f32,
  w10: f32,
  w11: f32,
  w12: f32,
  w13: f32,
  w14: f32,
  w15: f32,
  w16: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn blur(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  var w = array<f32, 17>(p.w0, p.w1, p.w2, p.w3, p.w4, p.w5, p.w6, p.w7, p.w8, p.w9, p.w10, p.w11, p.w12, p.w13, p.w14, p.w15, p.w16);
  let at = divmod(i, p.width);
  // Place along the direction, and the first pixel of that line.
  let place = divmod(at.x, p.step).x % p.side;
  let first = at.x - place * p.step;
  var sum = w[0] * x[p.x_off + at.x * p.x_stride + at.y];
  //@unroll
  for (var k = 1u; k < 17u; k++) {
    if (k <= p.radius) {
      let before = first + (place - min(place, k)) * p.step;
      let behind = first + min(place + k, p.side - 1u) * p.step;
      sum = sum + w[k] * (x[p.x_off + before * p.x_stride + at.y] + x[p.x_off + behind * p.x_stride + at.y]);
    }
  }
  y[p.y_off + at.x * p.y_stride + at.y] = sum;
}
