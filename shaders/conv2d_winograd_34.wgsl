// use: index, border, epilogue, adam, winograd_6, winograd
// Winograd F(3x3, 4x4) of the k4 s1 layers: 36 products instead of 144.

const TILE: u32 = 3u;
const TAPS: u32 = 4u;

fn spread_taps(g: array<vec4<f32>, 4>) -> array<vec4<f32>, 6> { return spread4(g); }
fn spread_tile(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 6> { return spread3(g); }
fn gather_tile(m: array<vec4<f32>, 6>) -> array<vec4<f32>, 3> { return gather3(m); }
fn gather_taps(m: array<vec4<f32>, 6>) -> array<vec4<f32>, 4> { return gather4(m); }
