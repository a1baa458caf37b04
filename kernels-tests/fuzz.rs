//! Files that users bring, broken in every way that chance finds: no reader panics, allocates more
//! than the file's size can justify, runs for long, or complains in more than one line.
//!
//! Valid files are generated, then mutated from a seed. `PIXTAPE_FUZZ_CASES` sets how
//! many cases there are in all (24,000), `PIXTAPE_FUZZ_SEED` another seed, `PIXTAPE_FUZZ_READER`
//! readers whose names have it in them; a failing case names its number and is left in a file.

#[path = "support/fuzz/mod.rs"]
mod fuzz;

use fuzz::alloc::Counting;
use fuzz::mutate::mutate;
use fuzz::readers::{self, Manner};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

#[test]
fn broken_files_are_refused_in_one_line() {
    let (cases, seed) =
        (number("PIXTAPE_FUZZ_CASES", 24_000), number("PIXTAPE_FUZZ_SEED", 1) as u32);
    let mut readers = readers::all();
    if let Ok(name) = std::env::var("PIXTAPE_FUZZ_READER") {
        readers.retain(|r| r.name.contains(&name));
    }
    let folder = tempfile::tempdir().unwrap();
    let share = cases.div_ceil(readers.len() as u64) as u32;
    for (stream, reader) in (0..).zip(&readers) {
        let mut tally = fuzz::Tally::default();
        for (name, bytes) in &reader.seeds {
            let outcome = fuzz::case(
                reader,
                folder.path(),
                bytes,
                &format!("{}: the seed {name}", reader.name),
            );
            assert!(
                outcome.error.is_none(),
                "{}: the seed {name} is not accepted: {:?}",
                reader.name,
                outcome.error
            );
        }
        for case in 0..share {
            let bytes = mutate(&reader.seeds, reader.kind, seed, stream, case);
            let what = format!("{}: case {case} of stream {stream}, seed {seed}", reader.name);
            tally.add(fuzz::case(reader, folder.path(), &bytes, &what));
        }
        println!("{:<22} {tally}", reader.name);
        // Mutations that break nothing, or everything, would test nothing.
        assert!(
            tally.refused * 10 > share || reader.manner == Manner::Lenient,
            "{}: {tally}",
            reader.name
        );
        assert!(
            tally.refused < share || reader.manner == Manner::Guarded,
            "{}: {tally}",
            reader.name
        );
    }
}
