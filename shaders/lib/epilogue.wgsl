// What a result gets on its way into memory: the bias of its channel, and the derivative of a (leaky) ReLU where it will go
// through one, which is decided by the sign of that activation's operand (`mask`).
fn finish(v: vec4<f32>, pixel: u32, col: u32) -> vec4<f32> {
  var r = v;
  if (p.has_bias != 0u) { r = r + bias[col]; }
  if (p.has_mask != 0u) {
    r = r * select(vec4<f32>(p.mask_slope), vec4<f32>(1.0), mask[p.mask_off + pixel * p.mask_stride + col] > vec4<f32>(0.0));
  }
  return r;
}
