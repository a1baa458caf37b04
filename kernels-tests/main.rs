//! Every operation against an f64 reference, every shader against the tables: see `support` for how a case runs.

mod act;
mod adam;
mod add;
mod batch_norm;
mod blur;
mod canny;
mod channel_sum;
mod components;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod copy;
mod dropout;
mod fill;
mod init;
mod loss;
mod picture;
mod registry;
mod scale;
mod shaders;
mod sum;
mod support;
mod thin;
