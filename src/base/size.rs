//! A number of bytes, as people write and read it: binary units only (`64MiB`).

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// Reads `64MiB`, `1.5GiB` or `0B`; `None` without a unit, below zero, or past 2⁶³.
    pub fn parse(text: &str) -> Option<Size> {
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|n| (n.trim_end(), *factor)))?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).filter(|n| *n <= i64::MAX as u64).map(Size);
        }
        let bytes = number.parse::<f64>().ok()? * factor as f64;
        (bytes < i64::MAX as f64).then_some(Size(bytes as u64))
    }

    /// The same number in the largest unit that shows it without loss: `1536KiB`.
    pub fn exact(self) -> String {
        let whole = UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.copied().unwrap_or(("B", 1));
        format!("{}{unit}", self.0 / factor)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor) {
            None | Some((_, 1)) => write!(f, "{} B", self.0),
            Some((unit, factor)) if self.0.is_multiple_of(*factor) => {
                write!(f, "{} {unit}", self.0 / factor)
            }
            Some((unit, factor)) => write!(f, "{:.1} {unit}", self.0 as f64 / *factor as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_in_binary_units() {
        for (text, bytes) in [("0B", 0), ("64MiB", 64 << 20), ("1.5 KiB", 1536), ("2TiB", 2 << 40)]
        {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        }
        for bad in ["", "64", "64MB", "-1MiB", "MiB", "1e3KiB", "99999999TiB"] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
        assert_eq!(Size(1536).to_string(), "1.5 KiB");
        assert_eq!(Size(5 << 20).to_string(), "5 MiB");
        assert_eq!(Size(7).to_string(), "7 B");
        for bytes in [0, 7, 1536, 3 << 39, 2 << 40, (1 << 30) + 1] {
            assert_eq!(Size::parse(&Size(bytes).exact()), Some(Size(bytes)));
        }
        assert_eq!(Size(3 << 19).exact(), "1536KiB");
    }
}
