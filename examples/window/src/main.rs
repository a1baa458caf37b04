//! A window in which a picture passes through a network in every frame: on the left what the camera
//! shows, on the right what the network makes of it, a slice of its work a frame.
//!
//! Run: `cargo run --release -- [--weights G.safetensors] [--frames FOLDER] [--milliseconds 8]`
//!
//! The device is the host's, with WebGPU's default limits and no features; the network's work goes
//! into the host's encoder. Without weights the network is one that nobody has trained. Without a
//! folder of images the camera shows moving discs. `--exit-after N` ends after N images.

mod camera;
mod screen;

use camera::Camera;
use pixtape::host::{Slice, TextureTranslator};
use pixtape::io::checkpoint::TensorFile;
use pixtape::nets::{Generator, InitType, Mode, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::{Error, Gpu, Plan, PlanOptions, Result, StepValues, Store, Tape, wgpu};
use screen::Screen;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use winit::application::ApplicationHandler;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::window::{Window, WindowId};

/// Sides of what the network takes.
const SIZE: (u32, u32) = (128, 128);

#[derive(Default)]
struct Arguments {
    weights: Option<PathBuf>,
    frames: Option<PathBuf>,
    budget: Option<Duration>,
    exit_after: Option<u32>,
}

impl Arguments {
    fn read() -> Result<Arguments> {
        let mut read = Arguments::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| Error::Usage(format!("{word} wants a value")));
            let number = |text: String| {
                text.parse().map_err(|_| Error::Usage(format!("{text} is no whole number")))
            };
            match word.as_str() {
                "--weights" => read.weights = Some(value()?.into()),
                "--frames" => read.frames = Some(value()?.into()),
                "--milliseconds" => {
                    read.budget = Some(Duration::from_millis(number(value()?)?));
                }
                "--exit-after" => read.exit_after = Some(number(value()?)? as u32),
                _ => {
                    return Err(Error::Usage(format!(
                        "{word}: there are --weights, --frames, --milliseconds and --exit-after"
                    )));
                }
            }
        }
        Ok(read)
    }
}

/// Everything that needs the window.
struct Running {
    window: Arc<Window>,
    screen: Screen,
    camera: Camera,
    net: TextureTranslator,
    _store: Store,
    frames: u32,
    images: u32,
    since: Instant,
}

struct App {
    arguments: Arguments,
    instance: wgpu::Instance,
    running: Option<Running>,
    failed: Option<Error>,
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let events = EventLoop::new().map_err(|e| Error::Usage(format!("no window system: {e}")))?;
    let display = Box::new(events.owned_display_handle());
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_with_display_handle(display));
    let mut app = App { arguments, instance, running: None, failed: None };
    let ended = events.run_app(&mut app);
    ended.map_err(|e| Error::Usage(format!("the window system ended: {e}")))?;
    app.failed.map_or(Ok(()), Err)
}

impl ApplicationHandler for App {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        match self.start(events) {
            Ok(running) => self.running = Some(running),
            Err(error) => self.fail(events, error),
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(running) = &mut self.running else { return };
        match event {
            WindowEvent::CloseRequested => events.exit(),
            WindowEvent::Resized(size) => running.screen.resize(size.width, size.height),
            WindowEvent::RedrawRequested => {
                let budget = self.arguments.budget.unwrap_or(Duration::from_millis(8));
                match running.frame(budget) {
                    Ok(()) if self.arguments.exit_after.is_some_and(|n| running.images >= n) => {
                        events.exit();
                    }
                    Ok(()) => running.window.request_redraw(),
                    Err(error) => self.fail(events, error),
                }
            }
            _ => {}
        }
    }
}

impl App {
    fn fail(&mut self, events: &ActiveEventLoop, error: Error) {
        self.failed = Some(error);
        events.exit();
    }

    /// A window, the host's device, and the network on it.
    fn start(&self, events: &ActiveEventLoop) -> Result<Running> {
        let attributes = Window::default_attributes()
            .with_title("pixtape in a window")
            .with_inner_size(winit::dpi::LogicalSize::new(640, 320));
        let window = events.create_window(attributes);
        let window = Arc::new(window.map_err(|e| Error::Usage(format!("no window: {e}")))?);
        let surface = self.instance.create_surface(window.clone());
        let surface = surface.map_err(|e| Error::Adapter(e.to_string()))?;
        let options = wgpu::RequestAdapterOptions {
            compatible_surface: Some(&surface),
            ..Default::default()
        };
        let adapter = pollster::block_on(self.instance.request_adapter(&options));
        let adapter = adapter.map_err(|e| Error::Adapter(e.to_string()))?;
        let device = pollster::block_on(adapter.request_device(&Default::default()));
        let (device, queue) = device.map_err(|e| Error::Adapter(e.to_string()))?;
        println!("{}", adapter.get_info().name);

        let gpu = Gpu::from_parts(device.clone(), queue.clone())?;
        let (store, generator) = network(&gpu, self.arguments.weights.as_deref())?;
        let (mode, options) = (Mode::run(NormMode::Instance, false), PlanOptions::default());
        let mut net = TextureTranslator::new(&gpu, &store, &generator, SIZE, mode, options)?;
        net.warm(wgpu::TextureFormat::Rgba8UnormSrgb, wgpu::TextureFormat::Rgba8UnormSrgb)?;
        println!("the network takes {:.1?} on this device", net.measure()?);

        let camera = Camera::new(&device, &queue, self.arguments.frames.as_deref())?;
        let size = window.inner_size();
        let screen = Screen::new(&adapter, device, queue, surface, [size.width, size.height])?;
        window.request_redraw();
        let since = Instant::now();
        Ok(Running { window, screen, camera, net, _store: store, frames: 0, images: 0, since })
    }
}

impl Running {
    /// One frame: the camera's next image when the network is done with the last one, a slice of
    /// the network's work, and the screen.
    fn frame(&mut self, budget: Duration) -> Result<()> {
        let Running { screen, camera, net, .. } = self;
        let mut encoder = screen.device.create_command_encoder(&Default::default());
        camera.draw(&screen.queue, self.images)?;
        // Views of the moment: they may be others in every frame.
        let from = camera.texture.create_view(&Default::default());
        let made = screen.made.create_view(&Default::default());
        let slice = net.encode_slice(&mut encoder, &from, &made, budget)?;
        screen.show(encoder, &from);
        self.frames += 1;
        if slice == Slice::Drawn {
            self.images += 1;
            if self.images.is_multiple_of(16) {
                let seconds = self.since.elapsed().as_secs_f64();
                let (frames, images) = (f64::from(self.frames), f64::from(self.images));
                println!("{:.1} frames/s, {:.1} images/s", frames / seconds, images / seconds);
            }
        }
        Ok(())
    }
}

/// The network of a file, or a small one that was never trained.
fn network(gpu: &Gpu, weights: Option<&std::path::Path>) -> Result<(Store, Generator)> {
    let mut store = Store::new();
    if let Some(path) = weights {
        let file = TensorFile::read(path)?;
        let generator = Generator::new(&mut store, "G", file.recognise_generator()?)?;
        file.load_into(gpu, &store, generator.weights())?;
        return Ok((store, generator));
    }
    let config = UnetConfig { ngf: 16, downs: 5, ..UnetConfig::default() };
    let generator = Generator::new(&mut store, "G", config)?;
    let mut tape = Tape::new();
    generator.weights().record_init(&mut tape, &store, InitType::Xavier, 1.0, 0);
    Plan::new(&tape, &store, &[], gpu.family(), PlanOptions::default())?
        .prepare(gpu, &store)?
        .step(&StepValues::default())?;
    Ok((store, generator))
}
