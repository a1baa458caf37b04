// use: index
// Images as packed bytes (HWC, four per word, first byte lowest) to tensors in [-1, 1] and back.

struct Params {
  // vec4s of the tensor, or words of the image.
  count: u32,
  bytes: u32,
  width: u32,
  channels: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn word(w: u32) -> u32 {
  return x[4u * (p.x_off + (w / 4u) * p.x_stride) + w % 4u];
}

@compute @workgroup_size(WORKGROUP)
fn picture_to_tensor(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.count) { return; }
  let at = divmod(i, p.width);
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  // Bytes b .. b + valid - 1, from one word or two.
  let b = at.x * p.channels + here.x;
  let shift = 8u * (b % 4u);
  var packed = word(b / 4u) >> shift;
  if (shift > 0u) { packed = packed | (word((b + here.y - 1u) / 4u) << (32u - shift)); }
  let v = vec4<f32>((vec4<u32>(packed) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u)) / 255.0;
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), (v - 0.5) * 2.0, lane_mask(here.y));
}

@group(0) @binding(0) var<storage, read> t: array<f32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;

// Place of a logical channel: each part is padded to whole vec4s.
fn place(channel: u32) -> u32 {
  var parts = array<u32, 3>(p.part0, p.part1, p.part2);
  var at = channel;
  var start = 0u;
  //@unroll
  for (var k = 0u; k < 3u; k++) {
    if (at < parts[k]) { return start + at; }
    at = at - parts[k];
    start = start + (parts[k] + 3u) / 4u * 4u;
  }
  return start + at;
}

// Nearest byte, halves up; not-a-number is 0 (by its bits: drivers may assume that there is none).
fn to_byte(v: f32) -> u32 {
  if ((bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u) { return 0u; }
  return u32(floor(clamp((v + 1.0) * 127.5, 0.0, 255.0) + 0.5));
}

@compute @workgroup_size(WORKGROUP)
fn tensor_to_picture(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.count) { return; }
  var r = 0u;
  for (var k = 0u; k < 4u; k++) {
    let b = 4u * i + k;
    if (b < p.bytes) {
      let at = divmod(b, p.channels);
      r = r | (to_byte(t[4u * (p.x_off + at.x * p.x_stride) + place(at.y)]) << (8u * k));
    }
  }
  words[4u * (p.y_off + (i / 4u) * p.y_stride) + i % 4u] = r;
}
