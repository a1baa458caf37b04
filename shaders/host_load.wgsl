// use: texture
// The values of an image, -1 to 1, from a host's texture of any size: resampled as Pillow does with
// BILINEAR (a triangle, widened by the factor where it shrinks), which leaves an image of the same
// size as it is. CHANNELS: 1 (luma of BT.601), 3 or 4. SRGB: 1 where reading decodes sRGB, which is
// encoded again.

const CHANNELS: u32 = 3u; // tune
const SRGB: u32 = 0u; // tune

struct Params {
  width: u32,
  height: u32,
  x_off: u32,
  x_stride: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var source: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;

fn pixel(at: vec2<u32>) -> vec4<f32> {
  let c = textureLoad(source, at, 0);
  return vec4<f32>(select(c.rgb, srgb_encode(c.rgb), SRGB == 1u), c.a);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= p.width || id.y >= p.height) { return; }
  let across = reach(id.x, p.width, textureDimensions(source).x);
  let down = reach(id.y, p.height, textureDimensions(source).y);
  var sum = vec4<f32>(0.0);
  var weights = 0.0;
  for (var v = down.first; v < down.end; v = v + 1u) {
    for (var u = across.first; u < across.end; u = u + 1u) {
      let weight = weight_of(across, u) * weight_of(down, v);
      sum = sum + weight * pixel(vec2<u32>(u, v));
      weights = weights + weight;
    }
  }
  let c = sum / weights;
  // As picture_to_tensor makes values of bytes.
  var value = (c - 0.5) * 2.0;
  if (CHANNELS == 1u) { value = vec4<f32>((dot(c.rgb, vec3<f32>(0.299, 0.587, 0.114)) - 0.5) * 2.0, 0.0, 0.0, 0.0); }
  if (CHANNELS == 3u) { value.w = 0.0; }
  x[p.x_off + (id.y * p.width + id.x) * p.x_stride] = value;
}
