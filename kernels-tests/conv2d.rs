//! conv2d: every tile family, forward, both gradients, bias; exact on integers.

use crate::support::conv::{ConvCase, check_family, check_order, check_reference, check_variants};
use crate::support::{Case, parts};
use pixtape::gpu::Family;
use pixtape::store::Layout;
use pixtape::{Conv, Shape};

/// `(n, h, w, ci by parts, co, kernel, stride, pad, bias)`.
type Row = (u32, u32, u32, &'static [u32], u32, u32, u32, u32, bool);

fn list(rows: &[Row]) -> Vec<ConvCase> {
    let case = |&(n, h, w, ci, co, k, s, p, bias): &Row| ConvCase {
        n,
        h,
        w,
        ci: parts(ci),
        co,
        conv: Conv::new(k, s, p),
        bias,
        transposed: false,
        products,
    };
    rows.iter().map(case).collect()
}

pub fn cases() -> Vec<ConvCase> {
    list(&[
        // The layers of pix2pix, small: down, PatchGAN's stride 1, one logit, RGB in two parts.
        (1, 16, 16, &[3], 16, 4, 2, 1, false),
        (1, 17, 19, &[3, 3], 8, 4, 2, 1, true),
        (2, 9, 7, &[16], 32, 4, 2, 1, false),
        (1, 9, 11, &[32], 1, 4, 1, 1, true),
        (1, 5, 7, &[8], 40, 4, 1, 1, true),
        // The bottleneck: 2 x 2 to 1 x 1.
        (2, 2, 2, &[40], 16, 4, 2, 1, false),
        (1, 2, 3, &[5], 9, 4, 2, 1, true),
        // ResNet's and others' kernels.
        (1, 33, 6, &[5], 7, 3, 1, 1, true),
        (2, 17, 19, &[9], 5, 3, 2, 1, false),
        (1, 16, 12, &[16], 40, 3, 2, 1, true),
        (2, 5, 7, &[7], 3, 1, 1, 0, true),
        (3, 1, 1, &[40], 32, 1, 1, 0, true),
        (1, 13, 9, &[3], 16, 7, 1, 3, true),
        (1, 4, 5, &[8], 3, 7, 1, 3, false),
        (1, 17, 11, &[6], 9, 5, 3, 2, true),
        (2, 10, 7, &[3, 5], 16, 5, 3, 2, false),
        (1, 1, 1, &[3], 5, 3, 1, 1, true),
    ])
}

/// What only the workgroup family's large tile takes: many rows for the data side, many rows and
/// columns for the weights.
fn large() -> Vec<ConvCase> {
    list(&[(1, 128, 130, &[5], 6, 1, 1, 0, true), (1, 4, 4, &[256], 512, 4, 2, 1, false)])
}

/// `y[n, oy, ox, co] += x[n, oy s - p + ky, ox s - p + kx, ci] w[co][ci][ky][kx]`.
fn products(c: &ConvCase, f: &mut dyn FnMut(usize, usize, usize)) {
    let (ho, wo) = (c.out(c.h), c.out(c.w));
    let (k, ci) = (c.conv.kernel, c.ci.logical());
    for (n, oy, ox) in
        (0..c.n).flat_map(|n| (0..ho).flat_map(move |y| (0..wo).map(move |x| (n, y, x))))
    {
        for (ky, kx) in (0..k).flat_map(|y| (0..k).map(move |x| (y, x))) {
            let (iy, ix) = (
                (oy * c.conv.stride + ky).wrapping_sub(c.conv.pad),
                (ox * c.conv.stride + kx).wrapping_sub(c.conv.pad),
            );
            if iy >= c.h || ix >= c.w {
                continue;
            }
            for (o, i) in (0..c.co).flat_map(|o| (0..ci).map(move |i| (o, i))) {
                let y = ((n * ho + oy) * wo + ox) * c.co + o;
                let x = ((n * c.h + iy) * c.w + ix) * ci + i;
                f(y as usize, x as usize, (((o * ci + i) * k + ky) * k + kx) as usize);
            }
        }
    }
}

fn family(family: Family, large: &[ConvCase]) {
    let twice = list(&[(1, 9, 7, &[3, 3], 9, 4, 2, 1, true), (2, 4, 6, &[3, 3], 9, 4, 2, 1, true)]);
    check_family(
        family,
        &cases(),
        large,
        &[twice[0], twice[1]],
        &list(&[(2, 9, 7, &[4], 8, 3, 2, 1, false)])[0],
    );
}

/// What every variant is tried on: phases and tiles cut short, parts with padding, several
/// pictures, kernels of other sides.
fn varied() -> Vec<ConvCase> {
    list(&[
        (1, 17, 19, &[3, 3], 8, 4, 2, 1, true),
        (2, 9, 7, &[16], 36, 4, 2, 1, false),
        (1, 5, 7, &[8], 40, 4, 1, 1, true),
        (2, 6, 9, &[12], 9, 4, 1, 2, false),
        (1, 7, 5, &[9], 7, 3, 1, 1, true),
        (2, 13, 8, &[12], 17, 3, 1, 0, false),
        (1, 6, 10, &[20], 9, 3, 1, 2, true),
    ])
}

#[test]
fn variants_on_register_tiles_match_the_reference() {
    check_variants(Family::Register, &varied());
}

#[test]
fn variants_on_workgroup_tiles_match_the_reference() {
    check_variants(Family::Workgroup, &varied());
}

#[test]
fn workgroup_tiles_add_up_in_the_order_of_the_definition() {
    check_order(&["workgroup32", "workgroup64", "workgroup128x64", "workgroup128"], &varied());
}

#[test]
fn variants_on_subgroup_tiles_match_the_reference() {
    check_variants(Family::Subgroup(0), &varied());
}

#[test]
fn register_tiles_match_the_reference() {
    family(Family::Register, &[]);
}

#[test]
fn workgroup_tiles_match_the_reference() {
    family(Family::Workgroup, &large());
}

#[test]
fn subgroup_tiles_match_the_reference() {
    family(Family::Subgroup(0), &[]);
}

#[test]
fn the_references_gradients_are_those_of_the_reference() {
    list(&[(2, 5, 7, &[3], 2, 4, 2, 1, true), (1, 7, 6, &[2], 3, 5, 3, 2, true)])
        .iter()
        .for_each(check_reference);
}

#[test]
fn operands_that_do_not_fit_are_refused_with_their_shapes() {
    let mut case = Case::new();
    let w =
        case.param("w", Layout::Conv { ci: 6.into(), co: 8, kernel: 4 }, &vec![0.0; 6 * 8 * 16]);
    let x = case.tape.input("x", Shape::new(1, 16, 16, 3));
    let message = case.tape.conv2d(x, w.tensor, None, Conv::new(4, 2, 1)).unwrap_err().to_string();
    assert!(message.contains("3 channels") && message.contains("expects 8"), "{message}");
    let small = case.tape.input("x", Shape::new(1, 1, 1, 6));
    assert!(
        case.tape.conv2d(small, w.tensor, None, Conv::new(4, 2, 1)).is_err()
            && case.tape.conv2d(x, w.tensor, None, Conv::new(3, 1, 1)).is_err()
    );
}
