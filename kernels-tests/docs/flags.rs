//! Flags and commands in the documents are those of the program.

use super::{read, root};
use std::collections::BTreeMap;
use std::process::{Command, Output};

/// Options of the reference implementation (2021-11): of both programs, of train, of test, and of
/// its models.
const UPSTREAM: &[&str] = &[
    "dataroot",
    "name",
    "use_wandb",
    "gpu_ids",
    "checkpoints_dir",
    "model",
    "input_nc",
    "output_nc",
    "ngf",
    "ndf",
    "netD",
    "netG",
    "n_layers_D",
    "norm",
    "init_type",
    "init_gain",
    "no_dropout",
    "dataset_mode",
    "direction",
    "serial_batches",
    "num_threads",
    "batch_size",
    "load_size",
    "crop_size",
    "max_dataset_size",
    "preprocess",
    "no_flip",
    "display_winsize",
    "epoch",
    "load_iter",
    "verbose",
    "suffix",
    "display_freq",
    "display_ncols",
    "display_id",
    "display_server",
    "display_env",
    "display_port",
    "update_html_freq",
    "print_freq",
    "no_html",
    "save_latest_freq",
    "save_epoch_freq",
    "save_by_iter",
    "continue_train",
    "epoch_count",
    "phase",
    "n_epochs",
    "n_epochs_decay",
    "beta1",
    "lr",
    "gan_mode",
    "pool_size",
    "lr_policy",
    "lr_decay_iters",
    "results_dir",
    "aspect_ratio",
    "eval",
    "num_test",
    "lambda_L1",
    "lambda_A",
    "lambda_B",
    "lambda_identity",
    "model_suffix",
];

/// Words like `--flag` in backticks.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_whitespace().find(|w| w.starts_with("--")))
}

/// The program, if it is built, and the help text of each of its commands, by words.
struct Program {
    path: &'static str,
    helps: BTreeMap<String, String>,
}

impl Program {
    fn new() -> Option<Self> {
        let mut program =
            Program { path: option_env!("CARGO_BIN_EXE_pixtape")?, helps: BTreeMap::new() };
        for command in commands(&program.help(&[])) {
            let text = program.help(&[&command]);
            for inner in commands(&text) {
                let words = format!("{command} {inner}");
                program.helps.insert(words, program.help(&[&command, &inner]));
            }
            program.helps.insert(command, text);
        }
        Some(program)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(self.path).args(words).output().unwrap()
    }

    fn help(&self, words: &[&str]) -> String {
        let output = self.run(&[words, &["--help"]].concat());
        assert!(output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether any command has the flag.
    fn offers(&self, flag: &str) -> bool {
        self.helps.values().any(|help| has(help, flag))
    }
}

/// Names of the commands in a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let names = list.filter_map(|l| {
        l.strip_prefix("  ").filter(|l| !l.starts_with(' '))?.split_whitespace().next()
    });
    names.filter(|name| *name != "help").map(String::from).collect()
}

fn has(help: &str, flag: &str) -> bool {
    help.split(|c: char| c.is_whitespace() || c == ',').any(|w| w == flag)
}

#[test]
fn commands_in_readme_and_guide_have_the_flags_that_they_show() {
    let Some(program) = Program::new() else { return };
    let mut seen = 0;
    for path in ["README.md", "docs/guide.md"] {
        let text = read(&root().join(path)).replace("\\\n", " ");
        let blocks = text.split("```").skip(1).step_by(2);
        for line in blocks.flat_map(str::lines).filter_map(|l| l.strip_prefix("pixtape ")) {
            let words: Vec<&str> =
                line.split_whitespace().take_while(|w| !w.starts_with('#')).collect();
            let name = program
                .helps
                .keys()
                .filter(|name| line.starts_with(&format!("{name} ")))
                .max_by_key(|name| name.len())
                .unwrap_or_else(|| panic!("{path}: there is no command for `pixtape {line}`"));
            for flag in words.iter().filter(|w| w.starts_with("--")) {
                assert!(has(&program.helps[name], flag), "{path}: {name} has no {flag}: {line}");
            }
            seen += 1;
        }
        let prose: String = text.split("```").step_by(2).collect();
        for flag in flags(&prose) {
            assert!(program.offers(flag) || flag == "--help", "{path} claims {flag}");
        }
    }
    assert!(seen > 10, "only {seen} commands found");
}

#[test]
fn the_comparison_with_upstream_has_every_option_and_claims_no_flag_that_is_not_there() {
    let Some(program) = Program::new() else { return };
    let (run, offered) = (|words: &[&str]| program.run(words), |flag: &str| program.offers(flag));
    assert!(offered("--lambda_L1") && offered("--fold_AB") && !offered("--lambda"));
    let text = read(&root().join("docs/upstream.md"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.starts_with("| `--"))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for option in UPSTREAM {
        let flag = format!("--{option}");
        let row = rows
            .iter()
            .find(|r| r[0].trim_matches('`') == flag)
            .unwrap_or_else(|| panic!("docs/upstream.md says nothing of {flag}"));
        let [_, _, here, verdict, why] = row[..] else { panic!("{row:?} has not five columns") };
        match verdict {
            // Other flags do the work of some: then the reason must be there.
            "same" => assert!(flags(here).eq([flag.as_str()]), "{flag}: the same is not {here}"),
            "better" => {
                assert!(flags(here).next().is_some() && why.len() > 10, "{flag}: what is better?")
            }
            "ignored" => {
                let notes = String::from_utf8_lossy(
                    &run(&["train", &format!("{flag}=1"), "--help"]).stderr,
                )
                .into_owned();
                assert!(
                    notes.contains(&format!("{flag} has no meaning here")) && !why.is_empty(),
                    "{flag} is not ignored: {notes}"
                );
            }
            "not offered" => assert!(why.len() > 5, "{flag}: why?"),
            other => panic!("{flag}: {other:?} is no verdict"),
        }
    }
    // First columns are theirs; everything else is a promise.
    for line in text.lines().filter(|l| !l.contains("scripts `")) {
        let ours = if line.starts_with("| `--") {
            line.splitn(3, '|').nth(2).unwrap_or_default()
        } else {
            line
        };
        for flag in flags(ours)
            .filter(|f| *f != "--help" && !(line.starts_with("| `--eval`") && *f == "--eval"))
        {
            assert!(offered(flag), "docs/upstream.md claims {flag}, which no --help knows: {line}");
        }
    }
    // Ours are all named there too.
    #[cfg(feature = "io")]
    for flag in pixtape::run::options::flags().filter(|flag| !flag.hidden && !flag.inferred) {
        let name = format!("{flag:?}");
        assert!(offered(&name) && text.contains(&format!("`{name}`")), "no word of {name}");
    }
}
