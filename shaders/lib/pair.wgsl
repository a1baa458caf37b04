// use: index
// Two tensors to one, element by element. One invocation per vec4; i = p * width + q.

struct Params {
  vec4s: u32,
  width: u32,
  a_off: u32,
  a_stride: u32,
  b_off: u32,
  b_stride: u32,
  y_off: u32,
  y_stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
