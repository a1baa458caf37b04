//! What the targets share: a case is the number of a reader of its family, in a byte, and a file
//! for it. The readers, and what they must not do, are those of `kernels-tests/fuzz.rs`.

#[path = "../kernels-tests/support/fuzz/mod.rs"]
#[allow(dead_code)]
mod fuzz;

use fuzz::readers::{self, Reader};
use std::cell::OnceCell;
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: fuzz::alloc::Counting = fuzz::alloc::Counting;

/// Gives a file to a reader of a family; what a broken file must not cause ends the process.
pub fn case(family: &str, data: &[u8]) {
    thread_local! {
        static READERS: OnceCell<(Vec<Reader>, TempDir)> = const { OnceCell::new() };
    }
    let Some((number, bytes)) = data.split_first() else { return };
    READERS.with(|readers| {
        let (readers, folder) = readers.get_or_init(|| {
            // Memory, where the system has a folder in it.
            let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
            (readers::family(family), folder.expect("a folder for temporary files"))
        });
        let reader = &readers[usize::from(*number) % readers.len()];
        fuzz::case(reader, folder.path(), bytes, reader.name);
    });
}
