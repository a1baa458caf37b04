// Winograd on the points 0, 1, -1, 2, infinity: 2 results of 4 taps, 4 of 2, or 3 of 3, with 5
// multiplications instead of 8 or 9.
//   result = gather((spread taps) * (data))      Winograd, Arithmetic Complexity of Computations, 1980.
// Rows of `data_1d` are the coefficients of the products of (x - point) over the other points;
// `spread` evaluates at the points and divides by the products of their distances; `gather` sums
// powers of the points.

const N: u32 = 5u;

fn data_1d(d: array<vec4<f32>, 5>) -> array<vec4<f32>, 5> {
  return array<vec4<f32>, 5>(
    2.0 * (d[0] - d[2]) + (d[3] - d[1]),
    (d[3] - d[2]) - 2.0 * d[1],
    2.0 * d[1] - 3.0 * d[2] + d[3],
    d[3] - d[1],
    2.0 * (d[1] - d[3]) + (d[4] - d[2]),
  );
}

fn spread2(g: array<vec4<f32>, 2>) -> array<vec4<f32>, 5> {
  return array<vec4<f32>, 5>(
    0.5 * g[0],
    -0.5 * (g[0] + g[1]),
    (g[1] - g[0]) * (1.0 / 6.0),
    (g[0] + 2.0 * g[1]) * (1.0 / 6.0),
    g[1],
  );
}

fn spread3(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 5> {
  let even = g[0] + g[2];
  return array<vec4<f32>, 5>(
    0.5 * g[0],
    -0.5 * (even + g[1]),
    (g[1] - even) * (1.0 / 6.0),
    ((g[0] + 4.0 * g[2]) + 2.0 * g[1]) * (1.0 / 6.0),
    g[2],
  );
}

fn spread4(g: array<vec4<f32>, 4>) -> array<vec4<f32>, 5> {
  let even = g[0] + g[2];
  let odd = g[1] + g[3];
  return array<vec4<f32>, 5>(
    0.5 * g[0],
    -0.5 * (even + odd),
    (odd - even) * (1.0 / 6.0),
    ((g[0] + 4.0 * g[2]) + (2.0 * g[1] + 8.0 * g[3])) * (1.0 / 6.0),
    g[3],
  );
}

fn gather2(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 2> {
  return array<vec4<f32>, 2>(m[0] + (m[1] + m[2]) + m[3], (m[1] - m[2]) + 2.0 * m[3] + m[4]);
}

fn gather3(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 3> {
  let sum = m[1] + m[2];
  return array<vec4<f32>, 3>(m[0] + sum + m[3], (m[1] - m[2]) + 2.0 * m[3], sum + 4.0 * m[3] + m[4]);
}

fn gather4(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 4> {
  let sum = m[1] + m[2];
  let difference = m[1] - m[2];
  return array<vec4<f32>, 4>(m[0] + sum + m[3], difference + 2.0 * m[3], sum + 4.0 * m[3], difference + 8.0 * m[3] + m[4]);
}
