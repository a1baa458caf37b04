//! A Vulkan device on which nothing runs: opened with the features that wgpu-hal turns on, as far
//! as they matter to a compiler, and asked what its compiler made of a kernel.

use crate::spirv;
use ash::vk;
use pixtape::gpu::Kernel;
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};

/// What a driver says of a compiled kernel.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    /// CPU time of the compiler.
    pub ms: f64,
    /// Bytes of workgroup memory that the text declares.
    pub workgroup: u32,
    /// Names and values of `VK_KHR_pipeline_executable_properties`.
    pub statistics: Vec<(String, f64)>,
    /// The machine code, or the compiler's last text of it.
    pub listing: String,
}

/// The device, and what naga has to know of it.
pub struct Device {
    raw: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    pub name: String,
    pub driver: String,
    pub target: spirv::Target,
    varying_subgroups: bool,
    _instance: ash::Instance,
    _entry: ash::Entry,
}

/// CPU seconds of this thread.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn text(chars: &[std::ffi::c_char]) -> String {
    // SAFETY: Vulkan ends its names with a zero within the array.
    unsafe { CStr::from_ptr(chars.as_ptr()) }.to_string_lossy().into_owned()
}

impl Device {
    /// The first device of the driver that the loader is pointed at.
    ///
    /// # Errors
    /// What is missing, in one line.
    pub fn open() -> Result<Device, String> {
        // SAFETY: the loader is the system's, or that of the root this was started in.
        let entry = unsafe { ash::Entry::load() }.map_err(|e| format!("no Vulkan loader: {e}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let information = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures above outlive the call; so below.
        let instance = unsafe { entry.create_instance(&information, None) }
            .map_err(|e| format!("no Vulkan instance: {e}"))?;
        let physical = unsafe { instance.enumerate_physical_devices() }
            .map_err(|e| format!("no device: {e}"))?;
        let physical = *physical.first().ok_or("the driver shows no device")?;
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
        let (name, api) =
            (text(&properties.properties.device_name), properties.properties.api_version);
        let driver = format!("{} {}", text(&driver.driver_name), text(&driver.driver_info));

        let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default();
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut dot = vk::PhysicalDeviceShaderIntegerDotProductFeatures::default();
        let mut small = vk::PhysicalDeviceShaderFloat16Int8Features::default();
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .push_next(&mut robustness)
            .push_next(&mut sizes)
            .push_next(&mut executables)
            .push_next(&mut dot)
            .push_next(&mut small);
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        let robust = features.features.robust_buffer_access != 0;
        if executables.pipeline_executable_info == 0 {
            return Err(format!("{name}: the driver tells nothing of its code"));
        }
        let target = spirv::Target {
            api,
            integer_dot_product: dot.shader_integer_dot_product != 0,
            int8: small.shader_int8 != 0,
        };
        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }
            .map_err(|e| format!("{name}: {e}"))?;
        let has =
            |wanted: &CStr| extensions.iter().any(|e| e.extension_name_as_c_str() == Ok(wanted));
        let mut names = vec![ash::khr::pipeline_executable_properties::NAME.as_ptr()];
        let robust2 = has(ash::ext::robustness2::NAME) && robustness.robust_buffer_access2 != 0;
        if robust2 {
            names.push(ash::ext::robustness2::NAME.as_ptr());
        }
        let queues =
            [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(robust);
        let mut asked_robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(true)
            .robust_image_access2(robustness.robust_image_access2 != 0);
        let varying_subgroups = sizes.subgroup_size_control != 0;
        let mut asked_sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default()
            .subgroup_size_control(varying_subgroups)
            .compute_full_subgroups(sizes.compute_full_subgroups != 0);
        let mut asked_executables =
            vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
                .pipeline_executable_info(true);
        let mut information = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .enabled_features(&core)
            .push_next(&mut asked_sizes)
            .push_next(&mut asked_executables);
        if robust2 {
            information = information.push_next(&mut asked_robustness);
        }
        let raw = unsafe { instance.create_device(physical, &information, None) }
            .map_err(|e| format!("{name}: no device: {e}"))?;
        let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &raw);
        Ok(Device {
            raw,
            executables,
            name,
            driver,
            target,
            varying_subgroups,
            _instance: instance,
            _entry: entry,
        })
    }

    /// Compiles a kernel.
    ///
    /// # Errors
    /// What naga or the driver refuse, in one line.
    pub fn compile(&self, kernel: &Kernel) -> Result<Compiled, String> {
        let spirv::Module { words, workgroup } = spirv::write(kernel, self.target)?;
        let (statistics, representations) = (
            vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR,
            vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
        );
        // Once for the time alone: printing the code takes as long as making it.
        let start = thread_seconds();
        self.pipeline(kernel, &words, vk::PipelineCreateFlags::empty())?;
        let ms = 1e3 * (thread_seconds() - start);
        let pipeline = self.pipeline(kernel, &words, statistics | representations)?;
        let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        let failed = |e: vk::Result| format!("{}: no statistics: {e}", kernel.label());
        // SAFETY: the pipeline was made with both kinds of information.
        let all = unsafe { self.executables.get_pipeline_executable_statistics(&executable) }
            .map_err(failed)?;
        let statistics = all.iter().map(|s| (text(&s.name), value(s))).collect();
        let listing = self.listing(&executable).map_err(failed)?;
        Ok(Compiled { ms, workgroup, statistics, listing })
    }

    /// As `Pipeline::new` and wgpu-hal describe it. Nothing is ever freed: the process is short.
    fn pipeline(
        &self,
        kernel: &Kernel,
        words: &[u32],
        flags: vk::PipelineCreateFlags,
    ) -> Result<vk::Pipeline, String> {
        let failed = |e: vk::Result| format!("{}: not compiled: {e}", kernel.label());
        let binding = |at: usize, kind: vk::DescriptorType| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(at as u32)
                .descriptor_type(kind)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let storage: Vec<_> = (0..kernel.bindings.len())
            .map(|at| binding(at, vk::DescriptorType::STORAGE_BUFFER))
            .collect();
        let uniforms = [
            binding(0, vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC),
            binding(1, vk::DescriptorType::UNIFORM_BUFFER),
        ];
        let entry = CString::new(kernel.entry).expect("an identifier");
        // SAFETY: every structure outlives the call that it is passed to.
        unsafe {
            let set = |bindings: &[vk::DescriptorSetLayoutBinding<'_>]| {
                let layout = vk::DescriptorSetLayoutCreateInfo::default().bindings(bindings);
                self.raw.create_descriptor_set_layout(&layout, None)
            };
            let sets = [set(&storage).map_err(failed)?, set(&uniforms).map_err(failed)?];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.raw.create_pipeline_layout(&layout, None).map_err(failed)?;
            let module = vk::ShaderModuleCreateInfo::default().code(words);
            let module = self.raw.create_shader_module(&module, None).map_err(failed)?;
            let varying = vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .flags(if self.varying_subgroups { varying } else { Default::default() })
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let pipeline =
                vk::ComputePipelineCreateInfo::default().layout(layout).stage(stage).flags(flags);
            self.raw
                .create_compute_pipelines(vk::PipelineCache::null(), &[pipeline], None)
                .map(|made| made[0])
                .map_err(|(_, e)| failed(e))
        }
    }

    /// The last text that the compiler kept.
    fn listing(
        &self,
        executable: &vk::PipelineExecutableInfoKHR<'_>,
    ) -> Result<String, vk::Result> {
        let call = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.raw.handle();
        let mut count = 0;
        // SAFETY: as the extension describes it: number, then sizes, then contents.
        unsafe {
            call(device, executable, &mut count, std::ptr::null_mut()).result()?;
            let mut all =
                vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(device, executable, &mut count, all.as_mut_ptr()).result()?;
            let mut texts: Vec<Vec<u8>> = all.iter().map(|r| vec![0; r.data_size]).collect();
            for (representation, text) in all.iter_mut().zip(&mut texts) {
                representation.p_data = text.as_mut_ptr().cast();
            }
            call(device, executable, &mut count, all.as_mut_ptr()).result()?;
            let last = all.iter().zip(&texts).rfind(|(r, _)| r.is_text != 0);
            let last = last.map(|(_, text)| text.split(|b| *b == 0).next().unwrap_or_default());
            Ok(last.map(|t| String::from_utf8_lossy(t).into_owned()).unwrap_or_default())
        }
    }
}

fn value(statistic: &vk::PipelineExecutableStatisticKHR<'_>) -> f64 {
    let value = &statistic.value;
    // SAFETY: `format` says which member is valid.
    unsafe {
        match statistic.format {
            vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => value.f64,
            vk::PipelineExecutableStatisticFormatKHR::INT64 => value.i64 as f64,
            vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(value.b32),
            _ => value.u64 as f64,
        }
    }
}
