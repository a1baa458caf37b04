//! An ONNX file in ONNX Runtime, on the CPU: translates one image and says how long each part took.
//! The library is the one that `ORT_DYLIB_PATH` names.

#[path = "../../common.rs"]
mod common;

use common::{Result, SIDE};
use ort::session::Session;
use ort::value::Tensor;

fn main() -> Result<()> {
    common::run(|graph| {
        let environment = ort::init().build()?;
        let mut session = Session::builder(&environment)?.commit_from_file(graph)?;
        let translate = move |planes: Vec<f32>| {
            let image = Tensor::from_array(([1, 3, SIDE, SIDE], planes))?;
            let made = session.run(ort::inputs![image])?;
            Ok(made[0].try_extract_tensor::<f32>()?.1.to_vec())
        };
        Ok(("ONNX Runtime, CPU".to_string(), translate))
    })
}
