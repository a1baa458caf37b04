//! Names of the tensors of `unet_256` in PyTorch.

/// Halvings.
pub const DEPTH: usize = 8;

/// A level of the U-Net, the outermost being 0.
pub struct Names {
    pub down: String,
    pub down_norm: Option<String>,
    pub up: String,
    pub up_norm: Option<String>,
}

pub fn names(level: usize) -> Names {
    let prefix = match level {
        0 => "model.model".to_string(),
        _ => format!("model.model.1.model{}", ".3.model".repeat(level - 1)),
    };
    let (down, down_norm, up, up_norm) = match level {
        0 => (0, None, 3, None),
        _ if level == DEPTH - 1 => (1, None, 3, Some(4)),
        _ => (1, Some(2), 5, Some(6)),
    };
    let at = |place: u32| format!("{prefix}.{place}");
    Names { down: at(down), down_norm: down_norm.map(at), up: at(up), up_norm: up_norm.map(at) }
}
