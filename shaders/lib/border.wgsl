// The pixels around a map that a kernel walks over. 0: zeros, 1: its mirror image without the edge,
// 2: its edge, repeated.

const BORDER: u32 = 0u; // tune

// The pixel (y, x) that is read at `i`, which may lie outside by as much as the padding.
fn seen(i: vec2<i32>, size: vec2<i32>) -> vec2<i32> {
  let last = size - 1;
  if (BORDER == 1u) {
    let r = abs(i);
    return select(r, 2 * last - r, r > last);
  }
  if (BORDER == 2u) { return clamp(i, vec2<i32>(0), last); }
  return i;
}

fn inside(i: vec2<i32>, size: vec2<i32>) -> bool { return (i.x >= 0) & (i.y >= 0) & (i.x < size.x) & (i.y < size.y); }
