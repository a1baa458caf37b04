// Winograd on the points 0, 1, infinity: 2 results of 2 taps with 3 multiplications instead of 4.
// Sums and differences only, so it is exact where the direct sum is.
//   result = gather((spread taps) * (data))      Winograd, Arithmetic Complexity of Computations, 1980.

const N: u32 = 3u;

fn data_1d(d: array<vec4<f32>, 3>) -> array<vec4<f32>, 3> {
  return array<vec4<f32>, 3>(d[0] - d[1], d[1], d[2] - d[1]);
}

fn spread2(g: array<vec4<f32>, 2>) -> array<vec4<f32>, 3> {
  return array<vec4<f32>, 3>(g[0], g[0] + g[1], g[1]);
}

fn gather2(m: array<vec4<f32>, 3>) -> array<vec4<f32>, 2> {
  return array<vec4<f32>, 2>(m[0] + m[1], m[1] + m[2]);
}
