//! Generators: read from a file or from memory, run on images of the caller.

mod run;

use crate::device::Device;
use crate::error::{Status, argument, c_text, status_of, value_or};
use crate::image::{Rows, check_size};
use crate::pointer::{bytes, free, give, handle, place, text};
use engine::Result;
use engine::ops::NormMode;
use engine::run::Checkpoint;
use run::{Net, Settings};
use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A generator on a device.
pub struct Generator {
    net: Mutex<Net>,
    facts: Facts,
}

/// What does not change.
struct Facts {
    description: CString,
    input_nc: u32,
    output_nc: u32,
    multiple: u32,
}

/// Which statistics the norms of a net use.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Norm {
    /// Those of each image, as pix2pix does it: the default.
    Batch = 0,
    /// Those that the training has kept, where the file has some.
    Running = 1,
    /// Those of each image; the same as batch for one image.
    Instance = 2,
}

impl Generator {
    fn new(device: &Device, checkpoint: &Checkpoint) -> Result<Generator> {
        let net = Net::new(&device.gpu, checkpoint)?;
        let config = &checkpoint.config;
        let facts = Facts {
            description: c_text(&config.to_string()),
            input_nc: config.input_nc(),
            output_nc: config.output_nc(),
            multiple: config.multiple(),
        };
        Ok(Generator { net: Mutex::new(net), facts })
    }

    /// The net, when no other call uses it. After a panic it is made ready anew.
    fn lock(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(|poisoned: PoisonError<MutexGuard<'_, Net>>| {
            let mut net = poisoned.into_inner();
            net.reset();
            self.net.clear_poison();
            net
        })
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.lock().change(change);
    }
}

/// Reads a generator from a file (safetensors, .pth of PyTorch, .pict) or from a run's folder (its
/// latest weights). path: UTF-8. key: of several networks in a .pth the one at this key, "netG", with
/// dots for nesting; NULL or "" takes the only generator. Free it with pixtape_generator_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_from_file(
    device: *const Device,
    path: *const c_char,
    key: *const c_char,
    generator: *mut *mut Generator,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let (place, device, path, key) = unsafe {
            let place = place("generator", generator, ptr::null_mut())?;
            (place, handle("device", device)?, text("path", path)?, text("key", key)?)
        };
        let path = path.ok_or_else(|| argument("path", "is NULL or empty; name a file"))?;
        let checkpoint = Checkpoint::read(Path::new(path), "latest", None, key)?;
        *place = give(Generator::new(device, &checkpoint)?);
        Ok(())
    })
}

/// Like pixtape_generator_from_file, from the bytes of such a file in memory. They are not needed
/// after the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_from_bytes(
    device: *const Device,
    data: *const u8,
    size: usize,
    key: *const c_char,
    generator: *mut *mut Generator,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let (place, device, data, key) = unsafe {
            let place = place("generator", generator, ptr::null_mut())?;
            (place, handle("device", device)?, bytes("data", data, size)?, text("key", key)?)
        };
        let checkpoint = Checkpoint::parse(data, key)?;
        *place = give(Generator::new(device, &checkpoint)?);
        Ok(())
    })
}

/// Which net it is, "U-Net of 8 halvings"; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_description(
    generator: *const Generator,
) -> *const c_char {
    // SAFETY: the caller's promise.
    let facts = || Ok(unsafe { handle("generator", generator) }?.facts.description.as_ptr());
    value_or(ptr::null(), facts)
}

/// Channels that the net reads: 1, 3 or 4; 0 for NULL. Images are given as RGBA in any case: see
/// pixtape_generator_translate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_input_channels(generator: *const Generator) -> u32 {
    // SAFETY: the caller's promise.
    value_or(0, || Ok(unsafe { handle("generator", generator) }?.facts.input_nc))
}

/// Channels that the net makes: 1, 3 or 4; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_output_channels(generator: *const Generator) -> u32 {
    // SAFETY: the caller's promise.
    value_or(0, || Ok(unsafe { handle("generator", generator) }?.facts.output_nc))
}

/// The net works on sides that are multiples of this; 0 for NULL. Images of other sizes are padded by
/// reflection, and the result is cropped: the caller has nothing to do for them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_multiple(generator: *const Generator) -> u32 {
    // SAFETY: the caller's promise.
    value_or(0, || Ok(unsafe { handle("generator", generator) }?.facts.multiple))
}

/// Chooses the statistics of the norms, for calls from now on. norm: a pixtape_norm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_set_norm(
    generator: *mut Generator,
    norm: i32,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let generator = unsafe { handle("generator", generator) }?;
        let norm = match norm {
            n if n == Norm::Batch as i32 => NormMode::Batch,
            n if n == Norm::Running as i32 => NormMode::Running,
            n if n == Norm::Instance as i32 => NormMode::Instance,
            other => {
                let why = format!("{other}: choose 0 (batch), 1 (running) or 2 (instance)");
                return Err(argument("norm", &why));
            }
        };
        generator.set(|settings| settings.norm = norm);
        Ok(())
    })
}

/// Sets how many bytes of device memory the net may use for an image, for calls from now on. 0, the
/// default, sets no limit. Images that need more, or more than the device allows in one piece, are
/// computed in strips: slower, and the same up to rounding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_set_memory_limit(
    generator: *mut Generator,
    limit: u64,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let generator = unsafe { handle("generator", generator) }?;
        generator.set(|settings| settings.memory_limit = (limit > 0).then_some(limit));
        Ok(())
    })
}

/// Compiles kernels and allocates memory for images of one size, so that the first translation is as
/// fast as the next; it may take seconds. Both are kept until another size or setting is used.
/// Optional: pixtape_generator_translate does it if needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_prepare(
    generator: *mut Generator,
    width: u32,
    height: u32,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let generator = unsafe { handle("generator", generator) }?;
        check_size((width, height))?;
        generator.lock().prepare((width, height))
    })
}

/// Translates an image, and waits for the result: width x height pixels of RGBA, a byte each, in
/// rows from the top. The result is that of `pixtape translate`.
///
/// input_stride, output_stride: bytes from the beginning of a row to that of the next, at least 4 x
/// width; 0 for rows without a gap. input_size, output_size: bytes of the buffers, at least
/// stride x (height - 1) + 4 x width. Gaps between the output's rows stay as they are. output may
/// be input; after an error it is as it was.
///
/// Channels: a net that takes 3 reads RGB, one that takes 1 reads the gray of RGB, one that takes 4
/// reads RGBA. A net that makes 3 gives RGB, one that makes 1 gives gray as RGB: the output has the
/// input's alpha then. One that makes 4 gives RGBA, alpha included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_translate(
    generator: *mut Generator,
    width: u32,
    height: u32,
    input: *const u8,
    input_size: usize,
    input_stride: usize,
    output: *mut u8,
    output_size: usize,
    output_stride: usize,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let generator = unsafe { handle("generator", generator) }?;
        let size = (width, height);
        check_size(size)?;
        let from = Rows::new("input", size, input_stride, input_size)?;
        let to = Rows::new("output", size, output_stride, output_size)?;
        if output.is_null() {
            return Err(argument("output", "is NULL; give the buffer for the result"));
        }
        // SAFETY: the caller's promise. All is read before anything is written, since the two may
        // be one buffer.
        let image = unsafe { from.read("input", input, size) }?;
        let made = generator.lock().translate(image)?;
        // SAFETY: the caller's promise, and not NULL.
        unsafe { to.write(output, &made.data) };
        Ok(())
    })
}

/// Frees a generator; NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_generator_free(generator: *mut Generator) {
    // SAFETY: the caller's promise.
    unsafe { free(generator) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{pixtape_device_free, pixtape_device_open};
    use crate::error::pixtape_last_error;
    use engine::io::weights::{Precision, WeightsFile};
    use engine::nets::UnetConfig;
    use engine::store::Store;
    use std::ffi::CStr;

    /// A file of a small U-Net.
    fn weights() -> Vec<u8> {
        let config = UnetConfig { ngf: 4, downs: 5, ..UnetConfig::default() };
        let mut store = Store::new();
        let net = engine::nets::Generator::new(&mut store, "G", config).unwrap();
        let mut file = WeightsFile::default();
        for param in net.weights().params() {
            let value = |i: usize| ((i * 7919) % 1009) as f32 / 2500.0 - 0.1;
            let values = (0..param.layout.elements()).map(value).collect();
            file.tensors.insert(param.name.clone(), (param.layout.public_shape(), values).into());
        }
        file.to_safetensors(Precision::F32).unwrap()
    }

    #[test]
    fn after_a_lost_device_all_can_be_freed_and_opened_again() {
        let file = weights();
        let image: Vec<u8> = (0..64 * 64 * 4).map(|i| (i * 31 % 251) as u8).collect();
        let open = || {
            let (mut device, mut generator) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: places of this function's, and a slice.
            unsafe {
                if pixtape_device_open(ptr::null(), &mut device) != Status::Ok {
                    assert!(std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(), "no adapter");
                    return None;
                }
                let (data, size) = (file.as_ptr(), file.len());
                let made =
                    pixtape_generator_from_bytes(device, data, size, ptr::null(), &mut generator);
                assert_eq!(made, Status::Ok);
            }
            Some((device, generator))
        };
        let translate = |generator, made: &mut [u8]| {
            let (from, to, size) = (image.as_ptr(), made.as_mut_ptr(), image.len());
            // SAFETY: a generator of this test's, and buffers of the size of the image.
            unsafe { pixtape_generator_translate(generator, 64, 64, from, size, 0, to, size, 0) }
        };
        let Some((device, generator)) = open() else { return };
        let mut wanted = vec![0; image.len()];
        assert_eq!(translate(generator, &mut wanted), Status::Ok);
        // SAFETY: the device is open.
        unsafe { &*device }.gpu.device().destroy();
        let mut untouched = vec![7; image.len()];
        for _ in 0..2 {
            assert_eq!(translate(generator, &mut untouched), Status::DeviceLost);
            // SAFETY: the text lives until this thread's next error.
            let text = unsafe { CStr::from_ptr(pixtape_last_error()) }.to_str().unwrap();
            assert!(text.starts_with("the device was lost at"), "{text}");
        }
        assert!(untouched.iter().all(|byte| *byte == 7), "after an error the output is as it was");
        let (again, anew) = open().unwrap();
        let mut made = vec![0; image.len()];
        assert_eq!(translate(anew, &mut made), Status::Ok);
        assert!(made == wanted);
        // SAFETY: each is freed once.
        unsafe {
            [generator, anew].into_iter().for_each(|all| pixtape_generator_free(all));
            [device, again].into_iter().for_each(|all| pixtape_device_free(all));
        }
    }
}
