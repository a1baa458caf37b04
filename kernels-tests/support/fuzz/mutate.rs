//! Broken files from valid ones, by number.

use pixtape::rng::random;

/// What a mutation may put right again, so that it gets past the first check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Plain,
    /// Checksums of PNG's chunks.
    Png,
}

/// Words of randomness, one after another.
struct Dice {
    key: [u32; 3],
    at: u32,
}

impl Dice {
    fn word(&mut self) -> u32 {
        self.at += 1;
        random(self.at, self.key[0], self.key[1], self.key[2])[0]
    }

    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n.max(1) as u64) >> 32) as usize
    }
}

/// Values that break lengths, counts and offsets.
const EXTREMES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Case `case` of a stream: one of the seeds after one to three mutations.
pub fn mutate(
    seeds: &[(String, Vec<u8>)],
    kind: Kind,
    seed: u32,
    stream: u32,
    case: u32,
) -> Vec<u8> {
    let mut dice = Dice { key: [stream, case, seed], at: 0 };
    let mut bytes = seeds[dice.below(seeds.len())].1.clone();
    for _ in 0..1 + dice.below(3) {
        once(&mut bytes, seeds, &mut dice);
    }
    if kind == Kind::Png && dice.below(4) > 0 {
        mend_png(&mut bytes);
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, seeds: &[(String, Vec<u8>)], dice: &mut Dice) {
    // Headers are where it hurts: every second place is in the first 128 bytes.
    let place = |bytes: &[u8], dice: &mut Dice| {
        let within = if dice.below(2) == 0 { bytes.len().min(128) } else { bytes.len() };
        dice.below(within)
    };
    if bytes.is_empty() {
        bytes.push(dice.word() as u8);
    }
    match dice.below(7) {
        0 => (0..1 + dice.below(8)).for_each(|_| {
            let at = place(bytes, dice);
            bytes[at] ^= 1 << dice.below(8);
        }),
        1 => {
            let length = dice.below(bytes.len() + 1);
            bytes.truncate(length);
        }
        2 => {
            // A piece of another file, over or between.
            let other = &seeds[dice.below(seeds.len())].1;
            let from = dice.below(other.len());
            let piece = other[from..(from + 1 + dice.below(64)).min(other.len())].to_vec();
            let at = place(bytes, dice);
            let end = if dice.below(2) == 0 { (at + piece.len()).min(bytes.len()) } else { at };
            bytes.splice(at..end, piece);
        }
        3 | 4 => {
            let (value, width) = (EXTREMES[dice.below(EXTREMES.len())], 1 << dice.below(4));
            let raw = if dice.below(2) == 0 {
                value.to_le_bytes()[..width].to_vec()
            } else {
                value.to_be_bytes()[8 - width..].to_vec()
            };
            let at = place(bytes, dice);
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&raw[..end - at]);
        }
        5 => {
            let at = place(bytes, dice);
            let end = (at + 1 + dice.below(32)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            // Digits of texts, and a run of one byte.
            let at = place(bytes, dice);
            let (with, count) =
                ([b'9', b'-', b'[', b'{', b'"', b'\n', 0, 255][dice.below(8)], 1 + dice.below(40));
            bytes.splice(at..at, std::iter::repeat_n(with, count));
        }
    }
}

/// Gives every chunk its checksum, as far as lengths lead.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while at + 12 <= bytes.len() {
        let length =
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let Some(end) = length.checked_add(at + 8).filter(|e| e + 4 <= bytes.len()) else { return };
        let sum = crc32(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn checksums_are_those_of_png() {
    assert_eq!(crc32(b"IEND"), 0xae42_6082);
}
