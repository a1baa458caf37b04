// use: pair
// Sum of two tensors.

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  y[p.y_off + at.x * p.y_stride + at.y] = a[p.a_off + at.x * p.a_stride + at.y] + b[p.b_off + at.x * p.b_stride + at.y];
}
