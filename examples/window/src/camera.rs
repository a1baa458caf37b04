//! What stands in for a camera: the images of a folder in turn, or moving discs.

use pixtape::io::Picture;
use pixtape::{Result, wgpu};
use std::path::{Path, PathBuf};

const SIDE: u32 = 160;

pub struct Camera {
    pub texture: wgpu::Texture,
    files: Vec<PathBuf>,
    shown: Option<u32>,
    device: wgpu::Device,
}

impl Camera {
    /// A camera that shows the images of `folder`, by name.
    pub fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        folder: Option<&Path>,
    ) -> Result<Camera> {
        let mut files = Vec::new();
        if let Some(folder) = folder {
            let wrong =
                |e: std::io::Error| pixtape::Error::Usage(format!("{}: {e}", folder.display()));
            for entry in std::fs::read_dir(folder).map_err(wrong)? {
                files.push(entry.map_err(wrong)?.path());
            }
            files.sort();
            if files.is_empty() {
                return Err(pixtape::Error::Usage(format!("{}: no images", folder.display())));
            }
        }
        let texture = texture(device, SIDE, SIDE);
        let mut camera = Camera { texture, files, shown: None, device: device.clone() };
        camera.draw(queue, 0)?;
        Ok(camera)
    }

    /// Shows the image of a number, if it does not yet.
    pub fn draw(&mut self, queue: &wgpu::Queue, number: u32) -> Result<()> {
        if self.shown.replace(number) == Some(number) {
            return Ok(());
        }
        let (width, height, rgba) = match self.files.len() {
            0 => (SIDE, SIDE, discs(number)),
            count => {
                let picture = Picture::load(&self.files[number as usize % count], 3)?;
                let pixels = picture.data.chunks(3);
                let rgba = pixels.flat_map(|p| [p[0], p[1], p[2], 255]).collect();
                (picture.width, picture.height, rgba)
            }
        };
        // A camera that changes its size: another texture, another view.
        if (self.texture.width(), self.texture.height()) != (width, height) {
            self.texture = texture(&self.device, width, height);
        }
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(4 * width),
            rows_per_image: None,
        };
        let size = self.texture.size();
        queue.write_texture(self.texture.as_image_copy(), &rgba, layout, size);
        Ok(())
    }
}

fn texture(device: &wgpu::Device, width: u32, height: u32) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("camera"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8UnormSrgb,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// Three discs on their ways over a sky.
fn discs(number: u32) -> Vec<u8> {
    let t = number as f32 * 0.05;
    let discs: Vec<([f32; 2], [u8; 3])> = (0..3)
        .map(|i| {
            let phase = t * (1.0 + 0.3 * i as f32) + 2.0 * i as f32;
            let at = [0.5 + 0.3 * phase.cos(), 0.5 + 0.3 * (1.3 * phase).sin()];
            (at, [[220, 70, 60], [60, 180, 90], [250, 210, 80]][i as usize])
        })
        .collect();
    (0..SIDE * SIDE)
        .flat_map(|i| {
            let at = [i % SIDE, i / SIDE].map(|v| v as f32 / SIDE as f32);
            let near = |(centre, _): &&([f32; 2], [u8; 3])| {
                (at[0] - centre[0]).hypot(at[1] - centre[1]) < 0.14
            };
            let sky = [90, 140, (150.0 + 90.0 * at[1]) as u8];
            let [r, g, b] = discs.iter().find(near).map_or(sky, |(_, color)| *color);
            [r, g, b, 255]
        })
        .collect()
}
