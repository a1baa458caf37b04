// Grids and channels. A grid is folded into x and y (the limit is 65,535 per dimension); vec4 q of
// pixel p of a tensor lies at off + p * stride + q.

const WORKGROUP: u32 = 64u;

fn linear_id(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

// (i / d, i % d) by a float reciprocal and one correction: drivers divide integers slowly. Exact
// while i / d < 2^22.
fn divmod(i: u32, d: u32) -> vec2<u32> {
  var q = u32(f32(i) * (1.0 / f32(d)));
  var r = i - q * d;
  if (r >= 0x80000000u) { q = q - 1u; r = r + d; }
  if (r >= d) { q = q + 1u; r = r - d; }
  return vec2<u32>(q, r);
}

// x: logical channel of the first lane of vec4 q; y: how many of its lanes hold a channel. Parts
// are padded one by one.
fn lanes(q: u32, parts: vec4<u32>) -> vec2<u32> {
  let width = (parts + 3u) / 4u;
  var first = 0u;
  var at = q;
  var part = parts.x;
  if (at >= width.x) { at = at - width.x; first = first + parts.x; part = parts.y;
    if (at >= width.y) { at = at - width.y; first = first + parts.y; part = parts.z;
      if (at >= width.z) { at = at - width.z; first = first + parts.z; part = parts.w; } } }
  return vec2<u32>(first + 4u * at, min(4u, part - min(part, 4u * at)));
}

fn lane_mask(valid: u32) -> vec4<bool> {
  return vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(valid);
}
