//! Frames: a few rows of the head, packed column by column.
//!
//! Rows come one by one and are read column by column. Sixteen of them together take an eighth of
//! the memory, and each column can still be had alone. Frames are never written to a disk.

use crate::bytes::{Reader, put_signed, zigzag};
use crate::chunk::{exponent_of, from_decimal, to_decimal};
use crate::wal::{ABSENT, is_absent};

/// Most rows in a frame: a bit for each fits 16, and the length of a column a byte.
pub(crate) const FRAME_ROWS: usize = 16;

const ALL_ABSENT: u8 = 0;
/// One value for all rows.
const CONSTANT: u8 = 1;
/// The first value, then the steps, each with as many bits as the widest needs.
const STEPS: u8 = 2;
/// The first value, then a bit for each row that differs, then those steps.
const RARE_STEPS: u8 = 3;
/// 8 bytes a row.
const PLAIN: u8 = 4;
/// Added to a form: which rows have a value, before all else.
const HAS_GAPS: u8 = 8;
/// In place of an exponent: 8 bytes as they are.
const NO_EXPONENT: u8 = 15;

/// Some rows of one source in one layout.
pub(crate) struct Frame {
    /// The row it begins with.
    pub(crate) from: usize,
    pub(crate) rows: usize,
    /// Length of each column, then the columns.
    bytes: Box<[u8]>,
}

impl Frame {
    /// Packs 1 to [`FRAME_ROWS`] rows of equal width.
    pub(crate) fn pack(from: usize, rows: &[Box<[f64]>]) -> Frame {
        debug_assert!((1..=FRAME_ROWS).contains(&rows.len()));
        let width = rows[0].len();
        let mut bytes = vec![0; width];
        bytes.reserve(width * 8);
        let mut column = [0.0; FRAME_ROWS];
        for slot in 0..width {
            for (value, row) in column.iter_mut().zip(rows) {
                *value = row[slot];
            }
            let before = bytes.len();
            pack_column(&column[..rows.len()], &mut bytes);
            // A plain column with gaps, the longest, has 1 + 2 + 16 × 8 bytes.
            bytes[slot] = (bytes.len() - before) as u8;
        }
        Frame { from, rows: rows.len(), bytes: bytes.into() }
    }

    /// Appends the values of a column to `out`, one for each row.
    pub(crate) fn column(&self, slot: usize, width: usize, out: &mut Vec<f64>) {
        let (lengths, columns) = self.bytes.split_at(width);
        let at: usize = lengths[..slot].iter().map(|l| usize::from(*l)).sum();
        let before = out.len();
        let read = read_column(&mut Reader(&columns[at..]), self.rows, out);
        debug_assert_eq!(read, Ok(()));
        debug_assert_eq!(out.len() - before, self.rows);
    }

    /// Memory it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Frame>() + self.bytes.len() + 16
    }
}

fn pack_column(values: &[f64], out: &mut Vec<u8>) {
    let first = values[0].to_bits();
    if values.iter().all(|v| v.to_bits() == first) {
        if is_absent(values[0]) {
            out.push(ALL_ABSENT);
        } else if let Some((exponent, integer)) =
            exponent_of(values[0], 0).and_then(|e| Some((e, to_decimal(values[0], e)?)))
        {
            out.push(CONSTANT | exponent << 4);
            put_signed(out, integer);
        } else {
            out.push(CONSTANT | NO_EXPONENT << 4);
            out.extend_from_slice(&first.to_le_bytes());
        }
        return;
    }
    let mut present = [0.0; FRAME_ROWS];
    let mut n = 0;
    let mut rows = 0u16;
    for (row, value) in values.iter().enumerate() {
        if !is_absent(*value) {
            present[n] = *value;
            n += 1;
            rows |= 1 << row;
        }
    }
    let at = out.len();
    out.push(0);
    let mut flags = 0;
    if n < values.len() {
        flags = HAS_GAPS;
        out.extend_from_slice(&rows.to_le_bytes());
    }
    let present = &present[..n];
    out[at] = flags
        | match decimals(present) {
            Some((exponent, integers)) => exponent << 4 | pack_steps(&integers[..n], out),
            None => {
                present.iter().for_each(|v| out.extend_from_slice(&v.to_bits().to_le_bytes()));
                PLAIN
            }
        };
}

/// The values as integers of one exponent.
fn decimals(values: &[f64]) -> Option<(u8, [i64; FRAME_ROWS])> {
    let mut integers = [0; FRAME_ROWS];
    let mut exponent = 0;
    let mut at = 0;
    while at < values.len() {
        match to_decimal(values[at], exponent) {
            Some(integer) => {
                integers[at] = integer;
                at += 1;
            }
            None => {
                // All are scaled anew: few series have values of more digits late in a frame.
                exponent = exponent_of(values[at], exponent + 1)?;
                at = 0;
            }
        }
    }
    Some((exponent, integers))
}

/// Appends the first integer and the steps in the shorter of two forms, which it returns.
fn pack_steps(integers: &[i64], out: &mut Vec<u8>) -> u8 {
    put_signed(out, integers[0]);
    let mut steps = [0i64; FRAME_ROWS];
    for (step, pair) in steps.iter_mut().zip(integers.windows(2)) {
        *step = pair[1] - pair[0];
    }
    let steps = &steps[..integers.len() - 1];
    let (mut low, mut high, mut rare_bytes, mut changed) = (i64::MAX, i64::MIN, 2, 0u16);
    for (i, step) in steps.iter().enumerate() {
        (low, high) = (low.min(*step), high.max(*step));
        if *step != 0 {
            changed |= 1 << i;
            rare_bytes += varint_bytes(zigzag(*step));
        }
    }
    let bits = steps.first().map_or(0, |_| 64 - ((high - low) as u64).leading_zeros());
    let step_bytes = 1 + varint_bytes(zigzag(low)) + (bits as usize * steps.len()).div_ceil(8);
    if rare_bytes < step_bytes || steps.is_empty() {
        out.extend_from_slice(&changed.to_le_bytes());
        for step in steps.iter().filter(|s| **s != 0) {
            put_signed(out, *step);
        }
        return RARE_STEPS;
    }
    out.push(bits as u8);
    put_signed(out, low);
    let (mut gathered, mut filled) = (0u128, 0);
    for step in steps {
        gathered |= u128::from((step - low) as u64) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(gathered as u8);
            gathered >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(gathered as u8);
    }
    STEPS
}

fn varint_bytes(value: u64) -> usize {
    ((64 - value.leading_zeros()).max(1) as usize).div_ceil(7)
}

type Outcome = Result<(), crate::bytes::Malformed>;

fn read_column(reader: &mut Reader<'_>, rows: usize, out: &mut Vec<f64>) -> Outcome {
    let head = reader.u8()?;
    let exponent = head >> 4;
    let present = if head & HAS_GAPS != 0 { reader.u16()? } else { u16::MAX };
    let before = out.len();
    match head & 7 {
        ALL_ABSENT => out.extend(std::iter::repeat_n(ABSENT, rows)),
        CONSTANT => {
            let value = match exponent {
                NO_EXPONENT => f64::from_bits(reader.u64()?),
                _ => from_decimal(reader.signed()?, exponent),
            };
            out.extend(std::iter::repeat_n(value, rows));
        }
        form => {
            let n = if head & HAS_GAPS != 0 { present.count_ones() as usize } else { rows };
            match form {
                STEPS => read_steps(reader, exponent, n, out)?,
                RARE_STEPS => {
                    let mut integer = reader.signed()?;
                    let changed = reader.u16()?;
                    out.push(from_decimal(integer, exponent));
                    for i in 0..n - 1 {
                        if changed >> i & 1 == 1 {
                            integer += reader.signed()?;
                        }
                        out.push(from_decimal(integer, exponent));
                    }
                }
                _ => {
                    for _ in 0..n {
                        out.push(f64::from_bits(reader.u64()?));
                    }
                }
            }
        }
    }
    if head & HAS_GAPS != 0 {
        spread(&mut out[before..].to_vec(), present, rows, before, out);
    }
    Ok(())
}

fn read_steps(reader: &mut Reader<'_>, exponent: u8, n: usize, out: &mut Vec<f64>) -> Outcome {
    let mut integer = reader.signed()?;
    let bits = u32::from(reader.u8()?);
    let low = reader.signed()?;
    out.push(from_decimal(integer, exponent));
    let mask = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
    let (mut gathered, mut filled) = (0u128, 0);
    for _ in 1..n {
        while filled < bits {
            gathered |= u128::from(reader.u8()?) << filled;
            filled += 8;
        }
        integer += low + (gathered as u64 & mask) as i64;
        gathered >>= bits;
        filled -= bits;
        out.push(from_decimal(integer, exponent));
    }
    Ok(())
}

/// Puts the values at the end of `out` to the rows that have one.
fn spread(values: &mut [f64], present: u16, rows: usize, from: usize, out: &mut Vec<f64>) {
    out.truncate(from);
    let mut values = values.iter();
    for row in 0..rows {
        let value = if present >> row & 1 == 1 { values.next().copied() } else { None };
        out.push(value.unwrap_or(ABSENT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(rows: &[Vec<f64>]) -> Frame {
        let rows: Vec<Box<[f64]>> = rows.iter().map(|r| r.clone().into()).collect();
        Frame::pack(0, &rows)
    }

    fn column(frame: &Frame, slot: usize, width: usize) -> Vec<u64> {
        let mut out = Vec::new();
        frame.column(slot, width, &mut out);
        out.iter().map(|v| v.to_bits()).collect()
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (0i32..100_000).prop_map(|i| f64::from(i) / 100.0),
            4 => Just(5.0),
            2 => (-1i64 << 52..1 << 52).prop_map(|i| i as f64),
            2 => Just(ABSENT),
            1 => any::<f64>(),
            1 => prop_oneof![Just(f64::NAN), Just(-0.0), Just(1e-12), Just(9_007_199_254_740_991.0)],
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn every_value_comes_back((width, rows) in (1usize..6, 1usize..=FRAME_ROWS).prop_flat_map(|(width, n)| {
            (Just(width), prop::collection::vec(prop::collection::vec(value(), width), n))
        })) {
            let frame = packed(&rows);
            for slot in 0..width {
                let expected: Vec<u64> = rows.iter().map(|r| r[slot].to_bits()).collect();
                prop_assert_eq!(column(&frame, slot, width), expected);
            }
        }
    }

    #[test]
    fn usual_columns_take_few_bytes() {
        let bytes = |of: fn(usize) -> f64| {
            let rows: Vec<Vec<f64>> = (0..FRAME_ROWS).map(|i| vec![of(i)]).collect();
            packed(&rows).bytes.len() - 1
        };
        assert_eq!(bytes(|_| 3.0), 2);
        assert_eq!(bytes(|_| ABSENT), 1);
        assert_eq!(bytes(|i| 1e6 + 100.0 * i as f64), 7, "steps that are all the same");
        assert_eq!(bytes(|i| 1e6 + (100 * i + i % 2) as f64), 11);
        assert_eq!(bytes(|i| if i < 9 { 0.25 } else { 0.5 }), 5);
        assert_eq!(bytes(|i| (i as f64).sqrt()), 129);
    }
}
