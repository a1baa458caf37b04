//! Adapters and devices.

use crate::error::{Status, argument, c_text, status_of, value_or};
use crate::pointer::{free, give, handle, place, text};
use engine::gpu::{Gpu, Request, adapters};
use std::ffi::{CString, c_char};
use std::ptr;

/// The adapters of this machine, as they were when the list was made.
pub struct Adapters {
    names: Vec<CString>,
}

/// A device: an adapter that was opened, with the kernels compiled on it so far.
pub struct Device {
    pub(crate) gpu: Gpu,
    name: CString,
}

/// Lists the adapters, best first: GPUs before drivers that compute on the CPU. Where there are none
/// the list is empty. Free it with pixtape_adapters_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_adapters_list(list: *mut *mut Adapters) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let list = unsafe { place("list", list, ptr::null_mut()) }?;
        let found = pollster::block_on(adapters()).into_iter();
        let name = |info: engine::wgpu::AdapterInfo| format!("{:?} {}", info.backend, info.name);
        *list = give(Adapters { names: found.map(|a| c_text(&name(a.info))).collect() });
        Ok(())
    })
}

/// How many adapters a list has; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_adapters_count(list: *const Adapters) -> usize {
    value_or(0, || {
        // SAFETY: the caller's promise.
        Ok(unsafe { handle("list", list) }?.names.len())
    })
}

/// Interface and name of an adapter in a list, "Vulkan NVIDIA GeForce RTX 4070". index: 0 to count - 1;
/// NULL for others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_adapters_name(
    list: *const Adapters,
    index: usize,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller's promise.
        let names = &unsafe { handle("list", list) }?.names;
        let name = names.get(index).ok_or_else(|| {
            argument("index", &format!("{index}: the list has {} adapters", names.len()))
        })?;
        Ok(name.as_ptr())
    })
}

/// Frees a list; NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_adapters_free(list: *mut Adapters) {
    // SAFETY: the caller's promise.
    unsafe { free(list) };
}

/// Opens a device. adapter: its index in the list as a text ("1"), or part of its name ("nvidia",
/// "gl"; case does not matter); NULL or "" takes the best. Free it with pixtape_device_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_device_open(
    adapter: *const c_char,
    device: *mut *mut Device,
) -> Status {
    status_of(|| {
        // SAFETY: the caller's promise.
        let (device, adapter) =
            unsafe { (place("device", device, ptr::null_mut())?, text("adapter", adapter)?) };
        let request = Request { adapter: adapter.map(String::from), ..Request::default() };
        let gpu = pollster::block_on(Gpu::request(&request))?;
        *device = give(Device { name: c_text(&gpu.name()), gpu });
        Ok(())
    })
}

/// Interface and name of a device's adapter; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_device_name(device: *const Device) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller's promise.
        Ok(unsafe { handle("device", device) }?.name.as_ptr())
    })
}

/// Frees a device; NULL is ignored. Generators on it keep working.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixtape_device_free(device: *mut Device) {
    // SAFETY: the caller's promise.
    unsafe { free(device) };
}
