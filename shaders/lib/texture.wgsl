// Resampling between a host's textures and maps, and sRGB (IEC 61966-2-1).

// What a pixel of `to` pixels side by side takes of `from` pixels: first to end, weighted by a
// triangle around the centre. At equal sizes that is the pixel itself.
struct Reach {
  first: u32,
  end: u32,
  centre: f32,
  support: f32,
}

fn reach(at: u32, to: u32, from_pixels: u32) -> Reach {
  let factor = f32(from_pixels) / f32(to);
  let centre = (f32(at) + 0.5) * factor;
  let support = max(factor, 1.0);
  let first = max(centre - support + 0.5, 0.0);
  let end = min(centre + support + 0.5, f32(from_pixels));
  return Reach(u32(first), u32(end), centre, support);
}

fn weight_of(r: Reach, at: u32) -> f32 {
  return max(0.0, 1.0 - abs((f32(at) + 0.5 - r.centre) / r.support));
}

fn srgb_encode(c: vec3<f32>) -> vec3<f32> {
  return select(1.055 * pow(c, vec3<f32>(1.0 / 2.4)) - 0.055, 12.92 * c, c <= vec3<f32>(0.0031308));
}

fn srgb_decode(c: vec3<f32>) -> vec3<f32> {
  return select(pow((c + 0.055) / 1.055, vec3<f32>(2.4)), c / 12.92, c <= vec3<f32>(0.04045));
}
