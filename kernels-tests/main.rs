//! Every operation against an f64 reference, every shader against the tables: see `support` for how a case runs.

mod act;
mod adam;
mod add;
mod batch_norm;
mod batch_norm_second;
mod channel_sum;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod copy;
mod dropout;
mod ema;
mod fill;
mod init;
mod loss;
mod mul;
mod picture;
mod registry;
mod resample2d;
mod sample;
mod scale;
mod shaders;
mod sum;
mod support;
mod variation;
