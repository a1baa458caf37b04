//! Every operation against an f64 reference, every shader against the tables: see `support` for how
//! a case runs.

mod act;
mod adam;
mod add;
mod avg_pool;
mod batch_norm;
mod batch_norm_second;
mod blur;
mod border;
mod canny;
mod channel_sum;
mod components;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod copy;
mod dropout;
mod ema;
mod fill;
mod init;
mod instance_edges;
mod loss;
mod max_pool;
mod mul;
mod one_hot;
mod picture;
mod pool;
mod registry;
mod resample2d;
mod sample;
mod scale;
mod shaders;
mod sum;
mod support;
mod thin;
mod variation;
