//! Values of options: how each type is written on the command line and in options.json.

use crate::io::picture::NoData;
use crate::io::{Depth, Mask, Size};
use crate::nets::GeneratorKind;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A type of options.
pub(super) trait OptionValue: Clone + Send + Sync + 'static {
    /// Whether a flag of this type takes no value.
    const SWITCH: bool = false;

    /// Reads a word of the command line.
    fn parse(word: &str) -> Result<Self, String>;

    /// The value as options.json holds it.
    fn to_json(&self) -> Value;

    /// The contrary.
    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(word) => Self::parse(word),
            other => Err(format!("{other}: expected a text")),
        }
    }

    /// The value as a word of the command line, if there is one.
    fn word(&self) -> Option<String>;

    /// The number that a range is about.
    fn number(&self) -> Option<f64> {
        None
    }
}

/// A number of bytes. Written as one, or as `500MiB` and `2GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            other => return Err(format!("unknown unit {other:?}; use bytes, KiB, MiB or GiB")),
        };
        number
            .parse::<f64>()
            .map(|n| Bytes((n * scale as f64) as u64))
            .map_err(|_| "expected a number of bytes: 500MiB or 2GiB, for example".into())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let whole = |(_, bits): &(&str, u32)| self.0 > 0 && self.0.is_multiple_of(1 << bits);
        match units.into_iter().find(whole) {
            Some((unit, bits)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Which kernels a program uses: `--tune`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Tune {
    /// What is in the cache; before a training on a GPU what is missing is measured.
    #[default]
    Auto,
    /// The built-in rule.
    Off,
    /// What is in the cache.
    Cache,
    /// Everything is measured.
    Now,
    /// What a file says.
    File(PathBuf),
}

impl FromStr for Tune {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "" => return Err("choose auto, off, cache, now or a file".into()),
            "auto" => Tune::Auto,
            "off" => Tune::Off,
            "cache" => Tune::Cache,
            "now" => Tune::Now,
            file => Tune::File(file.into()),
        })
    }
}

impl OptionValue for Tune {
    fn parse(word: &str) -> Result<Self, String> {
        word.parse()
    }
    fn to_json(&self) -> Value {
        self.word().into()
    }
    fn word(&self) -> Option<String> {
        Some(match self {
            Tune::Auto => "auto".into(),
            Tune::Off => "off".into(),
            Tune::Cache => "cache".into(),
            Tune::Now => "now".into(),
            Tune::File(file) => file.to_string_lossy().into(),
        })
    }
}

impl OptionValue for bool {
    const SWITCH: bool = true;

    fn parse(word: &str) -> Result<Self, String> {
        word.parse().map_err(|_| "expected true or false".into())
    }
    fn to_json(&self) -> Value {
        (*self).into()
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("{value}: expected true or false"))
    }
    fn word(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! numbers {
    ($($type:ty: $what:literal),+) => {$(
        impl OptionValue for $type {
            fn parse(word: &str) -> Result<Self, String> {
                word.trim().parse().map_err(|_| concat!("expected ", $what).into())
            }
            fn to_json(&self) -> Value {
                // By way of text: 0.02 stays 0.02 and does not become the double next to the
                // single.
                let text = serde_json::to_string(self);
                text.and_then(|text| serde_json::from_str(&text)).unwrap_or(Value::Null)
            }
            fn from_json(value: &Value) -> Result<Self, String> {
                serde_json::from_value(value.clone())
                    .map_err(|_| format!(concat!("{}: expected ", $what), value))
            }
            fn word(&self) -> Option<String> {
                Some(self.to_string())
            }
            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )+};
}

numbers!(
    u32: "a whole number", u64: "a whole number", usize: "a whole number",
    f32: "a number", f64: "a number"
);

/// Types that are written as one text.
macro_rules! texts {
    ($($type:ty: |$word:ident| $parse:expr, |$value:ident| $text:expr;)+) => {$(
        impl OptionValue for $type {
            fn parse($word: &str) -> Result<Self, String> {
                $parse
            }
            fn to_json(&self) -> Value {
                let $value = self;
                Value::String($text)
            }
            fn word(&self) -> Option<String> {
                let $value = self;
                Some($text)
            }
        }
    )+};
}

texts! {
    String: |word| Ok(word.into()), |text| text.clone();
    PathBuf: |word| Ok(word.into()), |path| path.to_string_lossy().into();
    GeneratorKind: |word| GeneratorKind::of_name(&word.replace('-', "_")), |kind| kind.to_string();
    NoData: |word| word.parse(), |nodata| nodata.to_string();
    Mask: |word| Ok(match word {
        "center" => Mask::Center,
        "random" => Mask::Random,
        folder => Mask::Folder(folder.into()),
    }), |mask| match mask {
        Mask::Center => "center".into(),
        Mask::Random => "random".into(),
        Mask::Folder(folder) => folder.to_string_lossy().into(),
    };
}

impl OptionValue for Size {
    fn parse(word: &str) -> Result<Self, String> {
        word.parse().map_err(|_| "expected a side, 286, or width x height, 512x256".into())
    }
    fn to_json(&self) -> Value {
        json!(self)
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|e| e.to_string())
    }
    fn word(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl OptionValue for Bytes {
    fn parse(word: &str) -> Result<Self, String> {
        word.parse()
    }
    fn to_json(&self) -> Value {
        self.0.into()
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        value.as_u64().map(Bytes).ok_or_else(|| format!("{value}: expected a number of bytes"))
    }
    fn word(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    fn parse(word: &str) -> Result<Self, String> {
        T::parse(word).map(Some)
    }
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
    fn word(&self) -> Option<String> {
        self.as_ref().and_then(T::word)
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
}

/// Names, separated by commas.
impl OptionValue for Vec<String> {
    fn parse(word: &str) -> Result<Self, String> {
        Ok(word.split(',').map(String::from).collect())
    }
    fn to_json(&self) -> Value {
        json!(self)
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|_| format!("{value}: expected a list"))
    }
    fn word(&self) -> Option<String> {
        Some(self.join(",")).filter(|_| !self.is_empty())
    }
}

/// `LO,HI`.
impl OptionValue for [f32; 2] {
    fn parse(word: &str) -> Result<Self, String> {
        let ends: Option<Vec<f32>> = word.split(',').map(|end| end.trim().parse().ok()).collect();
        match ends.as_deref() {
            Some([low, high]) if low < high => Ok([*low, *high]),
            _ => Err("expected two numbers, the lower first: 0,4095".into()),
        }
    }
    fn to_json(&self) -> Value {
        self.map(|end| end.to_json()).to_vec().into()
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|_| format!("{value}: expected two numbers"))
    }
    fn word(&self) -> Option<String> {
        Some(format!("{},{}", self[0], self[1]))
    }
}

impl OptionValue for [Depth; 2] {
    fn parse(word: &str) -> Result<Self, String> {
        let of = |word: &str| word.parse().map_err(|_| format!("{word}: unknown depth"));
        let (a, b) = word.split_once(',').ok_or("expected two depths")?;
        Ok([of(a)?, of(b)?])
    }
    fn to_json(&self) -> Value {
        json!(self.map(|depth| depth.to_string()))
    }
    fn from_json(value: &Value) -> Result<Self, String> {
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(a), Value::String(b)]) => Self::parse(&format!("{a},{b}")),
            _ => Err(format!("{value}: expected two depths")),
        }
    }
    fn word(&self) -> Option<String> {
        Some(format!("{},{}", self[0], self[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_and_print_with_them() {
        let bytes = |text: &str| text.parse().map(|Bytes(n)| n);
        assert_eq!(
            (bytes("1024"), bytes("1.5GiB"), bytes("2m")),
            (Ok(1024), Ok(3 << 29), Ok(2 << 20))
        );
        assert!(bytes("5 parsecs").is_err() && bytes("").is_err());
        for text in ["1GiB", "1536MiB", "3KiB", "1025", "0"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }
}
