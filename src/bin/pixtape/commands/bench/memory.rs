//! `pixtape bench memory`: what a training step takes, planned without a device.

use crate::commands::bench::options::StepOptions;
use pixtape::Result;
use pixtape::gpu::{Family, MAX_BINDING};
use pixtape::nets::VggConfig;
use pixtape::plan::PlanOptions;
use pixtape::run::Trainer;
use pixtape::train::{AnyModel, Model};
use serde_json::{Value, json};

/// Cards to hold a step against: their memory, less what the system and the driver keep.
const CARDS: [(&str, u64); 2] = [("12 GB", 11 << 30), ("24 GB", 23 << 30)];

/// A planned step.
struct Row {
    recompute: bool,
    total: u64,
    activations: u64,
    /// The largest tensor.
    largest: (u64, String),
}

/// Runs `bench memory`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = StepOptions::read(words)?;
    let mut train = options.train.clone();
    let mut config = train.resolve_without_data()?;
    if let AnyModel::Pix2PixHd(config) = &mut config
        && !train.hd.no_vgg_loss
    {
        // As with torchvision's weights, which need not be here to be planned.
        config.vgg.get_or_insert(VggConfig::default());
    }
    let rows = [false, true]
        .into_iter()
        .map(|recompute| plan(&config, recompute, &options))
        .collect::<Result<Vec<_>>>()?;
    let (width, height) = config.settings().size;
    if options.args.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!("{:#}", json!({ "width": width, "height": height, "rows": rows }));
        return Ok(());
    }
    println!("{width}x{height}, batch {}, {}", config.settings().pictures, train.nets.net_g);
    rows.iter().for_each(|row| println!("{}", row.text()));
    Ok(())
}

fn plan(config: &AnyModel, recompute: bool, options: &StepOptions) -> Result<Row> {
    let family = match options.args.family.map(Family::from) {
        // No device says how many lanes: those of CPU drivers with 256 bits.
        Some(Family::Subgroup(_)) => Family::Subgroup(8),
        family => family.unwrap_or(Family::Workgroup),
    };
    let plan_options = PlanOptions { recompute, max_binding: Some(u64::MAX), ..options.plan() };
    let plan = Trainer::plan(config, family, plan_options)?;
    let memory = plan.memory();
    let (bytes, label) = plan.largest();
    let largest = (bytes, label.to_string());
    Ok(Row { recompute, total: memory.total(), activations: memory.activations, largest })
}

impl Row {
    /// Devices that it runs on.
    fn fits(&self) -> Vec<&'static str> {
        let binding = (self.largest.0 <= MAX_BINDING).then_some("128 MiB bindings");
        let cards = CARDS.into_iter().filter(|(_, bytes)| self.total <= *bytes);
        binding.into_iter().chain(cards.map(|(name, _)| name)).collect()
    }

    fn text(&self) -> String {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let fits = self.fits().join(", ");
        let (largest, label) = &self.largest;
        format!(
            "{:<12} {:>6.2} GiB, of it activations {:.2} GiB; largest tensor {:.1} MiB ({label}); \
             fits: {}",
            if self.recompute { "--recompute" } else { "" },
            gib(self.total),
            gib(self.activations),
            *largest as f64 / f64::from(1 << 20),
            if fits.is_empty() { "nothing of 128 MiB bindings, 12 GB, 24 GB" } else { &fits },
        )
    }

    fn json(&self) -> Value {
        json!({
            "recompute": self.recompute,
            "planned_bytes": self.total,
            "activations": self.activations,
            "largest_bytes": self.largest.0,
            "largest": self.largest.1,
            "fits": self.fits(),
        })
    }
}
