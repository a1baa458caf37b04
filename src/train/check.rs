//! Checks of the fields that the models' configurations share.

use crate::error::{Error, Result};

/// Batches and their size.
///
/// # Errors
/// [`Error::Config`] for a step without images.
pub(super) fn batches(batch_size: u32, accumulate: u32) -> Result<()> {
    for (field, value) in [("accumulate", accumulate), ("batch_size", batch_size)] {
        if value == 0 {
            return Err(Error::config(field, "must be at least 1"));
        }
    }
    Ok(())
}

/// Weights of losses, by field.
///
/// # Errors
/// [`Error::Config`] for one below 0 or without end.
pub(super) fn loss_weights<const N: usize>(weights: [(&'static str, f32); N]) -> Result<()> {
    for (field, value) in weights {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::config(field, format!("{value}: a weight is 0 or more")));
        }
    }
    Ok(())
}

/// The decay of a moving average.
///
/// # Errors
/// [`Error::Config`] for what no average decays by.
pub(super) fn ema(decay: Option<f64>) -> Result<()> {
    match decay {
        Some(decay) if !(0.0..1.0).contains(&decay) => {
            let why = format!("{decay}: a decay lies in 0 to below 1, 0.999 for example");
            Err(Error::config("ema", why))
        }
        _ => Ok(()),
    }
}
