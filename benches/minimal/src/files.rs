//! What all the programs read: weights in safetensors (f32), pixels as bytes. Shared with `peers/`,
//! so that all pay the same for it.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;

/// A safetensors file; tensors are read one by one. Its header is taken to be as the safetensors
/// library writes it: without spaces.
pub struct Weights {
    file: File,
    header: String,
}

impl Weights {
    pub fn open(path: impl AsRef<Path>) -> Result<Weights> {
        let mut file = File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = vec![0; u64::from_le_bytes(length).min(1 << 24) as usize];
        file.read_exact(&mut header)?;
        let header =
            String::from_utf8(header).map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
        Ok(Weights { file, header })
    }

    /// Shape and values of a tensor.
    pub fn read(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let gone = || Error::new(ErrorKind::InvalidData, format!("no {name} in f32"));
        let (shape, [from, to]) = self.place(name).ok_or_else(gone)?;
        let start = 8 + (self.header.len() + from) as u64;
        self.file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; to.checked_sub(from).ok_or_else(gone)?];
        self.file.read_exact(&mut bytes)?;
        let (values, _) = bytes.as_chunks::<4>();
        Ok((shape, values.iter().map(|v| f32::from_le_bytes(*v)).collect()))
    }

    fn place(&self, name: &str) -> Option<(Vec<usize>, [usize; 2])> {
        let entry = self.header.split_once(&format!("\"{name}\":{{\"dtype\":\"F32\","))?.1;
        let entry = entry.split_once('}')?.0;
        let numbers = |key: &str| -> Option<Vec<usize>> {
            let list = entry.split_once(&format!("\"{key}\":["))?.1.split_once(']')?.0;
            list.split(',').map(|number| number.parse().ok()).collect()
        };
        Some((numbers("shape")?, numbers("data_offsets")?.try_into().ok()?))
    }
}
