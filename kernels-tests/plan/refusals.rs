//! Errors that a plan answers with.

use crate::{pix2pix_256, ruled, unet_256};
use pixtape::gpu::Family;
use pixtape::nets::{DiscriminatorKind, NormKind, UnetConfig};
use pixtape::ops::{BatchNorm, NormMode};
use pixtape::store::Layout;
use pixtape::train::{Pix2Pix, Pix2PixConfig};
use pixtape::{Conv, Error, PlanOptions, Result, Shape, Store, Tape, Tensor};

#[test]
fn subgroups_of_sizes_without_kernels_are_refused() {
    for lanes in [0, 1, 3, 32] {
        let plan = Pix2Pix::plan(&pix2pix_256(), Family::Subgroup(lanes), PlanOptions::default());
        let Err(error) = plan else { panic!("{lanes} lanes were planned") };
        assert!(error.to_string().contains(&format!("of {lanes} lanes")), "{error}");
    }
}

#[test]
fn a_memory_limit_is_refused_with_the_numbers_that_matter() {
    let limited = |limit| {
        Pix2Pix::plan(
            &pix2pix_256(),
            Family::Workgroup,
            PlanOptions { memory_limit: Some(limit), ..ruled() },
        )
    };
    let total = limited(u64::MAX).unwrap().memory().total();
    assert!(limited(total).is_ok());
    let error = limited(total - 1).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let message = error.to_string();
    let Error::MemoryLimit { planned, limit, largest } = error else { panic!("{message}") };
    assert_eq!((planned, limit), (total, total - 1));
    assert!(
        message.contains(&total.to_string()) && message.contains(&(total - 1).to_string()),
        "{message}"
    );
    let bytes: Vec<u64> = largest
        .split('(')
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap().parse().unwrap())
        .collect();
    assert!(bytes.len() == 3 && bytes.is_sorted_by(|a, b| a >= b), "{largest}");
    // 1024 x 512 x 4 x 4 weights of the decoder.
    assert_eq!(bytes[0], 33_554_432, "{largest}");
    assert!(largest.contains("model.model.1.model.3") && largest.contains(".weight"), "{largest}");
}

#[test]
fn a_tensor_that_no_adapter_can_bind_is_refused_by_name() {
    let config = Pix2PixConfig { batch_size: 32, ..pix2pix_256() };
    let error =
        Pix2Pix::plan(&config, Family::Workgroup, crate::support::plan_options()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Limit { .. }) && error.exit_code() == 1, "{message}");
    assert!(message.contains("134217728") && message.contains("`batch_size`"), "{message}");
}

#[test]
fn mistakes_in_shapes_are_told_with_their_numbers() {
    let mut store = Store::new();
    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, 9, 7, 3));
    let w = store.param("D", "w", Layout::Conv { ci: 6.into(), co: 8, kernel: 4 });
    let w = tape.param(&store, &w);
    let refused = |result: Result<Tensor>, op: &str, words: &[&str]| {
        let error = result.unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(&error, Error::Shape { op: found, label, .. } if *found == op && label == "D/c1"),
            "{error:?}"
        );
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
        assert_eq!(error.exit_code(), 1);
    };
    tape.scope("D/c1");
    refused(tape.conv2d(x, w, None, Conv::new(4, 2, 1)), "conv2d", &["3", "6", "[1, 9, 7, 3]"]);
    let narrow = tape.input("narrow", Shape::new(1, 9, 1, 6));
    refused(tape.conv2d(narrow, w, None, Conv::new(4, 1, 1)), "conv2d", &["[1, 9, 1, 6]", "4"]);
    let other = tape.input("other", Shape::new(1, 9, 7, 4));
    refused(tape.add(x, other), "add", &["[1, 9, 7, 3]", "[1, 9, 7, 4]"]);
    refused(tape.l1(x, other), "l1", &["[1, 9, 7, 3]", "[1, 9, 7, 4]"]);
    refused(tape.concat(&[x, narrow]), "concat", &["[1, 9, 7, 3]", "[1, 9, 1, 6]"]);
    let odd = tape.input("odd", Shape::new(1, 9, 7, 1));
    refused(tape.concat(&[odd; 5]), "concat", &["4"]);
    let vector = tape.input("vector", Shape::vector(4));
    refused(
        tape.batch_norm(x, vector, vector, None, NormMode::Batch, BatchNorm::default()),
        "batch_norm",
        &["[1, 9, 7, 3]", "[1, 1, 1, 4]"],
    );
    // The derivative of something that is no loss.
    refused(tape.backward(&[x], &[x]).map(|_| x), "backward", &["[1, 9, 7, 3]", "mean"]);
    let recorded = tape.nodes().len();
    assert_eq!(recorded, 0, "a refused operation leaves nothing on the tape");
}

#[test]
fn sizes_that_do_not_pass_the_halvings_are_told_with_the_nearest() {
    let sized = |width, height| {
        Pix2Pix::plan(
            &Pix2PixConfig { width, height, ..pix2pix_256() },
            Family::Workgroup,
            crate::support::plan_options(),
        )
    };
    for (width, height, words) in [
        (360, 360, ["360x360", "multiples of 256", "width 256 or 512", "height 256 or 512"]),
        (512, 300, ["512x300", "multiples of 256", "width 512", "height 256 or 512"]),
        (100, 256, ["100x256", "multiples of 256", "width 256", "height 256"]),
    ] {
        let error = sized(width, height).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::Usage(_)) && error.exit_code() == 1);
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    }
    assert!(sized(512, 256).is_ok(), "rectangles pass");
    // 32 pixels are halved to 1 by five layers: nothing to normalise, and no room for the kernel of
    // the layer behind.
    for (norm, op) in [(NormKind::Batch, "batch_norm"), (NormKind::None, "conv2d")] {
        let generator = UnetConfig { downs: 5, norm, ..unet_256() }.into();
        let small = Pix2PixConfig {
            generator,
            discriminator: DiscriminatorKind::Patch { n_layers: 5 },
            width: 32,
            height: 32,
            ..pix2pix_256()
        };
        let error =
            Pix2Pix::plan(&small, Family::Workgroup, crate::support::plan_options()).unwrap_err();
        assert!(
            matches!(&error, Error::Shape { op: found, label, .. } if *found == op && label.contains("D/c")),
            "{error}"
        );
    }
    let none =
        Pix2PixConfig { discriminator: DiscriminatorKind::Patch { n_layers: 7 }, ..pix2pix_256() };
    assert!(
        Pix2Pix::plan(&none, Family::Workgroup, crate::support::plan_options())
            .unwrap_err()
            .to_string()
            .contains("1 to 6")
    );
}
