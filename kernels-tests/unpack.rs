//! Values of 16 and 8 bits, converted on the device against the host: bit by bit.

use crate::support;
use pixtape::store::{Layout, Packed, Param};
use pixtape::testing::{self, Call};
use pixtape::{Channels, Error, Gpu, Store};
use std::sync::{Arc, Mutex};

/// What lies where nothing may be written, and before anything is.
const POISON: f32 = -77.25;

/// A tensor of a store between two others.
struct Place {
    store: Store,
    before: Param,
    own: Param,
    after: Param,
}

impl Place {
    fn new(gpu: &Gpu, layout: Layout) -> Place {
        let mut store = Store::new();
        let [before, own, after] = ["before", "own", "after"].map(|n| store.param("G", n, layout));
        let place = Place { store, before, own, after };
        for param in [&place.before, &place.own, &place.after] {
            let count = place.store.shape(param.value).bytes() as usize / 4;
            place.store.write_raw(gpu, param.value, &vec![POISON; count]).unwrap();
        }
        place
    }

    fn raw(&self, gpu: &Gpu, param: &Param) -> Vec<u32> {
        let values = pollster::block_on(self.store.read_raw(gpu, param.value)).unwrap();
        values.into_iter().map(f32::to_bits).collect()
    }
}

/// Compares bits, padding included, with what the host makes of the same values.
fn same_as_on_the_host(gpu: &Gpu, layout: Layout, values: Packed<'_>) {
    let [host, device] = [(); 2].map(|()| Place::new(gpu, layout));
    host.store.write(gpu, host.own.value, &layout, &values.to_f32s()).unwrap();
    device.store.write_packed(gpu, device.own.value, &layout, values).unwrap();
    let (wanted, found) = (host.raw(gpu, &host.own), device.raw(gpu, &device.own));
    assert_eq!(wanted.len(), found.len());
    for (at, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
        assert_eq!(wanted, found, "{layout:?}: word {at}, {wanted:#x} on the host");
    }
    for param in [&device.before, &device.after] {
        let raw = device.raw(gpu, param);
        assert!(raw.iter().all(|v| *v == POISON.to_bits()), "{layout:?}: {} changed", param.name);
    }
}

fn parts(all: &[u32]) -> Channels {
    let all: Vec<Channels> = all.iter().map(|c| Channels::new(*c)).collect();
    Channels::concat(&all).unwrap()
}

/// Every layout with odd channels and parts of them.
fn layouts() -> Vec<Layout> {
    let mut all: Vec<Layout> =
        [parts(&[1]), parts(&[4]), parts(&[7]), parts(&[3, 5, 2]), parts(&[64, 3, 9])]
            .map(Layout::Vector)
            .into();
    for ci in [parts(&[3]), parts(&[8]), parts(&[3, 3]), parts(&[5, 2, 4, 1])] {
        for (co, kernel) in [(1, 4), (3, 7), (8, 3), (13, 1)] {
            all.push(Layout::Conv { ci, co, kernel });
            all.push(Layout::ConvTranspose { ci, co, kernel });
        }
    }
    all
}

#[test]
fn every_half_has_the_bits_that_the_host_gives_it() {
    let Some(gpu) = support::gpu() else { return };
    let all: Vec<u16> = (0..=u16::MAX).collect();
    for values in [Packed::F16(&all), Packed::Bf16(&all)] {
        same_as_on_the_host(gpu, Layout::Vector(parts(&[1 << 16])), values);
        let (ci, co, kernel) = (64.into(), 64, 4);
        same_as_on_the_host(gpu, Layout::Conv { ci, co, kernel }, values);
    }
}

#[test]
fn every_code_times_its_scale_has_the_bits_that_the_host_gives_it() {
    let Some(gpu) = support::gpu() else { return };
    let scale = support::reals(16, 1, 1e-4, 1e-2);
    // Every code with every scale.
    let codes: Vec<i8> = (0..16 * 256).map(|i| (i % 256) as u8 as i8).collect();
    let (ci, co, kernel) = (64.into(), 16, 2);
    let values = Packed::I8 { codes: &codes, scale: &scale, run: 256 };
    same_as_on_the_host(gpu, Layout::Conv { ci, co, kernel }, values);
    // Scales at the ends of what the device multiplies, and beyond: there the host does it.
    for odd in [f32::MIN_POSITIVE, f32::MAX / 128.0, 1e-40, 0.0, -0.5, 1e38, f32::NAN, f32::MAX] {
        let scale: Vec<f32> = [&scale[..15], &[odd]].concat();
        let values = Packed::I8 { codes: &codes, scale: &scale, run: 256 };
        same_as_on_the_host(gpu, Layout::Conv { ci, co, kernel }, values);
    }
}

#[test]
fn every_layout_is_filled_as_the_host_fills_it() {
    let Some(gpu) = support::gpu() else { return };
    for layout in layouts() {
        let count = layout.elements();
        let bits: Vec<u32> = support::bits(count, 3);
        let halves: Vec<u16> = bits.iter().map(|b| *b as u16).collect();
        let codes: Vec<i8> = bits.iter().map(|b| *b as u8 as i8).collect();
        let floats: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
        same_as_on_the_host(gpu, layout, Packed::F32(&floats));
        same_as_on_the_host(gpu, layout, Packed::F16(&halves));
        same_as_on_the_host(gpu, layout, Packed::Bf16(&halves));
        // A scale per entry of the first dimension, then of the second.
        let shape = layout.public_shape();
        for axis in 0..shape.len().min(2) {
            let run = shape[axis + 1..].iter().product();
            let scale: Vec<f32> = (0..shape[axis]).map(|i| 0.1 + i as f32 / 3.0).collect();
            same_as_on_the_host(gpu, layout, Packed::I8 { codes: &codes, scale: &scale, run });
        }
    }
}

#[test]
fn halves_are_uploaded_as_such_and_what_that_takes_is_given_back() {
    if support::gpu().is_none() {
        return;
    }
    let gpu = pollster::block_on(Gpu::request(&support::request())).unwrap();
    let uploaded = Arc::new(Mutex::new(Vec::new()));
    let seen = uploaded.clone();
    testing::hook(&gpu, move |call| {
        if let Call::Buffer { label: "packed parameters", bytes } = call {
            seen.lock().unwrap().push(bytes);
        }
        false
    });
    let layout = Layout::Conv { ci: 3.into(), co: 5, kernel: 3 };
    let place = Place::new(&gpu, layout);
    let before = gpu.allocated_bytes();
    let write = |values| place.store.write_packed(&gpu, place.own.value, &layout, values);
    let (halves, codes) = ([0x3c00; 135], [1; 135]);
    write(Packed::F16(&halves)).unwrap();
    write(Packed::I8 { codes: &codes, scale: &[0.5; 5], run: 27 }).unwrap();
    assert_eq!(gpu.allocated_bytes(), before);
    let written = place.raw(&gpu, &place.own);
    let short = write(Packed::F16(&halves[1..])).unwrap_err();
    assert!(matches!(&short, Error::Usage(text) if text.contains("134 values")), "{short}");
    assert_eq!(place.raw(&gpu, &place.own), written);
    // Up to whole words; of the codes with 5 scales.
    assert_eq!(*uploaded.lock().unwrap(), [272, 136 + 20]);
}
