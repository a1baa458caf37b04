// use: texture
// Draws values, -1 to 1, into a host's texture of any size, resampled as in host_load.wgsl. A
// triangle that covers it: a texture that can be drawn to need not be one that kernels can write.
// CHANNELS: 1 (grey), 3 or 4. SRGB: 1 where writing encodes sRGB, which is decoded before.

const CHANNELS: u32 = 3u; // tune
const SRGB: u32 = 0u; // tune

struct Params {
  width: u32, // of the values
  height: u32,
  to_width: u32,
  to_height: u32,
  y_off: u32,
  y_stride: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;

@vertex
fn cover(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4<f32> {
  return vec4<f32>(f32(vertex & 1u) * 4.0 - 1.0, f32(vertex >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn draw(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
  let at = vec2<u32>(position.xy);
  let across = reach(at.x, p.to_width, p.width);
  let down = reach(at.y, p.to_height, p.height);
  var sum = vec4<f32>(0.0);
  var weights = 0.0;
  for (var v = down.first; v < down.end; v = v + 1u) {
    for (var u = across.first; u < across.end; u = u + 1u) {
      let weight = weight_of(across, u) * weight_of(down, v);
      sum = sum + weight * y[p.y_off + (v * p.width + u) * p.y_stride];
      weights = weights + weight;
    }
  }
  var c = clamp(sum / weights * 0.5 + 0.5, vec4<f32>(0.0), vec4<f32>(1.0));
  if (CHANNELS == 1u) { c = vec4<f32>(c.x, c.x, c.x, 1.0); }
  if (CHANNELS == 3u) { c.w = 1.0; }
  return vec4<f32>(select(c.rgb, srgb_decode(c.rgb), SRGB == 1u), c.a);
}
