//! conv_transpose2d: every tile family, forward, both gradients, bias; exact on integers.

use crate::support::conv::{ConvCase, check_family, check_order, check_reference, check_variants};
use crate::support::{Case, parts};
use pixtape::gpu::Family;
use pixtape::store::Layout;
use pixtape::{Conv, Shape};

/// `(n, h, w, ci by parts, co, kernel, stride, pad, output pad, bias)`.
type Row = (u32, u32, u32, &'static [u32], u32, u32, u32, u32, u32, bool);

fn list(rows: &[Row]) -> Vec<ConvCase> {
    let case = |&(n, h, w, ci, co, k, s, p, op, bias): &Row| {
        let conv = Conv::new(k, s, p).with_output_pad(op);
        ConvCase { n, h, w, ci: parts(ci), co, conv, bias, transposed: true, products }
    };
    rows.iter().map(case).collect()
}

pub fn cases() -> Vec<ConvCase> {
    list(&[
        // The layers of the U-Net, small: up from 1 x 1, up with joined channels, up to RGB.
        (2, 1, 1, &[16], 40, 4, 2, 1, 0, false),
        (1, 5, 7, &[16, 16], 9, 4, 2, 1, 0, false),
        (1, 17, 19, &[8], 3, 4, 2, 1, 0, true),
        (2, 9, 4, &[3, 3], 16, 4, 2, 1, 0, true),
        (1, 33, 6, &[5], 7, 4, 2, 1, 0, true),
        // ResNet's, and kernels whose phases have 1, 2 and 4 taps.
        (1, 5, 7, &[9], 5, 3, 2, 1, 1, true),
        (2, 8, 8, &[16], 32, 3, 2, 1, 1, false),
        (1, 7, 5, &[6], 8, 3, 2, 1, 0, true),
        (1, 9, 11, &[32], 1, 4, 1, 1, 0, true),
        (1, 5, 7, &[8], 40, 4, 1, 1, 0, true),
        (2, 5, 3, &[7], 3, 2, 2, 0, 0, true),
        (1, 17, 19, &[3], 16, 3, 1, 1, 0, true),
        (1, 4, 5, &[3, 5], 9, 5, 3, 2, 1, true),
        (3, 2, 3, &[40], 16, 1, 1, 0, 0, true),
        // Fewer taps than phases: pixels that get nothing but the bias.
        (1, 3, 4, &[5], 6, 1, 2, 0, 1, true),
    ])
}

/// What only the workgroup family's large tile takes.
fn large() -> Vec<ConvCase> {
    list(&[(1, 128, 130, &[5], 6, 1, 1, 0, 0, true), (1, 1, 2, &[512], 256, 4, 2, 1, 0, false)])
}

/// `y[n, iy s - p + ky, ix s - p + kx, co] += x[n, iy, ix, ci] w[ci][co][ky][kx]`.
fn products(c: &ConvCase, f: &mut dyn FnMut(usize, usize, usize)) {
    let (ho, wo) = (c.out(c.h), c.out(c.w));
    let (k, ci) = (c.conv.kernel, c.ci.logical());
    for (n, iy, ix) in
        (0..c.n).flat_map(|n| (0..c.h).flat_map(move |y| (0..c.w).map(move |x| (n, y, x))))
    {
        for (ky, kx) in (0..k).flat_map(|y| (0..k).map(move |x| (y, x))) {
            let (oy, ox) = (
                (iy * c.conv.stride + ky).wrapping_sub(c.conv.pad),
                (ix * c.conv.stride + kx).wrapping_sub(c.conv.pad),
            );
            if oy >= ho || ox >= wo {
                continue;
            }
            for (i, o) in (0..ci).flat_map(|i| (0..c.co).map(move |o| (i, o))) {
                let y = ((n * ho + oy) * wo + ox) * c.co + o;
                let x = ((n * c.h + iy) * c.w + ix) * ci + i;
                f(y as usize, x as usize, (((i * c.co + o) * k + ky) * k + kx) as usize);
            }
        }
    }
}

fn family(family: Family, large: &[ConvCase]) {
    let twice =
        list(&[(1, 5, 7, &[3, 3], 9, 4, 2, 1, 0, true), (2, 4, 3, &[3, 3], 9, 4, 2, 1, 0, true)]);
    check_family(
        family,
        &cases(),
        large,
        &[twice[0], twice[1]],
        &list(&[(2, 5, 4, &[4], 8, 3, 2, 1, 1, false)])[0],
    );
}

/// What every variant is tried on: phases and tiles cut short, parts with padding, several
/// pictures, kernels of other sides.
fn varied() -> Vec<ConvCase> {
    list(&[
        (1, 17, 19, &[3, 3], 8, 4, 2, 1, 0, true),
        (2, 9, 7, &[16], 36, 4, 2, 1, 0, false),
        (1, 5, 7, &[8], 40, 4, 1, 1, 0, true),
        (2, 6, 9, &[12], 9, 4, 1, 2, 0, false),
        (1, 7, 5, &[9], 7, 3, 2, 1, 1, true),
    ])
}

#[test]
fn workgroup_tiles_add_up_in_the_order_of_the_definition() {
    check_order(&["workgroup32", "workgroup64", "workgroup128x64", "workgroup128"], &varied());
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
    list(&[(2, 3, 4, &[3], 2, 4, 2, 1, 0, true), (1, 3, 2, &[2], 3, 5, 3, 2, 1, true)])
        .iter()
        .for_each(check_reference);
}

#[test]
fn operands_that_do_not_fit_are_refused_with_their_shapes() {
    let mut case = Case::new();
    let w = case.param(
        "w",
        Layout::ConvTranspose { ci: 6.into(), co: 8, kernel: 4 },
        &vec![0.0; 6 * 8 * 16],
    );
    let x = case.tape.input("x", Shape::new(1, 16, 16, 3));
    let message =
        case.tape.conv_transpose2d(x, w.tensor, None, Conv::new(4, 2, 1)).unwrap_err().to_string();
    assert!(message.contains("3 channels") && message.contains("expects 8"), "{message}");
    let small = case.tape.input("x", Shape::new(1, 1, 1, 6));
    let nothing_left = case.tape.conv_transpose2d(small, w.tensor, None, Conv::new(4, 2, 2));
    assert!(
        nothing_left.is_err()
            && case.tape.conv_transpose2d(x, w.tensor, None, Conv::new(3, 1, 1)).is_err()
    );
}
