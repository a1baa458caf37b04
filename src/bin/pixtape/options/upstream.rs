//! Flags of the reference implementation that have no meaning here.

use std::ffi::OsString;

/// Upstream's flags that have no meaning here, and whether a value follows.
const IGNORED: &[(&str, bool)] = &[
    ("gpu_ids", true),
    ("display_freq", true),
    ("display_ncols", true),
    ("display_id", true),
    ("display_server", true),
    ("display_env", true),
    ("display_port", true),
    ("display_winsize", true),
    ("update_html_freq", true),
    ("no_html", false),
    ("use_wandb", false),
    ("wandb_project_name", true),
    ("verbose", false),
    ("suffix", true),
    ("data_type", true),
    ("debug", false),
    ("fp16", false),
    ("local_rank", true),
];

/// Whether a flag of upstream has no meaning here.
pub(crate) fn is_ignored(name: &str) -> bool {
    IGNORED.iter().any(|(n, _)| *n == name)
}

/// Takes `-` and `_` alike in flag names (a word with blanks is no flag: `bench step --against`
/// takes such), and drops upstream's flags that have no meaning here, with a note for each.
pub(crate) fn normalise(words: impl Iterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        // A word that is not valid Unicode can only be the name of a file.
        let flag = word.to_str().and_then(|word| word.strip_prefix("--"));
        let Some(flag) = flag.filter(|f| !f.is_empty() && !f.contains(' ')) else {
            kept.push(word);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
        let name = name.replace('-', "_");
        match IGNORED.iter().find(|(n, _)| *n == name) {
            Some((_, takes_value)) => {
                if *takes_value && value.is_none() {
                    words.next_if(|w| !w.as_encoded_bytes().starts_with(b"--"));
                }
                notes.push(format!("--{name} has no meaning here and is ignored"));
            }
            None => {
                let given = value.map_or_else(|| format!("--{name}"), |v| format!("--{name}={v}"));
                kept.push(given.into());
            }
        }
    }
    (kept, notes)
}
