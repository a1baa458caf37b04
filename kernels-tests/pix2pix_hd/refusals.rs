//! What makes no sense is refused before anything is built.

use crate::{encoded, plain, support};
use pixtape::gpu::Family;
use pixtape::nets::{ResnetConfig, UnetConfig, VggConfig};
use pixtape::train::{Condition, GanMode, Over, Pix2PixHd, Pix2PixHdConfig, Source};

fn refused(config: Pix2PixHdConfig) -> String {
    let plan = Pix2PixHd::plan(&config, Family::Workgroup, support::plan_options());
    plan.unwrap_err().to_string()
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    let one = plain;
    let gray = ResnetConfig { output_nc: 1, ngf: 8, halvings: 2, blocks: 1, ..Default::default() };
    let vgg = Some(VggConfig::default());
    let images = Condition { source: Source::Image(3), edges: false };
    for (config, part) in [
        (Pix2PixHdConfig { num_d: 5, ..one() }, "`num_D` 5"),
        (Pix2PixHdConfig { num_d: 0, ..one() }, "`num_D` 0"),
        (Pix2PixHdConfig { n_layers_d: 7, ..one() }, "`n_layers_D`"),
        (Pix2PixHdConfig { ndf: 0, ..one() }, "`ndf`"),
        (Pix2PixHdConfig { gan_mode: GanMode::Wgangp, ..one() }, "`gan_mode` wgangp"),
        (Pix2PixHdConfig { generator: UnetConfig::default().into(), ..one() }, "`netG`"),
        (Pix2PixHdConfig { generator: gray.into(), vgg, ..one() }, "`no_vgg_loss`"),
        (
            Pix2PixHdConfig { condition: images, features: encoded(Over::Labels), ..one() },
            "`label_feat`",
        ),
        (Pix2PixHdConfig { lambda_feat: f32::NAN, ..one() }, "`lambda_feat`"),
        (Pix2PixHdConfig { ema: Some(1.0), ..one() }, "`ema` 1"),
        (Pix2PixHdConfig { accumulate: 0, ..one() }, "`accumulate`"),
        (Pix2PixHdConfig { batch_size: 0, ..one() }, "`batch_size`"),
        (Pix2PixHdConfig { width: 46, ..one() }, "46"),
    ] {
        let message = refused(config);
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn what_is_left_out_costs_nothing() {
    let plan = |config: &Pix2PixHdConfig| {
        Pix2PixHd::plan(config, Family::Workgroup, support::plan_options()).unwrap()
    };
    let all = Pix2PixHdConfig { vgg: Some(VggConfig { channels: [8; 5] }), ..plain() };
    let without_vgg = plan(&plain());
    let without_matching = plan(&Pix2PixHdConfig { feature_matching: false, ..plain() });
    let one_scale = plan(&Pix2PixHdConfig { num_d: 1, ..plain() });
    let all = plan(&all);
    let [all, without_vgg, without_matching, one_scale] =
        [all, without_vgg, without_matching, one_scale].map(|plan| plan.cost().flop);
    assert!(without_vgg < all, "{without_vgg} without VGG, {all} with it");
    assert!(without_matching <= without_vgg && one_scale < without_vgg);
    // Accumulated batches keep the activations of one.
    let activations = |batch_size, accumulate| {
        plan(&Pix2PixHdConfig { batch_size, accumulate, ..plain() }).memory().activations
    };
    let (one, accumulated, whole) = (activations(1, 1), activations(1, 4), activations(4, 1));
    assert!(accumulated < 2 * one && whole > 3 * one, "{one}, {accumulated}, {whole}");
}
