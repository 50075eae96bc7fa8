//! Numbers of the type `numeric` as `PostgreSQL` sends them: groups of four decimal digits, the place
//! of the first, a sign, and how many digits are shown after the point. Server source,
//! `numeric_send`.

use std::fmt::Write;

use kernel::Fault;

use super::postgres::Bytes;

const NEGATIVE: u16 = 0x4000;

pub struct Numeric<'a> {
    /// Two bytes each, from 0 to 9999, the highest first.
    groups: &'a [[u8; 2]],
    /// Of the first group: how many groups come between it and the point.
    weight: i16,
    sign: u16,
    /// Digits after the point.
    pub scale: u16,
}

impl<'a> Numeric<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut bytes = Bytes(bytes);
        // The count is told by the length as well.
        bytes.two()?;
        let weight = bytes.two()?.cast_signed();
        let (sign, scale) = (bytes.two()?, bytes.two()?);
        Ok(Self {
            groups: bytes.0.as_chunks::<2>().0,
            weight,
            sign,
            scale,
        })
    }

    /// The number in units of its last shown digit; none where it is none or has more than 38 digits.
    pub fn scaled(&self) -> Option<i128> {
        const MOST: i128 = 10_i128.pow(38);
        if self.sign > NEGATIVE {
            return None;
        }
        let count = i32::try_from(self.groups.len()).ok()?;
        let shift = 4 * (i32::from(self.weight) - count + 1) + i32::from(self.scale);
        let power = shift.unsigned_abs();
        // Of most numbers both fit 64 bits, whose divisions are many times as fast.
        let value = match (self.small(), 10_i64.checked_pow(power)) {
            (Some(whole), Some(unit)) if shift < 0 => i128::from(whole / unit),
            (Some(whole), Some(unit)) => i128::from(whole).checked_mul(i128::from(unit))?,
            _ if shift < 0 => self.whole()? / 10_i128.checked_pow(power)?,
            _ => self.whole()?.checked_mul(10_i128.checked_pow(power)?)?,
        };
        let value = if self.sign == NEGATIVE { -value } else { value };
        (value.abs() < MOST).then_some(value)
    }

    /// All groups as one number.
    fn whole(&self) -> Option<i128> {
        self.groups.iter().try_fold(0_i128, |whole, group| {
            let group = i128::from(u16::from_be_bytes(*group));
            whole.checked_mul(10_000)?.checked_add(group)
        })
    }

    /// The same, if there are few.
    fn small(&self) -> Option<i64> {
        let join =
            |whole: i64, group: &[u8; 2]| whole * 10_000 + i64::from(u16::from_be_bytes(*group));
        (self.groups.len() <= 4).then(|| self.groups.iter().fold(0, join))
    }

    /// As the server writes it.
    pub fn text(&self) -> String {
        match self.sign {
            0 | NEGATIVE => {}
            0xd000 => return "Infinity".into(),
            0xf000 => return "-Infinity".into(),
            _ => return "NaN".into(),
        }
        let mut text = String::new();
        if self.sign == NEGATIVE {
            text.push('-');
        }
        let group = |place: i32| {
            let place = usize::try_from(place).ok();
            let found = place.and_then(|place| self.groups.get(place));
            found.map_or(0, |bytes| u16::from_be_bytes(*bytes))
        };
        let weight = i32::from(self.weight);
        // Writing to memory does not fail.
        text.push_str(&group(if weight < 0 { -1 } else { 0 }).to_string());
        for place in 1..=weight {
            write!(text, "{:04}", group(place)).unwrap_or_default();
        }
        if self.scale == 0 {
            return text;
        }
        text.push('.');
        let begin = text.len();
        let mut place = weight + 1;
        while text.len() - begin < usize::from(self.scale) {
            write!(text, "{:04}", group(place)).unwrap_or_default();
            place += 1;
        }
        text.truncate(begin + usize::from(self.scale));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let count = u16::try_from(groups.len()).unwrap();
        let all = [count, weight.cast_unsigned(), sign, scale];
        let all = all.iter().chain(groups);
        all.flat_map(|two| two.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_read_as_the_server_writes_them() {
        for (weight, sign, scale, groups, text, scaled) in [
            (0, 0, 0, &[][..], "0", Some(0)),
            (0, 0, 2, &[], "0.00", Some(0)),
            (0, NEGATIVE, 2, &[12, 3400], "-12.34", Some(-1234)),
            (-1, 0, 2, &[100], "0.01", Some(1)),
            (-2, 0, 8, &[1], "0.00000001", Some(1)),
            (1, 0, 0, &[5], "50000", Some(50_000)),
            (
                2,
                0,
                1,
                &[1, 0, 7, 5000],
                "100000007.5",
                Some(1_000_000_075),
            ),
            (0, 0xc000, 0, &[], "NaN", None),
            (0, 0xf000, 0, &[], "-Infinity", None),
        ] {
            let bytes = sent(weight, sign, scale, groups);
            let number = Numeric::read(&bytes).unwrap();
            assert_eq!(number.text(), text);
            assert_eq!(number.scaled(), scaled, "{text}");
        }
        let nines = [99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999];
        let bytes = sent(9, 0, 0, &nines);
        let largest = 10_i128.pow(38) - 1;
        assert_eq!(Numeric::read(&bytes).unwrap().scaled(), Some(largest));
        let bytes = sent(10, 0, 0, &[1]);
        assert_eq!(Numeric::read(&bytes).unwrap().scaled(), None);
        assert_eq!(Numeric::read(&bytes).unwrap().text().len(), 41);
    }
}
