//! The engine as a page's worker sees it: a device, a network out of a file, and a training. What
//! waits is async, and nothing here keeps the worker for longer than a submission takes.

mod bench;
// Compiled natively too, by kernels-tests/web.rs.
#[path = "../../demo.rs"]
mod demo;
mod device;
// The demo of the program draws the same, and this is its file.
#[path = "../../../../src/bin/pixtape/commands/demo/draw.rs"]
#[allow(dead_code)]
mod draw;
mod kernels;
#[cfg(feature = "weights")]
mod net;
mod pixels;
#[cfg(feature = "weights")]
mod state;
mod trainer;

use pixtape::Error;
use wasm_bindgen::prelude::*;

/// What an export returns: errors reach the page as `Error` with a message of one line.
type Js<T> = Result<T, JsValue>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn complain(text: &str);
}

#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| complain(&info.to_string())));
}

/// An error for the page, which tells kinds apart by `name`.
fn told(error: Error) -> JsValue {
    let name = match &error {
        Error::DeviceLost { .. } => "DeviceLost",
        Error::OutOfMemory { .. } => "OutOfMemory",
        Error::Adapter(_) => "NoAdapter",
        _ => "Error",
    };
    refused(name, &error.to_string())
}

fn refused(name: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    error.set_name(name);
    error.into()
}

/// A pair that the demo draws: the label map's RGB bytes, then the facade's.
#[wasm_bindgen]
pub fn facade(seed: u32, number: u32, held_out: bool, side: u32) -> Vec<u8> {
    let (mut input, target) = demo::pair(seed.into(), number.into(), held_out, side);
    input.extend(target);
    input
}

/// The demo's palette, RGB bytes, in the order of [`label_names`].
#[wasm_bindgen]
pub fn palette() -> Vec<u8> {
    draw::PALETTE.concat()
}

/// What the colours of the palette stand for.
#[wasm_bindgen]
pub fn label_names() -> Vec<String> {
    demo::LABELS.map(String::from).into()
}
