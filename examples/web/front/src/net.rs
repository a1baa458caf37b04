//! A generator out of a file.

use crate::device::Device;
use crate::{Js, pixels, refused, told};
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{Pick, Wanted, WeightsFile};
use pixtape::nets::{Generator, Mode};
use pixtape::ops::NormMode;
use pixtape::train::Translator;
use pixtape::{Gpu, PlanOptions, Store};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// A program and the size it is for.
type Sized = ((u32, u32), Rc<Translator>);

/// A generator on a device.
#[wasm_bindgen]
pub struct Net {
    gpu: Gpu,
    store: Store,
    generator: Generator,
    /// For the size that was translated last.
    last: RefCell<Option<Sized>>,
}

#[wasm_bindgen]
impl Net {
    /// Reads safetensors or a `.pth` and puts the generator on the device.
    pub fn load(device: &Device, bytes: &[u8]) -> Js<Net> {
        let pick = Pick::of(Wanted::Generator);
        let file = WeightsFile::parse_net(bytes, &pick).map_err(|e| refused("Error", &e))?;
        let file = TensorFile::default().with(file);
        let config = file.recognise_generator().map_err(told)?;
        let mut store = Store::new();
        let generator = Generator::new(&mut store, "G", config).map_err(told)?;
        file.load_into(&device.gpu, &store, generator.weights()).map_err(told)?;
        Ok(Net { gpu: device.gpu.clone(), store, generator, last: RefCell::default() })
    }

    /// Which net it is.
    pub fn describe(&self) -> String {
        let config = self.generator.config();
        format!("{config}, ngf {}, {} weights", config.ngf(), self.generator.weights().count())
    }

    /// What the sides of an image must be multiples of.
    pub fn multiple(&self) -> u32 {
        self.generator.config().multiple()
    }

    /// Translates RGBA bytes of an image to RGBA bytes.
    pub async fn translate(&self, rgba: Vec<u8>, width: u32, height: u32) -> Js<Vec<u8>> {
        let config = self.generator.config();
        let channels = config.input_nc();
        let input = pixels::from_rgba(&rgba, channels).ok_or_else(|| {
            let why =
                format!("this network reads {channels} channels; the page gives it RGB or gray");
            refused("Error", &why)
        })?;
        let translator = self.translator(width, height)?;
        let output = translator.run(&input, 0, 0).await.map_err(told)?;
        Ok(pixels::to_rgba(&output, config.output_nc()))
    }

    fn translator(&self, width: u32, height: u32) -> Js<Rc<Translator>> {
        let mut last = self.last.borrow_mut();
        if let Some((size, translator)) = &*last
            && *size == (width, height)
        {
            return Ok(translator.clone());
        }
        // Before the next one is made, so that only one takes memory.
        *last = None;
        self.generator.config().check_size(width, height).map_err(told)?;
        let (gpu, store, generator) = (&self.gpu, &self.store, &self.generator);
        // As the program's `translate` by default.
        let mode = Mode::run(NormMode::Batch, false);
        let options = PlanOptions::default();
        let made = Translator::new(gpu, store, generator, width, height, mode, options);
        let made = Rc::new(made.map_err(told)?);
        *last = Some(((width, height), made.clone()));
        Ok(made)
    }
}
