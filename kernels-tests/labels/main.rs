//! pix2pixHD as a user meets it: label maps with instances and images, the frozen phase of the
//! local enhancer, weights of an earlier run, looks of other images.

#[path = "../support/program.rs"]
mod program;

mod options;
mod pretrain;
mod refusals;
mod resume;
mod run;
mod scene;
mod translate;
