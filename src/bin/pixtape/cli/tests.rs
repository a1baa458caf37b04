//! The command line: names, values, what is written down of them and read again.

use super::*;
use clap::CommandFactory;
use pixtape::run::Options;
use pixtape::run::options::{Flag, Kept, ModelKind, flags};
use pixtape::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn dashes_and_underscores_are_the_same_and_upstreams_extras_are_dropped() {
    let words = [
        "pixtape",
        "train",
        "--no-flip",
        "--batch-size=4",
        "--gpu_ids",
        "0,1",
        "--use-wandb",
        "--name",
        "a-b",
    ];
    let (kept, notes) = normalise(words.iter().map(|w| w.into()));
    assert_eq!(kept, ["pixtape", "train", "--no_flip", "--batch_size=4", "--name", "a-b"]);
    assert_eq!(notes.len(), 2);
    let cli =
        Cli::try_parse_from(["pixtape", "train", "--dataroot", "x", "--netG", "unet-128"]).unwrap();
    let Command::Train(mut command) = cli.command else { panic!() };
    let (options, _) = command.options().unwrap();
    assert_eq!(
        (options.nets.net_g.to_string(), options.nets.ngf, options.optim.lambda_l1),
        ("unet_128".into(), 64, 100.0)
    );
}

fn words(command: &str, flags: &[&str]) -> Vec<String> {
    ["pixtape", command].iter().chain(flags).map(|word| word.to_string()).collect()
}

/// The options that a command line comes to.
fn options(words: &[String]) -> Result<Options> {
    let cli = Cli::try_parse_from(words).map_err(|e| Error::Usage(e.to_string()))?;
    match cli.command {
        Command::Train(mut command) => command.options(),
        Command::Resume(mut args) => args.options(),
        _ => panic!(),
    }
    .map(|(options, _)| options)
}

/// An option, and two words that give it other values than its default.
struct Tried {
    flag: &'static Flag,
    words: [String; 2],
}

/// Words for options of any type.
const VALUES: [&str; 32] = [
    "",
    "=7",
    "=9",
    "=0.25",
    "=0.5",
    "=48x32",
    "=64x96",
    "=1,2",
    "=3,4",
    "=off",
    "=on",
    "=BtoA",
    "=AtoB",
    "=unet_64",
    "=unet_128",
    "=pixel",
    "=n_layers",
    "=none",
    "=instance_affine",
    "=batch",
    "=nearest",
    "=bilinear",
    "=zero",
    "=replicate",
    "=xavier",
    "=kaiming",
    "=step",
    "=cosine",
    "=hinge",
    "=vanilla",
    "=inpaint",
    "=colorization",
];

/// Every option of a model but the model, tried: of each word it is asserted that it changes
/// nothing else.
fn tried(model: ModelKind) -> Vec<Tried> {
    let of = |word: &str| options(&words("train", &[&format!("--model={model}"), word]));
    let usual = Options::new(model).to_json();
    let mut found = Vec::new();
    for flag in flags().filter(|flag| !flag.inferred && flag.name != "model") {
        let mut changed: Vec<(String, Value)> = Vec::new();
        let more = ["=x", "=y"].iter().filter(|_| flag.name != "model");
        for value in VALUES.iter().chain(more) {
            let word = format!("--{}{value}", flag.name);
            let Ok(options) = of(&word) else { continue };
            let given = options.to_json();
            let differ: Vec<&String> = given
                .as_object()
                .unwrap()
                .iter()
                .filter(|(name, value)| **value != usual[name.as_str()])
                .map(|(name, _)| name)
                .collect();
            match differ[..] {
                [] => {}
                [name] => {
                    assert_eq!(name, flag.name, "{word} is written down under another name");
                    if changed.iter().all(|(_, other)| *other != given) {
                        changed.push((word, given));
                    }
                }
                _ => panic!("{word} changes {differ:?}"),
            }
        }
        if flag.kept == Kept::Start || !flag.is_of(model) {
            assert!(changed.is_empty(), "{flag:?} is of a start or another model: {changed:?}");
            continue;
        }
        let mut words = changed.into_iter().map(|(word, _)| word);
        let default = flag.default(model).map_or(String::new(), |d| format!("--{}={d}", flag.name));
        match (words.next(), words.next()) {
            (Some(one), Some(two)) => found.push(Tried { flag, words: [one, two] }),
            // A switch, or one of two words: the other is the default.
            (Some(one), None) => found.push(Tried { flag, words: [one, default] }),
            // --no_dropout is the default of cycle_gan, and unaligned all that it takes.
            (None, _) => assert!(
                model.unpaired() && ["no_dropout", "dataset_mode"].contains(&flag.name),
                "{flag:?}: no value is known"
            ),
        }
    }
    found
}

#[test]
fn every_option_is_written_down_read_again_and_laid_over_under_its_own_name() {
    for model in [ModelKind::Pix2Pix, ModelKind::CycleGan] {
        let tried = tried(model);
        assert!(tried.len() > 45, "{}", tried.len());
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        // A run in which every option is another than by default.
        let model = format!("--model={model}");
        let kept = |of: &&Tried| of.flag.kept == Kept::Run;
        let all = tried.iter().filter(kept).map(|tried| tried.words[0].as_str());
        let all: Vec<&str> = std::iter::once(model.as_str()).chain(all).collect();
        let written = options(&words("train", &all)).unwrap();
        let file = json!({ "format_version": 1, "options": written.to_json() });
        std::fs::write(run.join("options.json"), file.to_string()).unwrap();
        // By way of config.toml.
        let toml = dir.path().join("config.toml");
        std::fs::write(&toml, written.to_toml().unwrap()).unwrap();
        let config = format!("--config={}", toml.display());
        assert_eq!(options(&words("train", &[&config])).unwrap(), written);
        laid_over(&run, &tried);
    }
}

/// The run has its own options when it is resumed, and each of them can be given anew, alone.
fn laid_over(run: &Path, tried: &[Tried]) {
    let written = Options::of_run(run).unwrap().to_json();
    let again = |more: &[&str]| {
        let folder = run.display().to_string();
        let mut options =
            options(&words("resume", &[&[folder.as_str()], more].concat())).unwrap().to_json();
        // Where it lies now, and a limit that is not inherited.
        ["name", "checkpoints_dir", "max_steps"]
            .iter()
            .for_each(|name| drop(options.as_object_mut().unwrap().remove(*name)));
        options
    };
    let own = again(&[]);
    for (name, value) in own.as_object().unwrap() {
        assert_eq!(*value, written[name], "--{name} of the run is lost");
    }
    for Tried { flag, words: [_, other] } in tried.iter().filter(|t| t.flag.kept == Kept::Run) {
        // A switch can only be put on.
        if flag.switch {
            assert_eq!(own[flag.name], true, "{flag:?}");
            continue;
        }
        let found = again(&[other]);
        assert_ne!(own[flag.name], found[flag.name], "{flag:?}");
        let mut rest = found.clone();
        rest[flag.name] = own[flag.name].clone();
        assert_eq!(rest, own, "{flag:?}");
    }
}

fn config(text: &str, more: &[&str]) -> Result<Options> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    std::fs::write(&file, text).unwrap();
    let config = format!("--config={}", file.display());
    options(&words("train", &[more, &[&config]].concat()))
}

#[test]
fn a_file_stands_before_the_command_line() {
    let text = "netG = \"unet_64\"\nlambda-L1 = 10\nno_flip = true\nno_dropout = false\n\
                lr = 1e-4\nname = \"a \\\"b\\\"\"\ngpu_ids = 0\nbands_A = [\"r\", \"nir\"]\n";
    let options = config(text, &["--lr", "3e-4"]).unwrap();
    let (nets, optim, data) = (&options.nets, &options.optim, &options.data);
    assert_eq!(
        (nets.net_g.to_string().as_str(), optim.lambda_l1, data.no_flip, nets.no_dropout),
        ("unet_64", 10.0, true, false)
    );
    assert_eq!(
        (optim.lr, options.run.name.as_str(), data.bands_a.join("+")),
        (3e-4, "a \"b\"", "r+nir".into())
    );
    let written = options.to_toml().unwrap();
    assert!(written.contains("init_gain = 0.02\n") && !written.contains("lambda_A"));
    assert_eq!(config(&written, &[]).unwrap(), options);
    // The switch and its contrary.
    let cycle = |text: &str, more: &[&str]| {
        config(&format!("model = \"cycle-gan\"\n{text}"), more).map(|o| o.nets.no_dropout)
    };
    assert!(cycle("", &[]).unwrap() && cycle("dropout = true", &["--no_dropout"]).unwrap());
    assert!(!cycle("dropout = true", &[]).unwrap() && !cycle("no_dropout = false", &[]).unwrap());
    assert!(!cycle("", &["--dropout"]).unwrap());
    assert!(cycle("dropout = true\nno_dropout = true", &[]).is_err());
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    let cases = [
        ("batch_sise = 2", "batch_size"),
        ("netg = \"unet_64\"", "netG"),
        ("no_flip = 3", "true or false"),
        ("quiet = 3", "true or false"),
        ("lr = { a = 1 }", "one value"),
        ("lr = 0", "above 0"),
        ("gan_mode = \"gan\"", "vanilla, lsgan"),
        ("batch_size = 5000", "from 1 to 4096"),
        ("a = 1\nb = ", "line 2"),
        ("config = \"x\"", "no option"),
        ("depths = [\"u8\", \"u8\"]", "no option"),
    ];
    for (text, part) in cases {
        let message = config(text, &[]).unwrap_err().to_string();
        assert!(
            message.contains("c.toml") && message.contains(part) && message.lines().count() == 1,
            "{text}: {message}"
        );
    }
    let missing = options(&words("train", &["--config", "/nonexistent.toml"]));
    assert!(missing.unwrap_err().to_string().contains("/nonexistent.toml"));
}

#[test]
fn flags_of_another_model_are_refused_by_name() {
    messages::know(&Cli::command());
    let refused = |flags: &[&str]| messages::error(&options(&words("train", flags)).unwrap_err());
    assert_eq!(
        refused(&["--lambda_A", "3"]),
        "--lambda_A does not apply to --model pix2pix; leave it out"
    );
    let unpaired = refused(&["--model", "cycle_gan", "--lambda_TV", "1"]);
    assert!(unpaired.contains("--lambda_TV does not apply"), "{unpaired}");
    assert!(refused(&["--dataset_mode", "unaligned"]).contains("does not go with --model pix2pix"));
}
