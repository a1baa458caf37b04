//! This workspace's lock file is the repository's, as far as both go: the kernels are compiled by
//! the naga that the program has, and one build of it serves both.

use std::collections::BTreeSet;

/// `name version` of every package.
fn packages(lock: &str) -> BTreeSet<String> {
    let quoted =
        |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_string());
    let lines: Vec<&str> = lock.lines().collect();
    lines
        .windows(2)
        .filter_map(|two| {
            let (name, version) = (quoted(two[0], "name = ")?, quoted(two[1], "version = ")?);
            Some(format!("{name} {version}"))
        })
        .collect()
}

#[test]
fn versions_are_those_of_the_repository() {
    let ours = packages(include_str!("../Cargo.lock"));
    let theirs = packages(include_str!("../../../Cargo.lock"));
    let more: Vec<&String> =
        ours.difference(&theirs).filter(|p| !p.starts_with("pixtape-static ")).collect();
    assert!(
        more.is_empty() && ours.iter().any(|p| p.starts_with("naga ")),
        "{more:?}: cp Cargo.lock benches/static/ and build once without --locked"
    );
}
