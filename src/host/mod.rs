//! The engine in a host's frames: textures in and out, and work in slices of a frame's time.
//!
//! [`TextureTranslator`] runs a generator from one texture to another in the host's own encoder.
//! Nothing here submits, waits or polls unless its documentation says so. Hosts whose images lie in
//! buffers use [`crate::Program::memory`] and [`crate::Program::encode`].

mod slices;
mod textures;
mod translator;
mod view;

pub use slices::Slice;
pub use translator::TextureTranslator;
pub use view::View;
