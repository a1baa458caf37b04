// use: index, border, epilogue, adam, winograd_3, winograd
// Winograd F(2x2, 2x2) of the k4 s2 layers, whose phases have 2x2 taps: 9 products instead of 16.

const TILE: u32 = 2u;
const TAPS: u32 = 2u;

fn spread_taps(g: array<vec4<f32>, 2>) -> array<vec4<f32>, 3> { return spread2(g); }
fn spread_tile(g: array<vec4<f32>, 2>) -> array<vec4<f32>, 3> { return spread2(g); }
fn gather_tile(m: array<vec4<f32>, 3>) -> array<vec4<f32>, 2> { return gather2(m); }
fn gather_taps(m: array<vec4<f32>, 3>) -> array<vec4<f32>, 2> { return gather2(m); }
