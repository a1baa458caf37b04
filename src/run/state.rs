//! Where a run stands: the file that vouches for a checkpoint's other files.

use crate::train::ScheduleState;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// 1 had no digest of its own.
const FORMAT: u32 = 2;

/// Where a run stands. Written last: it vouches for the files it names, and for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    format_version: u32,
    /// SHA-256 of this text with nothing between the quotes here. The first field: [`State::text`]
    /// looks for it.
    #[serde(default)]
    digest: String,
    /// Steps done.
    pub step: u64,
    /// Pictures of each side in them; runs of earlier versions had as many in each step.
    #[serde(default)]
    pub pictures: Option<u64>,
    /// Epoch of the next batch, from 1, and that batch's place in it: the sampler's position.
    pub epoch: u64,
    /// See `epoch`.
    pub batch: usize,
    /// Seed of weights, dropout and sampler; random numbers are counted by step, so this and `step`
    /// are the whole RNG state.
    pub seed: u64,
    /// What the learning rate's schedule has seen.
    #[serde(default)]
    pub schedule: ScheduleState,
    /// SHA-256 of the files that belong to this state.
    digests: BTreeMap<String, String>,
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl State {
    /// The state of a run at `step`; files are added with [`State::vouch`].
    pub fn new(
        step: u64,
        (epoch, batch): (u64, usize),
        seed: u64,
        schedule: ScheduleState,
    ) -> State {
        State {
            format_version: FORMAT,
            digest: String::new(),
            step,
            pictures: None,
            epoch,
            batch,
            seed,
            schedule,
            digests: BTreeMap::new(),
        }
    }

    /// Vouches for a file.
    pub fn vouch(&mut self, name: &str, bytes: &[u8]) {
        self.digests.insert(name.into(), digest(bytes));
    }

    /// Whether it vouches for a file.
    pub fn has(&self, name: &str) -> bool {
        self.digests.contains_key(name)
    }

    /// Names of the files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.digests.keys().map(String::as_str)
    }

    /// The text of the file.
    pub fn text(&self) -> Result<String> {
        let blank = State { digest: String::new(), ..self.clone() };
        let text = serde_json::to_string_pretty(&blank)
            .map_err(|e| Error::Internal(e.to_string()))?
            + "\n";
        Ok(text.replacen(
            "\"digest\": \"\"",
            &format!("\"digest\": \"{}\"", digest(text.as_bytes())),
            1,
        ))
    }

    /// Reads such a text.
    fn parse(text: &str) -> std::result::Result<State, String> {
        let state: State =
            serde_json::from_str(text).map_err(|e| format!("no state of a run: {e}"))?;
        if state.format_version > FORMAT {
            return Err(format!(
                "format version {} is not known; this pixtape reads up to {FORMAT}",
                state.format_version
            ));
        }
        let blank = text.replacen(&format!("\"{}\"", state.digest), "\"\"", 1);
        let old = state.format_version == 1 && state.digest.is_empty();
        if old || digest(blank.as_bytes()) == state.digest {
            Ok(state)
        } else {
            Err("its digest does not fit: it was changed or cut short".into())
        }
    }

    /// Reads a state and checks the files beside it against their digests.
    ///
    /// # Errors
    /// [`Error::File`] for the first file that is missing, cut short or changed.
    pub fn read(file: &Path) -> Result<State> {
        let text = crate::io::file::read_text(file)
            .map_err(|e| Error::file(file, format!("cannot be read: {e}")))?;
        let state = State::parse(&text).map_err(|e| Error::file(file, e))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        for (name, wanted) in &state.digests {
            // Nothing else is opened, whatever a file that was made up says.
            if Path::new(name).file_name() != Some(name.as_ref()) {
                return Err(Error::file(
                    file,
                    format!("vouches for {name:?}, which is not in its folder"),
                ));
            }
            let file = folder.join(name);
            let bytes = crate::io::file::read(&file)
                .map_err(|e| Error::file(&file, format!("cannot be read: {e}")))?;
            if digest(&bytes) != *wanted {
                return Err(Error::file(
                    &file,
                    "was changed or cut short: its digest is not the one that was saved with it",
                ));
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("weights"), [7; 50]).unwrap();
        let mut state = State::new(17, (2, 3), 5, ScheduleState::default());
        state.vouch("weights", &[7; 50]);
        let text = state.text().unwrap();
        let read = |text: &[u8]| {
            std::fs::write(path("state.json"), text).unwrap();
            State::read(&path("state.json"))
        };
        assert_eq!(State { digest: String::new(), ..read(text.as_bytes()).unwrap() }, state);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(read(&bytes).is_err(), "byte {at} of {text}");
            assert!(read(&text.as_bytes()[..at]).is_err(), "cut at {at}");
        }
        read(text.as_bytes()).unwrap();
        let mut weights = [7; 50];
        weights[49] = 6;
        for wrong in [&weights[..], &[7; 49], &[]] {
            std::fs::write(path("weights"), wrong).unwrap();
            let message = read(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains("weights: was changed or cut short"), "{message}");
        }
        std::fs::remove_file(path("weights")).unwrap();
        assert!(read(text.as_bytes()).is_err());
    }

    #[test]
    fn a_state_of_the_first_version_is_read() {
        let text =
            "{\"format_version\":1,\"step\":4,\"epoch\":2,\"batch\":1,\"seed\":0,\"digests\":{}}";
        assert_eq!(State::parse(text).unwrap().step, 4);
        let file = tempfile::NamedTempFile::new().unwrap();
        for name in ["../x", "/dev/zero", "a/b", "..", ""] {
            std::fs::write(file.path(), text.replace("{}", &format!("{{\"{name}\":\"\"}}")))
                .unwrap();
            assert!(
                State::read(file.path()).unwrap_err().to_string().contains("not in its folder"),
                "{name}"
            );
        }
        assert!(
            State::parse(&text.replace("\":1,", "\":2,")).is_err()
                && State::parse(&text.replace("\":1,", "\":9,")).is_err()
        );
    }
}
