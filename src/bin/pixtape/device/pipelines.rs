//! The driver's compiled pipelines, kept in the user's cache folder. Whatever is wrong with file or
//! folder, the program goes on without.

use super::environment::cache_dir;
use pixtape::gpu::Gpu;
use pixtape::io::{create_dir, write_aside};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// First bytes of a file; the SHA-256 of what follows comes next.
const MAGIC: &[u8] = b"pixtape pipelines 1\n";
/// Larger than any cache of a few dozen kernels: not read.
const MOST_BYTES: u64 = 256 << 20;

/// A device's file, and what it held.
#[derive(Debug)]
pub(crate) struct Kept {
    gpu: Gpu,
    path: Option<PathBuf>,
    data: Option<Vec<u8>>,
}

impl Kept {
    /// Has the device begin with what its file holds.
    pub fn open(gpu: &Gpu) -> Kept {
        let path =
            cache_dir().zip(gpu.pipeline_cache_key()).map(|(folder, key)| folder.join(name(&key)));
        let data = path.as_deref().and_then(read);
        if path.is_some() {
            // SAFETY: the digest says that these are the bytes that were saved, for this adapter,
            // driver and version by the file's name. A cache that cannot be opened is none.
            let _ = unsafe { gpu.open_pipeline_cache(data.as_deref()) };
        }
        Kept { gpu: gpu.clone(), path, data }
    }

    /// Writes the file if there is something new for it. Of two processes the last wins.
    pub fn save(&self) {
        let Some((path, data)) = self.path.as_ref().zip(self.gpu.pipeline_cache_data()) else {
            return;
        };
        if self.data.as_ref() != Some(&data)
            && let Some(folder) = path.parent()
        {
            let _ = create_dir(folder).and_then(|()| write_aside(path, &encode(&data)));
        }
    }
}

/// A file name for a key with any characters in it.
fn name(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("pipelines-{hex}.bin")
}

fn encode(data: &[u8]) -> Vec<u8> {
    [MAGIC, Sha256::digest(data).as_slice(), data].concat()
}

fn decode(file: &[u8]) -> Option<&[u8]> {
    let (digest, data) = file.strip_prefix(MAGIC)?.split_at_checked(32)?;
    (Sha256::digest(data).as_slice() == digest).then_some(data)
}

/// What a file holds. One that is not whole is removed.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::metadata(path).ok()?.len();
    let data = if bytes > MOST_BYTES {
        None
    } else {
        decode(&std::fs::read(path).ok()?).map(<[u8]>::to_vec)
    };
    if data.is_none() {
        let _ = std::fs::remove_file(path);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_is_read_and_any_other_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name("adapter driver 1"));
        assert_eq!(read(&path), None);
        let whole = encode(b"what a driver gave");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"what a driver gave"[..]));
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let longer = [&whole[..], b"!"].concat();
        for wrong in [
            &whole[..whole.len() - 1],
            &whole[..MAGIC.len() + 5],
            &whole[..3],
            b"",
            b"garbage",
            &flipped,
            &longer,
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(read(&path), None);
            assert!(!path.exists(), "a file of {} bytes stays", wrong.len());
        }
        // A folder of that name can be neither read nor removed, and is no failure.
        std::fs::create_dir(&path).unwrap();
        assert_eq!(read(&path), None);
    }

    #[test]
    fn names_tell_devices_drivers_and_versions_apart() {
        assert_eq!(name("a"), name("a"));
        assert_ne!(name("a"), name("b"));
        assert!(name("a/../\u{0}").chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)));
    }
}
