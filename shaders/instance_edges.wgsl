// use: index
// Where a pixel's number differs from that of a neighbour. One invocation per pixel.

struct Params {
  pixels: u32,
  h: u32,
  w: u32,
  x_off: u32,
  x_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn id(pixel: u32) -> f32 {
  return x[p.x_off + pixel * p.x_stride].x;
}

@compute @workgroup_size(WORKGROUP)
fn instance_edges(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.pixels) { return; }
  let at = divmod(i, p.w);
  let row = divmod(at.x, p.h).y;
  let own = id(i);
  // Past the border a pixel is its own neighbour.
  let left = id(select(i, i - 1u, at.y > 0u));
  let right = id(select(i, i + 1u, at.y + 1u < p.w));
  let above = id(select(i, i - p.w, row > 0u));
  let below = id(select(i, i + p.w, row + 1u < p.h));
  let edge = left != own || right != own || above != own || below != own;
  y[p.y_off + i * p.y_stride] = vec4<f32>(select(0.0, 1.0, edge), 0.0, 0.0, 0.0);
}
