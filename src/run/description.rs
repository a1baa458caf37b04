//! What a run's losses, generators and sample grids are, from the options that it wrote.

use super::Options;
use crate::train::{Description, Model};
use serde_json::Value;

/// The description of a run's model from its options, those of runs of earlier versions included.
/// What they lack or hold in another form is the model's default.
pub fn describe(options: &Value) -> Description {
    let mut options = Options::readable(options);
    // What cannot be trained any more is described as the model is by default.
    let config = options.resolve_without_data();
    let usual = || Options::new(options.model).resolve_without_data();
    config.or_else(|_| usual()).expect("defaults go together").describe()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_of_any_version_describe_their_model() {
        let names = |options: Value| {
            describe(&options).losses.iter().map(|loss| loss.name).collect::<Vec<_>>()
        };
        let four = ["G_GAN", "G_L1", "D_real", "D_fake"];
        assert_eq!(names(json!({})), four);
        assert_eq!(names(json!({ "model": "colorization", "lambda_TV": null })), four);
        let more = json!({ "model": "pix2pix", "gan_mode": "wgangp", "lambda_TV": 0.5 });
        assert_eq!(names(more)[4..], ["G_TV", "D_GP"]);
        let cycle = json!({ "model": "cycle_gan", "gan_mode": "vanilla", "lambda_identity": 0.0 });
        assert_eq!(names(cycle.clone()), ["D_A", "G_A", "cycle_A", "D_B", "G_B", "cycle_B"]);
        let cycle = describe(&cycle);
        assert!(!cycle.paired && cycle.columns.len() == 6);
        assert_eq!(cycle.chance_text(), "0.693");
        assert_eq!(describe(&json!({ "model": "cycle_gan" })).columns.len(), 8);
    }
}
