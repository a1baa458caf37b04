//! The table of options: one row for each, in the order in which options.json holds them.
//!
//! Names, defaults and meanings are those of the reference implementation where it has them.

use super::choice::{DatasetMode, ModelKind, NetD, OnOff};
use super::flag::{Kept, Opposite, Range, Row, Set, Step};
use super::group::{Place, group, places};
use super::values::{Bytes, OptionValue, Tune};
use crate::io::picture::NoData;
use crate::io::{Depth, Direction, Mask, Preprocess, Size};
use crate::nets::{BlockPadding, GeneratorKind, InitType, NormKind, Upsample};
use crate::train::{GanMode, LrPolicy};
use std::path::PathBuf;

/// Models that take pairs.
const PAIRED: &[ModelKind] = &[ModelKind::Pix2Pix, ModelKind::Colorization, ModelKind::Pix2PixHd];
/// Of these the ones of pix2pix.
const PIX2PIX: &[ModelKind] = &[ModelKind::Pix2Pix, ModelKind::Colorization];
/// Models that do not.
const UNPAIRED: &[ModelKind] = &[ModelKind::CycleGan];
const HD: &[ModelKind] = &[ModelKind::Pix2PixHd];
/// Models whose networks are fixed less narrowly than pix2pixHD's.
const PLAIN: &[ModelKind] = &[ModelKind::Pix2Pix, ModelKind::Colorization, ModelKind::CycleGan];

const RUN: Option<&str> = Some("Run");
const FILE: Option<&str> = Some("FILE");

/// A row of the table.
pub type Flag = Row<Options>;

/// All options.
pub fn flags() -> impl Iterator<Item = &'static Flag> {
    [
        Options::FLAGS,
        RunOptions::FLAGS,
        DeviceOptions::FLAGS,
        NetworkOptions::FLAGS,
        DataOptions::FLAGS,
        OptimiserOptions::FLAGS,
        HdOptions::FLAGS,
    ]
    .into_iter()
    .flatten()
}

impl Place<Options> for Options {
    fn of(options: &Options) -> &Self {
        options
    }
    fn of_mut(options: &mut Options) -> &mut Self {
        options
    }
}

places! {
    RunOptions: run,
    DeviceOptions: device,
    NetworkOptions: nets,
    DataOptions: data,
    OptimiserOptions: optim,
    HdOptions: hd,
}

group! {
    /// Everything that a training is told.
    ///
    /// [`Options::new`] has the defaults of a model; change the fields that are to differ, or lay
    /// what files and a command line give over each other with [`Options::from_layers`].
    /// [`Options::resolve`] makes the configuration of a training step of it.
    Options(None) {
        /// Folder with train/ (and val/ or test/): images with A on the left and B on the right, or
        /// trainA/ and trainB/, or train.tsv; or a list file, each row input TAB target. For
        /// cycle_gan trainA/ and trainB/, which need not be pairs; for pix2pixHD train_label/,
        /// train_inst/ and train_img/.
        "dataroot" dataroot: Option<PathBuf> = None => { incidental: true };
        /// pix2pix (pairs), colorization (pix2pix with --dataset_mode colorization), cycle_gan
        /// (unpaired image sets), pix2pixHD (maps of labels and images).
        "model" model: ModelKind = ModelKind::Pix2Pix,
            Colorization = ModelKind::Colorization, CycleGan = ModelKind::CycleGan,
            Pix2PixHd = ModelKind::Pix2PixHd
            => { step: Step::Size };
    }
    with {
        /// Where a run is kept, how long it continues, what it writes.
        run: RunOptions,
        /// The device and its kernels.
        device: DeviceOptions,
        /// The networks.
        nets: NetworkOptions,
        /// What is trained on.
        data: DataOptions,
        /// Losses, optimiser and schedule.
        optim: OptimiserOptions,
        /// What pix2pixHD has alone.
        hd: HdOptions,
    }
}

group! {
    /// Where a run is kept, how long it continues, what it writes.
    RunOptions(RUN) {
        /// Name of the run: its folder under --checkpoints_dir.
        "name" name: String = "experiment_name".into()
            => { kept: Kept::Written, step: Step::Apart, incidental: true };
        /// Where runs are kept.
        "checkpoints_dir" checkpoints_dir: PathBuf = "./checkpoints".into()
            => { kept: Kept::Written, step: Step::Apart, incidental: true };
        /// Stop after this many steps, counted from the run's first; a resumed run does not inherit
        /// it: give it again.
        "max_steps" max_steps: Option<u64> = None
            => { kept: Kept::Written, step: Step::Apart, incidental: true };
        /// Seed of weights, dropout, order and augmentation.
        "seed" seed: u64 = 0 => { incidental: true };
        /// Resume this run from its last checkpoint; flags not given are the run's own.
        "continue_train" continue_train: bool = false
            => { kept: Kept::Start, step: Step::Apart };
        /// Replace a run of the same name.
        "overwrite" overwrite: bool = false => { kept: Kept::Start, step: Step::Apart };
        /// Save EPOCH_net_*.safetensors every so many epochs.
        "save_epoch_freq" save_epoch_freq: u64 = 5, Pix2PixHd = 10
            => { range: Range::AtLeast(1.0), step: Step::Apart, incidental: true };
        /// Save a checkpoint (checkpoints/step_N and latest_*) every so many images.
        "save_latest_freq" save_latest_freq: u64 = 5000, Pix2PixHd = 1000
            => { range: Range::AtLeast(1.0), step: Step::Apart, incidental: true };
        /// Also keep the weights of each such checkpoint, as iter_IMAGES_net_*.safetensors.
        "save_by_iter" save_by_iter: bool = false => { step: Step::Apart, incidental: true };
        /// Checkpoints to keep; the best weights and those saved by epoch are always kept.
        "keep" keep: u64 = 2
            => { range: Range::AtLeast(1.0), step: Step::Apart, incidental: true };
        /// Measure L1, PSNR and SSIM on val/ every so many epochs; 0: never.
        "val_freq" val_freq: u64 = 1
            => { models: PAIRED, step: Step::Apart, incidental: true };
        /// Stop when L1 on val/ has not improved for this many validations.
        "early_stop" early_stop: Option<u64> = None => {
            value_name: Some("N"), range: Range::AtLeast(1.0), models: PAIRED, step: Step::Apart,
            incidental: true,
        };
        /// Write TensorBoard's event files too, into tensorboard/ of the run's folder.
        "tensorboard" tensorboard: bool = false
            => { aliases: &["tf_log"], step: Step::Apart, incidental: true };
        /// Print the losses every so many images, where there is no progress bar.
        "print_freq" print_freq: u64 = 100 => { step: Step::Apart, incidental: true };
    }
}

group! {
    /// The device and its kernels. All of it holds for a start; nothing is written down.
    DeviceOptions(Some("Device")) {
        /// Adapter: an index of `pixtape devices`, or part of a name.
        "adapter" adapter: Option<String> = None => { kept: Kept::Start };
        /// Refuse to plan more device memory than this (bytes; 500MiB and 2GiB are understood).
        "memory_limit" memory_limit: Option<Bytes> = None => { kept: Kept::Start };
        /// How kernels are chosen: auto (by stored measurements; on a GPU missing ones are made
        /// first), cache (by stored measurements only), now (measure all again), off (by a built-in
        /// rule), or a file written by `pixtape tune --out`. A resumed run keeps its own.
        "tune" tune: Option<Tune> = None
            => { kept: Kept::Start, value_name: Some("auto|off|cache|now|FILE") };
        /// Use less device memory: recompute the activations that gradients need, one segment at a
        /// time, instead of keeping them. The results are the same; a step takes up to a third
        /// longer.
        "recompute" recompute: bool = false => { kept: Kept::Start };
        /// Give every tensor memory of its own (for finding faults).
        "no_reuse" no_reuse: bool = false => { kept: Kept::Start, hidden: true };
    }
}

group! {
    /// The networks.
    NetworkOptions(Some("Networks")) {
        /// Channels of the input; inferred from the files by default.
        "input_nc" input_nc: Option<u32> = None => { range: Range::Between(1.0, 1024.0) };
        /// Channels of the output; inferred from the files by default.
        "output_nc" output_nc: Option<u32> = None => { range: Range::Between(1.0, 1024.0) };
        /// Channels of the generator's first layer.
        "ngf" ngf: u32 = 64
            => { range: Range::Between(1.0, 1024.0), step: Step::Size, required: true };
        /// Channels of the discriminator's first layer.
        "ndf" ndf: u32 = 64 => { range: Range::Between(1.0, 1024.0), step: Step::Size };
        /// Generator: unet_32, unet_64, unet_128, unet_256, unet_512, encoder_decoder_32 …
        /// encoder_decoder_512 (the same without skips), resnet_6blocks, resnet_9blocks (the
        /// default of --model cycle_gan), global, local (of --model pix2pixHD).
        "netG" net_g: GeneratorKind = GeneratorKind::UNET_256,
            CycleGan = GeneratorKind::RESNET_9BLOCKS, Pix2PixHd = GeneratorKind::Global
            => { step: Step::Size, required: true };
        /// Discriminator: basic, n_layers, pixel.
        "netD" net_d: NetD = NetD::Basic => { models: PLAIN, step: Step::Size };
        /// Strided layers of --netD n_layers.
        "n_layers_D" n_layers_d: u32 = 3 => { step: Step::Size };
        /// Whether the discriminator sees the input as well as the output: on, off.
        "condition_D" condition_d: OnOff = OnOff::On => { models: PIX2PIX };
        /// Norm: batch, instance (the default of --model cycle_gan), instance_affine, none.
        "norm" norm: NormKind = NormKind::Batch,
            CycleGan = NormKind::Instance, Pix2PixHd = NormKind::Instance
            => { required: true };
        /// Norm of the discriminator; --norm's by default.
        "norm_D" norm_d: Option<NormKind> = None
            => { models: PLAIN };
        /// How the generator upsamples: transpose (transposed convolution), or nearest or bilinear
        /// followed by a convolution (no checkerboard artifacts).
        "upsample" upsample: Upsample = Upsample::Transpose
            => { models: PLAIN };
        /// Padding mode of the residual blocks of --netG resnet_*: reflect, replicate, zero.
        "padding_type" padding_type: BlockPadding = BlockPadding::Reflect
            => { models: PLAIN };
        /// Weight initialisation: normal, xavier, kaiming, orthogonal.
        "init_type" init_type: InitType = InitType::Normal;
        /// Scale of the initial weights.
        "init_gain" init_gain: f32 = 0.02;
        /// Leave out dropout; --model cycle_gan does so by default.
        "no_dropout" no_dropout: bool = false, CycleGan = true, Pix2PixHd = true
            => {
            opposite: Some(Opposite {
                name: "dropout",
                help: "Use dropout where it is left out by default",
            }),
            required: true,
        };
        /// Start the generator from a safetensors file.
        "init_G" init_g: Option<PathBuf> = None => {
            value_name: FILE, models: PAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
        /// Start the discriminator from a safetensors file.
        "init_D" init_d: Option<PathBuf> = None => {
            value_name: FILE, models: PAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
        /// Start the first generator of --model cycle_gan (from A to B; with --direction BtoA from
        /// B to A) from a safetensors file.
        "init_G_A" init_g_a: Option<PathBuf> = None => {
            value_name: FILE, models: UNPAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
        /// The same for the generator of the opposite direction.
        "init_G_B" init_g_b: Option<PathBuf> = None => {
            value_name: FILE, models: UNPAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
        /// The same for the discriminator that judges the output of G_A.
        "init_D_A" init_d_a: Option<PathBuf> = None => {
            value_name: FILE, models: UNPAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
        /// The same for the discriminator that judges the output of G_B.
        "init_D_B" init_d_b: Option<PathBuf> = None => {
            value_name: FILE, models: UNPAIRED, step: Step::Apart, sparse: true, incidental: true,
        };
    }
}

group! {
    /// What is trained on.
    DataOptions(Some("Data")) {
        /// AtoB or BtoA.
        "direction" direction: Direction = Direction::AtoB => { models: PLAIN, required: true };
        /// aligned (pairs), unaligned (unpaired trainA/ and trainB/, the default of --model
        /// cycle_gan), colorization (photos: lightness to colour), inpaint (photos: fill a hole),
        /// labels (train_label/, train_inst/ and train_img/, the default of --model pix2pixHD).
        "dataset_mode" dataset_mode: DatasetMode = DatasetMode::Aligned,
            Colorization = DatasetMode::Colorization, CycleGan = DatasetMode::Unaligned,
            Pix2PixHd = DatasetMode::Labels
            => { older: Some("aligned") };
        /// Holes of --dataset_mode inpaint: center, random, or a folder of masks (white is a hole).
        "mask" mask: Mask = Mask::Center
            => { models: PLAIN, value_name: Some("center|random|FOLDER") };
        /// What under --dataroot to train on: PHASE/ with A|B images or photos, PHASEA/ and
        /// PHASEB/, or PHASE.tsv.
        "phase" phase: String = "train".into();
        /// Subfolders of A's folder that hold one band each.
        "bands_A" bands_a: Vec<String> = Vec::new()
            => { value_name: Some("DIR,DIR"), models: PIX2PIX };
        /// Subfolders of B's folder that hold one band each.
        "bands_B" bands_b: Vec<String> = Vec::new()
            => { value_name: Some("DIR,DIR"), models: PIX2PIX };
        /// Values mapped to black and white, of 16-bit and float images [default: 0,65535 and 0,1].
        "value_range" value_range: Option<[f32; 2]> = None
            => { value_name: Some("LO,HI"), negative: true };
        /// Pixels without data (NaN, infinities, the no-data value of a GeoTIFF): refuse files that
        /// have any; keep (the value is one like others); nan, or a value that marks further ones:
        /// read them as the middle of the range.
        "nodata" nodata: NoData = NoData::Refuse
            => { value_name: Some("refuse|keep|nan|VALUE"), negative: true };
        /// Take images as they are stored. By default they are turned as their files say (EXIF and
        /// TIFF's tag).
        "ignore_orientation" ignore_orientation: bool = false => { older: Some("true") };
        /// Take images in order, without shuffling.
        "serial_batches" serial_batches: bool = false;
        /// Threads that decode images in advance.
        "num_threads" num_threads: usize = 4 => { aliases: &["nThreads"], incidental: true };
        /// Memory for decoded images, so that later epochs need not decode them again (bytes;
        /// 500MiB and 2GiB are understood; 0 for none).
        "cache_memory" cache_memory: Bytes = Bytes(1 << 30) => { older: Some("0") };
        /// Images per step.
        "batch_size" batch_size: u32 = 1
            => { aliases: &["batchSize"], range: Range::Between(1.0, 4096.0) };
        /// Size that images are resized to before they are cropped: a side, or WIDTHxHEIGHT.
        "load_size" load_size: Size = Size::square(286), Pix2PixHd = Size::square(1024)
            => { aliases: &["loadSize"], step: Step::Size };
        /// Size of the crop used for training: a side, or WIDTHxHEIGHT.
        "crop_size" crop_size: Size = Size::square(256), Pix2PixHd = Size::square(512)
            => { aliases: &["fineSize"], step: Step::Size, required: true };
        /// Use at most this many images.
        "max_dataset_size" max_dataset_size: Option<usize> = None;
        /// resize_and_crop, crop, scale_width, scale_width_and_crop, scale_shortside_and_crop
        /// (keeps the aspect ratio), none.
        "preprocess" preprocess: Preprocess = Preprocess::ResizeAndCrop,
            Pix2PixHd = Preprocess::ScaleWidth
            => { aliases: &["resize_or_crop"], required: true };
        /// Do not mirror images at random.
        "no_flip" no_flip: bool = false;
        /// Kinds of the values of input and target, inferred from the files: u8, u16, f32.
        "depths" depths: Option<[Depth; 2]> = None => { inferred: true, sparse: true };
    }
}

group! {
    /// Losses, optimiser and schedule.
    OptimiserOptions(Some("Optimiser")) {
        /// Epochs at the full learning rate.
        "n_epochs" n_epochs: u64 = 100 => { aliases: &["niter"], step: Step::Apart };
        /// Epochs of decay after them.
        "n_epochs_decay" n_epochs_decay: u64 = 100
            => { aliases: &["niter_decay"], step: Step::Apart };
        /// Number of the first epoch: where a run that starts from the weights of another
        /// (--init_G) begins in the schedule.
        "epoch_count" epoch_count: u64 = 1 => { range: Range::AtLeast(1.0), step: Step::Apart };
        /// Learning rate.
        "lr" lr: f64 = 2e-4 => { range: Range::Above(0.0), step: Step::Apart };
        /// Learning rate of the generator; --lr's by default.
        "lr_G" lr_g: Option<f64> = None => { range: Range::Above(0.0), step: Step::Apart };
        /// Learning rate of the discriminator; --lr's by default.
        "lr_D" lr_d: Option<f64> = None => { range: Range::Above(0.0), step: Step::Apart };
        /// Adam's decay of the first moment.
        "beta1" beta1: f64 = 0.5 => { range: Range::HalfOpen(0.0, 1.0) };
        /// linear, step, plateau, cosine, constant.
        "lr_policy" lr_policy: LrPolicy = LrPolicy::Linear => { step: Step::Apart };
        /// Epochs between steps of --lr_policy step.
        "lr_decay_iters" lr_decay_iters: u64 = 50 => { step: Step::Apart };
        /// The reference implementation's schedule as it is: linear falls an epoch early and ends
        /// at 0, plateau sees no metric, cosine rises again.
        "lr_compat" lr_compat: bool = false => { older: Some("true"), step: Step::Apart };
        /// Batches per step: gradients are averaged over this many batches of --batch_size images;
        /// norm statistics are computed per batch.
        "accumulate" accumulate: u32 = 1 => { range: Range::Between(1.0, 1024.0) };
        /// Keep a moving average of each generator with this decay (0.999 for example) as net_G_ema
        /// (cycle_gan: net_G_A_ema and net_G_B_ema); samples are made with it.
        "ema" ema: Option<f64> = None => { value_name: Some("DECAY") };
        /// vanilla, lsgan (the default of --model cycle_gan and pix2pixHD), hinge, wgangp.
        "gan_mode" gan_mode: GanMode = GanMode::Vanilla,
            CycleGan = GanMode::Lsgan, Pix2PixHd = GanMode::Lsgan;
        /// Weight of the L1 term.
        "lambda_L1" lambda_l1: f32 = 100.0 => { models: PIX2PIX };
        /// Weight of the generator's adversarial term.
        "lambda_GAN" lambda_gan: f32 = 1.0 => { models: PIX2PIX };
        /// Weight of the total variation of the output.
        "lambda_TV" lambda_tv: f32 = 0.0 => { models: PIX2PIX };
        /// Weight of the gradient penalty of --gan_mode wgangp.
        "lambda_gp" lambda_gp: f32 = 10.0 => { models: PIX2PIX };
        /// One-sided label smoothing: how far the discriminator's label of real images is below 1.
        "label_smoothing" label_smoothing: f32 = 0.0 => { models: PIX2PIX };
        /// Weight of the cycle loss from A to B to A (cycle_gan).
        "lambda_A" lambda_a: f32 = 10.0 => { models: UNPAIRED };
        /// Weight of the cycle loss from B to A to B (cycle_gan).
        "lambda_B" lambda_b: f32 = 10.0 => { models: UNPAIRED };
        /// Weight of the identity losses, relative to the cycle losses; 0 leaves them out, which
        /// saves a third of the generators' passes (cycle_gan).
        "lambda_identity" lambda_identity: f32 = 0.5 => { models: UNPAIRED };
        /// Generated images that each discriminator's pool keeps; 0: none (cycle_gan).
        "pool_size" pool_size: u32 = 50, Pix2PixHd = 0
            => { range: Range::Between(0.0, 100_000.0) };
    }
}

group! {
    /// What pix2pixHD has alone.
    HdOptions(Some("pix2pixHD")) {
        /// Classes of the maps of labels; 0: the input is an RGB image, from train_A/ (with
        /// train_B/ for the targets).
        "label_nc" label_nc: u32 = 35 => {
            range: Range::Between(0.0, 4096.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Do not use maps of instances; taken as given where there is no train_inst/.
        "no_instance" no_instance: bool = false => { models: HD, everywhere: false };
        /// Halvings of the generator's inner network.
        "n_downsample_global" n_downsample_global: u32 = 4 => {
            range: Range::Between(1.0, 8.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Residual blocks of the generator's inner network.
        "n_blocks_global" n_blocks_global: u32 = 9 => {
            range: Range::Between(1.0, 64.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Enhancers of --netG local: each doubles the size.
        "n_local_enhancers" n_local_enhancers: u32 = 1 => {
            range: Range::Between(1.0, 2.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Residual blocks of each enhancer.
        "n_blocks_local" n_blocks_local: u32 = 3 => {
            range: Range::Between(1.0, 64.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Epochs in which --netG local trains its outermost enhancer alone.
        "niter_fix_global" niter_fix_global: u64 = 0
            => { models: HD, everywhere: false, step: Step::Apart };
        /// Scales that the discriminator judges at.
        "num_D" num_d: u32 = 2 => {
            range: Range::Between(1.0, 4.0), models: HD, everywhere: false, step: Step::Size,
        };
        /// Weight of the feature losses.
        "lambda_feat" lambda_feat: f32 = 10.0 => { models: HD, everywhere: false };
        /// Leave out the feature matching loss.
        "no_ganFeat_loss" no_gan_feat_loss: bool = false => { models: HD, everywhere: false };
        /// Leave out the VGG loss; so it is without --vgg.
        "no_vgg_loss" no_vgg_loss: bool = false => { models: HD, everywhere: false };
        /// Weights of torchvision's vgg19, as .pth or safetensors, for the VGG loss.
        "vgg" vgg: Option<PathBuf> = None => {
            value_name: FILE, models: HD, everywhere: false, sparse: true,
        };
        /// The same as --gan_mode vanilla.
        "no_lsgan" no_lsgan: bool = false => { models: HD, everywhere: false };
        /// Train an encoder of features of each instance, which give one map several looks.
        "instance_feat" instance_feat: bool = false => { models: HD, everywhere: false };
        /// The same with features of each label.
        "label_feat" label_feat: bool = false => { models: HD, everywhere: false };
        /// Read features from train_feat/ instead of training an encoder.
        "load_features" load_features: bool = false => { models: HD, everywhere: false };
        /// Features of the encoder.
        "feat_num" feat_num: u32 = 3 => {
            range: Range::Between(1.0, 64.0), models: HD, everywhere: false,
        };
        /// Channels of the encoder's first layer.
        "nef" nef: u32 = 16 => {
            range: Range::Between(1.0, 1024.0), models: HD, everywhere: false,
        };
        /// Halvings of the encoder.
        "n_downsample_E" n_downsample_e: u32 = 4 => {
            range: Range::Between(1.0, 8.0), models: HD, everywhere: false,
        };
        /// Start from the networks of an earlier run, a folder or a generator's file: whatever has
        /// the same name and shape is taken over.
        "load_pretrain" load_pretrain: Option<PathBuf> = None => {
            value_name: Some("DIR|FILE"), models: HD, everywhere: false, step: Step::Apart,
            sparse: true, incidental: true,
        };
        /// Start the encoder from a safetensors file.
        "init_E" init_e: Option<PathBuf> = None => {
            value_name: FILE, models: HD, everywhere: false, step: Step::Apart, sparse: true,
            incidental: true,
        };
    }
}
