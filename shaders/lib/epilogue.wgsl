// What is done to a result before it is stored: the bias of its channel, and the derivative of a
// (leaky) ReLU if it passes one, which is decided by the sign of that activation's operand
// (`mask`). Constants and not parameters: a branch for every row of a tile takes one driver seconds
// to compile.

const MASK: u32 = 0u; // tune

fn bias_of(col: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), bias[select(0u, col, p.has_bias != 0u)], p.has_bias != 0u);
}

fn finish(v: vec4<f32>, pixel: u32, col: u32) -> vec4<f32> {
  if (MASK == 0u) { return v; }
  return v * select(vec4<f32>(p.mask_slope), vec4<f32>(1.0), mask[p.mask_off + pixel * p.mask_stride + col] > vec4<f32>(0.0));
}
