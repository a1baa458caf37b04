use super::*;
use crate::nets::{GeneratorKind, NormKind};
use crate::train::{AnyModel, CycleGanConfig, GanMode, Pix2PixConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn every_option_has_a_name_of_its_own_and_help() {
    let mut names = BTreeSet::new();
    for flag in flags() {
        assert!(names.insert(flag.name), "{flag:?} is there twice");
        let help = flag.help();
        assert!(help.len() > 8 && !help.contains("  ") && !help.ends_with('.'), "{flag:?}: {help}");
        assert_eq!(Flag::named(flag.name), Some((flag, false)));
        for model in ModelKind::ALL {
            let default = flag.default(*model);
            assert!(default.iter().all(|word| flag.parse(word).is_ok()), "{flag:?}: {default:?}");
        }
    }
    assert_eq!(
        Flag::named("dropout").map(|(flag, negated)| (flag.name, negated)),
        Some(("no_dropout", true))
    );
    assert!(Flag::named("pixels").is_none());
}

#[test]
fn defaults_are_those_of_the_configurations() {
    let config = |model| Options::new(model).resolve_without_data().unwrap();
    assert_eq!(config(ModelKind::Pix2Pix), AnyModel::Pix2Pix(Pix2PixConfig::default()));
    assert_eq!(config(ModelKind::CycleGan), AnyModel::CycleGan(CycleGanConfig::default()));
    let AnyModel::Pix2Pix(colorization) = config(ModelKind::Colorization) else { panic!() };
    assert_eq!((colorization.generator.input_nc(), colorization.generator.output_nc()), (1, 2));
    let options = Options { dataroot: Some("".into()), ..Options::default() };
    let plain =
        crate::io::DatasetOptions { multiple_of: 256, cache: 1 << 30, ..Default::default() };
    assert_eq!(options.dataset().unwrap(), plain);
    assert!(Options::default().dataset().is_err());
}

#[test]
fn options_are_written_in_the_order_of_the_table() {
    let written = Options::default().to_json();
    let names: Vec<&String> = written.as_object().unwrap().keys().collect();
    assert_eq!(names[..4], ["dataroot", "model", "name", "checkpoints_dir"]);
    assert_eq!(names[names.len() - 2..], ["lambda_identity", "pool_size"]);
    for absent in ["continue_train", "adapter", "tune", "dropout", "init_G", "depths"] {
        assert!(written.get(absent).is_none(), "{absent}");
    }
    // A single is not written as the double next to it, nor a whole number as a fraction.
    let text = serde_json::to_string(&written).unwrap();
    for part in ["\"init_gain\":0.02,", "\"lambda_L1\":100.0,", "\"lr\":0.0002,", "\"keep\":2,"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let files = Options::default().of_files();
    for absent in ["dataroot", "name", "seed", "keep", "num_threads", "init_G"] {
        assert!(files.get(absent).is_none(), "{absent}");
    }
    assert_eq!(files["netG"], "unet_256");
}

/// What every run wrote down from the first version on.
fn oldest() -> Value {
    json!({
        "netG": "unet_64", "ngf": 8, "norm": "instance", "no_dropout": true, "direction": "BtoA",
        "preprocess": "none", "crop_size": 64, "of a later version": { "a": 1 }
    })
}

fn read(options: &Value) -> Result<Options, String> {
    let layer = Layer::of_json(options)?;
    Options::from_layers(Some(&layer), &[]).map_err(|e| e.to_string())
}

#[test]
fn what_older_runs_do_not_say_is_what_they_meant() {
    let options = read(&oldest()).unwrap();
    assert_eq!(options.model, ModelKind::Pix2Pix);
    assert_eq!(options.nets.norm, NormKind::Instance);
    assert!(options.optim.lr_compat && options.data.cache_memory == Bytes(0));
    assert_eq!(options.optim.gan_mode, GanMode::Vanilla);
    // Some things nobody can guess.
    for name in ["netG", "ngf", "norm", "no_dropout", "direction", "preprocess", "crop_size"] {
        let mut less = oldest();
        less.as_object_mut().unwrap().remove(name);
        assert!(read(&less).unwrap_err().contains(name), "{name}");
    }
    for (name, value, part) in [
        ("netG", json!("unet_63"), "unet_64"),
        ("ngf", json!(0), "from 1 to 1024"),
        ("ngf", json!("8"), "whole number"),
        ("lr", json!(null), "expected a number"),
        ("keep", json!(2.5), "whole number"),
        ("gan_mode", json!(1), "expected a text"),
        ("bands_A", json!("r"), "list"),
        ("depths", json!(["u8"]), "two depths"),
    ] {
        let mut broken = oldest();
        broken[name] = value;
        let message = read(&broken).unwrap_err();
        assert!(message.contains(name) && message.contains(part), "{message}");
    }
}

#[test]
fn what_every_model_writes_down_it_reads() {
    for model in ModelKind::ALL {
        let options = Options::new(*model);
        let written = options.to_json();
        let read = read(&written).unwrap_or_else(|why| panic!("{model}: {why}"));
        assert_eq!(read, options, "{model}");
        for flag in flags().filter(|flag| !flag.is_of(*model) && *model == ModelKind::Pix2PixHd) {
            assert!(written.get(flag.name).is_none(), "{model} has no {flag:?}");
        }
    }
}

#[test]
fn what_can_be_read_of_broken_options_is_read() {
    let broken = json!({ "model": "cycle_gan", "gan_mode": "gan", "lambda_identity": 0, "lr": [] });
    let options = Options::readable(&broken);
    assert_eq!(options.model, ModelKind::CycleGan);
    assert_eq!((options.optim.lambda_identity, options.optim.gan_mode), (0.0, GanMode::Lsgan));
    assert_eq!(Options::readable(&Value::Null).model, ModelKind::Pix2Pix);
}

#[test]
fn layers_lie_over_the_defaults_of_the_model_that_they_name() {
    let model = Layer::of(&[("model", "cycle_gan"), ("ngf", "8")]).unwrap();
    let over = Layer::of(&[("ngf", "16"), ("no_dropout", "false")]).unwrap();
    let options = Options::from_layers(None, &[&over, &model]).unwrap();
    assert_eq!((options.nets.ngf, options.nets.no_dropout), (8, false));
    let options = Options::from_layers(None, &[&model, &over]).unwrap();
    assert_eq!(options.nets.net_g, GeneratorKind::RESNET_9BLOCKS);
    assert_eq!((options.nets.ngf, options.optim.gan_mode), (16, GanMode::Lsgan));
    assert_eq!(read(&options.to_json()).unwrap(), options);
    for (name, word) in [("ngf", "0"), ("ngff", "1"), ("netG", "unet"), ("lr", "inf")] {
        let message = Layer::of(&[(name, word)]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("`{name}`")), "{message}");
    }
}
