//! Makes `bindings/c/include/pixtape.h` from the crate's source. With `--check` it writes nothing
//! and fails where the file is another one: users need no cbindgen, so the header is committed.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = crate_folder.join("include/pixtape.h");
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml"))
        .unwrap_or_else(|e| panic!("cbindgen.toml: {e}"));
    let made = cbindgen::Builder::new()
        .with_crate(&crate_folder)
        .with_config(config)
        .generate()
        .unwrap_or_else(|e| panic!("cbindgen: {e}"));
    let mut text = Vec::new();
    made.write(&mut text);
    let same = std::fs::read(&path).is_ok_and(|old| old == text);
    if std::env::args().any(|word| word == "--check") {
        if same {
            return ExitCode::SUCCESS;
        }
        eprintln!("{} is not what its source makes; run bindings/test --header", path.display());
        return ExitCode::FAILURE;
    }
    if !same {
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    ExitCode::SUCCESS
}
