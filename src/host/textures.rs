//! Between a host's textures and tensors: one kernel that reads, one that draws.

use super::view::View;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, OwnedBuffer};
use crate::plan::TensorMemory;
use crate::shader;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use wgpu::{BindingType, BufferBindingType, ShaderStages, TextureFormat};

/// Invocations of the kernel that reads, in both directions.
const SIDE: u32 = 8;
/// Bytes of a parameter block.
const PARAMS: u64 = 32;
/// Parameter blocks that are kept at a time, and as many of before.
const KEPT: usize = 64;

/// Pipelines, and the parameter blocks of the sizes seen so far.
#[derive(Debug)]
pub(super) struct Textures {
    gpu: Gpu,
    /// Reading, by whether that decodes sRGB.
    load: Mutex<HashMap<bool, Arc<wgpu::ComputePipeline>>>,
    store: Mutex<HashMap<TextureFormat, Arc<wgpu::RenderPipeline>>>,
    blocks: Mutex<Blocks>,
}

/// Parameter blocks by their words: those in use, and those of before, which a host's encoder may
/// still hold.
#[derive(Debug, Default)]
struct Blocks([HashMap<[u32; 6], Arc<OwnedBuffer>>; 2]);

impl Blocks {
    fn get(&self, words: &[u32; 6]) -> Option<Arc<OwnedBuffer>> {
        self.0.iter().find_map(|known| known.get(words)).cloned()
    }

    /// Keeps a block. A window that is being resized brings a new one in every frame.
    fn keep(&mut self, words: [u32; 6], block: Arc<OwnedBuffer>) {
        if self.0[0].len() >= KEPT {
            self.0[1] = std::mem::take(&mut self.0[0]);
        }
        self.0[0].insert(words, block);
    }
}

/// An image's tensor, `[1, h, w, c]` of 1, 3 or 4 channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'a> {
    pub memory: &'a TensorMemory<'a>,
}

impl Image<'_> {
    fn channels(&self) -> u32 {
        self.memory.shape.c.logical()
    }

    fn size(&self) -> [u32; 2] {
        [self.memory.shape.w, self.memory.shape.h]
    }

    fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.memory.buffer,
            offset: self.memory.bytes.start,
            size: NonZeroU64::new(self.memory.bytes.end - self.memory.bytes.start),
        })
    }
}

impl Textures {
    pub fn new(gpu: &Gpu) -> Self {
        let (load, store, blocks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Textures { gpu: gpu.clone(), load, store, blocks }
    }

    /// Compiles what reads textures of one format and draws into those of another.
    pub fn warm(
        &self,
        from: TextureFormat,
        read: u32,
        to: TextureFormat,
        drawn: u32,
    ) -> Result<()> {
        self.load_pipeline(from.is_srgb(), read)?;
        self.store_pipeline(to, drawn).map(drop)
    }

    /// Appends what reads a texture into an image.
    pub fn load(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        from: View<'_>,
        to: Image<'_>,
    ) -> Result<()> {
        let pipeline = self.load_pipeline(from.format.is_srgb(), to.channels())?;
        let ([width, height], at) = (to.size(), to.memory);
        let block = self.block([width, height, at.first, at.stride, 0, 0])?;
        let group = self.gpu.scoped("read a texture", || {
            self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("read a texture"),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: block.as_entire_binding() },
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: wgpu::BindingResource::TextureView(from.view),
                    },
                    wgpu::BindGroupEntry { binding: 2, resource: to.binding() },
                ],
            })
        })?;
        self.gpu.in_turn(|| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("pixtape reads"),
                timestamp_writes: None,
            });
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(width.div_ceil(SIDE), height.div_ceil(SIDE), 1);
        });
        Ok(())
    }

    /// Appends what draws an image into a texture, all of it.
    pub fn store(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        from: Image<'_>,
        to: View<'_>,
    ) -> Result<()> {
        let pipeline = self.store_pipeline(to.format, from.channels())?;
        let ([width, height], at, (to_width, to_height)) = (from.size(), from.memory, to.size());
        let block = self.block([width, height, to_width, to_height, at.first, at.stride])?;
        let group = self.gpu.scoped("draw into a texture", || {
            self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("draw into a texture"),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: block.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: from.binding() },
                ],
            })
        })?;
        self.gpu.in_turn(|| {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("pixtape draws"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: to.view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.draw(0..3, 0..1);
        });
        Ok(())
    }

    /// A parameter block with these words. Sizes seldom change, so each is made once.
    fn block(&self, words: [u32; 6]) -> Result<Arc<OwnedBuffer>> {
        if let Some(block) = self.blocks.lock().unwrap().get(&words) {
            return Ok(block);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let block = Arc::new(OwnedBuffer::new(&self.gpu, "texture", PARAMS, usage)?);
        self.gpu.scoped("texture", || {
            self.gpu.queue().write_buffer(&block, 0, bytemuck::cast_slice(&words));
        })?;
        self.blocks.lock().unwrap().keep(words, block.clone());
        Ok(block)
    }

    fn load_pipeline(&self, srgb: bool, channels: u32) -> Result<Arc<wgpu::ComputePipeline>> {
        if let Some(pipeline) = self.load.lock().unwrap().get(&srgb) {
            return Ok(pipeline.clone());
        }
        let texture = BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let stage = ShaderStages::COMPUTE;
        let bindings = [uniform(stage), (stage, texture), storage(stage, false)];
        let made = self.made("host_load", srgb, channels, &bindings, |module, layout| {
            self.gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("host_load"),
                layout: Some(layout),
                module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            })
        })?;
        let made = Arc::new(made);
        self.load.lock().unwrap().insert(srgb, made.clone());
        Ok(made)
    }

    fn store_pipeline(
        &self,
        format: TextureFormat,
        channels: u32,
    ) -> Result<Arc<wgpu::RenderPipeline>> {
        if let Some(pipeline) = self.store.lock().unwrap().get(&format) {
            return Ok(pipeline.clone());
        }
        let stage = ShaderStages::FRAGMENT;
        let bindings = [uniform(stage), storage(stage, true)];
        let made =
            self.made("host_store", format.is_srgb(), channels, &bindings, |module, layout| {
                self.gpu.device().create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                    label: Some("host_store"),
                    layout: Some(layout),
                    vertex: wgpu::VertexState {
                        module,
                        entry_point: Some("cover"),
                        compilation_options: Default::default(),
                        buffers: &[],
                    },
                    primitive: Default::default(),
                    depth_stencil: None,
                    multisample: Default::default(),
                    fragment: Some(wgpu::FragmentState {
                        module,
                        entry_point: Some("draw"),
                        compilation_options: Default::default(),
                        targets: &[Some(format.into())],
                    }),
                    multiview_mask: None,
                    cache: None,
                })
            })?;
        let made = Arc::new(made);
        self.store.lock().unwrap().insert(format, made.clone());
        Ok(made)
    }

    /// A pipeline of one of the two files.
    fn made<T>(
        &self,
        file: &'static str,
        srgb: bool,
        channels: u32,
        bindings: &[(ShaderStages, BindingType)],
        make: impl FnOnce(&wgpu::ShaderModule, &wgpu::PipelineLayout) -> T,
    ) -> Result<T> {
        if ![1, 3, 4].contains(&channels) {
            return Err(Error::Usage(format!(
                "images of {channels} channels do not fit into textures; grey, RGB and RGBA do"
            )));
        }
        let tune = [("CHANNELS", channels), ("SRGB", u32::from(srgb))];
        let source = shader::load(file, &tune)?;
        let device = self.gpu.device();
        self.gpu.scoped(file, || {
            let entries: Vec<_> = (0..)
                .zip(bindings)
                .map(|(binding, (visibility, ty))| wgpu::BindGroupLayoutEntry {
                    binding,
                    visibility: *visibility,
                    ty: *ty,
                    count: None,
                })
                .collect();
            let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(file),
                entries: &entries,
            });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(file),
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            });
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(file),
                source: wgpu::ShaderSource::Wgsl(source.text.as_str().into()),
            });
            make(&module, &layout)
        })
    }
}

fn uniform(stage: ShaderStages) -> (ShaderStages, BindingType) {
    (stage, buffer(BufferBindingType::Uniform))
}

fn storage(stage: ShaderStages, read_only: bool) -> (ShaderStages, BindingType) {
    (stage, buffer(BufferBindingType::Storage { read_only }))
}

fn buffer(ty: BufferBindingType) -> BindingType {
    BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}
