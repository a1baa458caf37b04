//! The window's surface: two textures side by side.

use pixtape::{Error, Result, wgpu};

const SHADER: &str = "
@group(0) @binding(0) var source: texture_2d<f32>;
@group(0) @binding(1) var smooth_: sampler;
struct Corner { @builtin(position) position: vec4<f32>, @location(0) at: vec2<f32> }

@vertex
fn cover(@builtin(vertex_index) vertex: u32) -> Corner {
  let at = vec2<f32>(f32(vertex & 1u), f32(vertex >> 1u)) * 2.0;
  return Corner(vec4<f32>(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0), at);
}

@fragment
fn show(corner: Corner) -> @location(0) vec4<f32> {
  return textureSample(source, smooth_, corner.at);
}
";

pub struct Screen {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// What the network draws into.
    pub made: wgpu::Texture,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    pipeline: wgpu::RenderPipeline,
    sampler: wgpu::Sampler,
}

impl Screen {
    pub fn new(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        surface: wgpu::Surface<'static>,
        [width, height]: [u32; 2],
    ) -> Result<Screen> {
        let config = surface.get_default_config(adapter, width.max(1), height.max(1));
        let config = config.ok_or_else(|| {
            Error::Adapter(format!("{} cannot draw into this window", adapter.get_info().name))
        })?;
        surface.configure(&device, &config);
        let made = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("made"),
            size: wgpu::Extent3d { width: 256, height: 256, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8UnormSrgb,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("screen"),
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("screen"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                targets: &[Some(config.format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Ok(Screen { device, queue, made, surface, config, pipeline, sampler })
    }

    pub fn resize(&mut self, width: u32, height: u32) {
        (self.config.width, self.config.height) = (width.max(1), height.max(1));
        self.surface.configure(&self.device, &self.config);
    }

    /// Draws `left` and what the network made beside it, submits, and presents.
    pub fn show(&self, mut encoder: wgpu::CommandEncoder, left: &wgpu::TextureView) {
        let target = match self.surface.get_current_texture() {
            wgpu::CurrentSurfaceTexture::Success(target)
            | wgpu::CurrentSurfaceTexture::Suboptimal(target) => Some(target),
            wgpu::CurrentSurfaceTexture::Outdated | wgpu::CurrentSurfaceTexture::Lost => {
                self.surface.configure(&self.device, &self.config);
                None
            }
            _ => None,
        };
        if let Some(target) = &target {
            let view = target.texture.create_view(&Default::default());
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("screen"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipeline);
            let made = self.made.create_view(&Default::default());
            let half = self.config.width as f32 / 2.0;
            for (at, view) in [(0.0, left), (half, &made)] {
                pass.set_viewport(at, 0.0, half, self.config.height as f32, 0.0, 1.0);
                pass.set_bind_group(0, &self.group(view), &[]);
                pass.draw(0..3, 0..1);
            }
        }
        // The network's work goes on, whether the window can be drawn into or not.
        self.queue.submit([encoder.finish()]);
        if let Some(target) = target {
            self.queue.present(target);
        }
    }

    fn group(&self, view: &wgpu::TextureView) -> wgpu::BindGroup {
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("screen"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::TextureView(view),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::Sampler(&self.sampler),
                },
            ],
        })
    }
}
