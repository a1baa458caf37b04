//! Values of flags that no type of its own can refuse.

/// `unet-256` is `unet_256`.
pub(crate) fn underscored(text: &str) -> std::result::Result<String, String> {
    Ok(text.replace('-', "_"))
}

pub(crate) fn channels(text: &str) -> std::result::Result<u32, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=1024).contains(n))
        .ok_or_else(|| "a number of channels from 1 to 1024".into())
}

/// `LO,HI`.
pub(crate) fn range(text: &str) -> std::result::Result<[f32; 2], String> {
    let ends: Option<Vec<f32>> = text.split(',').map(|end| end.trim().parse().ok()).collect();
    match ends.as_deref() {
        Some([low, high]) if low < high => Ok([*low, *high]),
        _ => Err("two numbers, the lower first: 0,4095".into()),
    }
}

pub(crate) fn bytes(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}; use bytes, KiB, MiB or GiB")),
    };
    number.parse::<f64>().map(|n| (n * scale as f64) as u64).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            (bytes("1024"), bytes("1.5GiB"), bytes("2m")),
            (Ok(1024), Ok(3 << 29), Ok(2 << 20))
        );
        assert!(bytes("5 parsecs").is_err());
    }
}
