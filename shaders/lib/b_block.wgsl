// A block of B, 4 k by 4 columns, by k: as loaded, or transposed where the loads were columns
// (TRANS_B of the operands).
fn b_block(l0: vec4<f32>, l1: vec4<f32>, l2: vec4<f32>, l3: vec4<f32>) -> array<vec4<f32>, 4> {
  if (TRANS_B == 0u) { return array<vec4<f32>, 4>(l0, l1, l2, l3); }
  return array<vec4<f32>, 4>(
    vec4<f32>(l0.x, l1.x, l2.x, l3.x),
    vec4<f32>(l0.y, l1.y, l2.y, l3.y),
    vec4<f32>(l0.z, l1.z, l2.z, l3.z),
    vec4<f32>(l0.w, l1.w, l2.w, l3.w),
  );
}
