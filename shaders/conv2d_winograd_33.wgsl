// use: index, border, epilogue, adam, winograd_5, winograd
// Winograd F(3x3, 3x3) of the k3 s1 layers: 25 products instead of 81.

const TILE: u32 = 3u;
const TAPS: u32 = 3u;

fn spread_taps(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 5> { return spread3(g); }
fn spread_tile(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 5> { return spread3(g); }
fn gather_tile(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 3> { return gather3(m); }
fn gather_taps(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 3> { return gather3(m); }
