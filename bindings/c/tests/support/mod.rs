//! Weights for the tests, and running what they build.

use engine::io::weights::{Precision, WeightsFile};
use engine::nets::{Generator, GeneratorConfig, ResnetConfig, UnetConfig};
use engine::store::Store;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of a net, every tensor by one formula.
fn weights(config: impl Into<GeneratorConfig>) -> Vec<u8> {
    let mut store = Store::new();
    let net = Generator::new(&mut store, "G", config).unwrap();
    let mut file = WeightsFile::default();
    for (number, param) in net.weights().params().enumerate() {
        let shape = param.layout.public_shape();
        let positive = param.name.ends_with("running_var");
        let value = |i: usize| {
            let v = ((i * 7919 + number * 104_729) % 1009) as f32 / 1009.0 - 0.5;
            if positive { 1.0 + v } else { 0.4 * v }
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        file.tensors.insert(param.name.clone(), (shape, values).into());
    }
    file.to_safetensors(Precision::F32).unwrap()
}

/// A folder with generators and with what is none.
pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let unet = |input_nc, output_nc| {
        let config = UnetConfig { input_nc, output_nc, ngf: 4, downs: 5, ..UnetConfig::default() };
        weights(config)
    };
    let labels = ResnetConfig { input: 9.into(), ngf: 4, blocks: 6, ..ResnetConfig::default() };
    let g = unet(3, 3);
    let text = b"[notes]\nthis is a text and no weights file\n".to_vec();
    for (name, bytes) in [
        ("cut", g[..g.len() - 100].to_vec()),
        ("gray", unet(1, 1)),
        ("labels", weights(labels)),
        ("rgba", unet(4, 4)),
        ("text", text),
        ("two", unet(3, 2)),
        ("G", g),
    ] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// The crate's own folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo puts libpixtape.a and libpixtape.so. It does not build them for tests, which cannot
/// link them: `bindings/test` does.
pub fn libraries() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().nth(2).unwrap().to_path_buf();
    assert!(folder.join("libpixtape.a").exists(), "bindings/test builds the libraries first");
    folder
}

/// Whether a program is here.
pub fn have(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Says that a test does not run here, or fails where CI wants it to.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(), "needed here: {why}");
    println!("SKIPPED: {why}");
}

/// What a command printed, if it went well.
pub fn ok(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// What a command said of what went wrong.
pub fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stderr).unwrap()
}
