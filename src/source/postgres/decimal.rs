//! `numeric` and `double precision` as PostgreSQL writes them, `extra_float_digits` above 0.
//!
//! Pure. A double has the fewest digits that are nearer to it than to any other: a decimal that
//! lies just between two doubles is not taken, other than in most programs, so that its reader need
//! not know how ties are broken (`src/common/d2s.c` of PostgreSQL, after Ulf Adams, *Ryū*).

/// From here on a decimal of 17 digits can lie just between two doubles.
const TIES: f64 = 1e15;

/// From here up to [`TIES`] a double is written without an exponent.
const PLAIN: f64 = 1e-4;

/// A `double precision`.
pub fn double(x: f64, out: &mut Vec<u8>) {
    if x.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if x.is_sign_negative() {
        out.push(b'-');
    }
    let x = x.abs();
    if x.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if x == 0.0 {
        return out.push(b'0');
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(x);
    if (PLAIN..TIES).contains(&x) && !text.contains('e') {
        return out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
    let mut found = Digits::of(text.as_bytes());
    if x >= TIES {
        // The shortest is as near as can be, so only one with more digits can be nearer.
        let mut places = found.count;
        while found.is_tie(x) && places < 17 {
            found = Digits::of(format!("{x:.places$e}").as_bytes());
            places += 1;
        }
    }
    found.write(out);
}

/// Significant digits, without zeros at the end, and the power of ten of the first.
struct Digits {
    digits: [u8; 20],
    count: usize,
    power: i32,
}

impl Digits {
    /// Of a positive number: `123.4`, `0.00012`, `1.5e300`.
    fn of(text: &[u8]) -> Digits {
        let mut found = Digits { digits: [b'0'; 20], count: 0, power: 0 };
        let (mut seen_point, mut significant) = (false, 0_usize);
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b'.' => seen_point = true,
                b'e' => break,
                digit => {
                    if found.count > 0 || digit != b'0' {
                        if found.count < found.digits.len() {
                            found.digits[found.count] = digit;
                            found.count += 1;
                        }
                        significant += usize::from(!seen_point);
                    } else if seen_point {
                        found.power -= 1;
                    }
                }
            }
            at += 1;
        }
        found.power += significant as i32 - 1;
        let exponent = text
            .get(at + 1..)
            .and_then(|e| std::str::from_utf8(e).ok())
            .and_then(|e| e.parse::<i32>().ok());
        found.power += exponent.unwrap_or(0);
        while found.count > 1 && found.digits[found.count - 1] == b'0' {
            found.count -= 1;
        }
        found
    }

    /// Whether the decimal lies just between `x`, which is large, and a neighbour.
    fn is_tie(&self, x: f64) -> bool {
        let mantissa = u128::from(x.to_bits() & ((1 << 52) - 1) | 1 << 52);
        let exponent = (x.to_bits() >> 52) as i32 - 1075;
        let digits =
            self.digits[..self.count].iter().fold(0_u128, |n, d| n * 10 + u128::from(d - b'0'));
        let tens = self.power + 1 - self.count as i32;
        // digits · 10^tens and mantissa · 2^exponent, as odd numbers and powers of two; five goes
        // to where it is whole.
        let fives = 5_u128.checked_pow(tens.unsigned_abs());
        let sides = |half: u128, scale: i32| {
            let (own, other) = match tens >= 0 {
                true => (fives.and_then(|f| f.checked_mul(digits)), Some(half)),
                false => (Some(digits), fives.and_then(|f| f.checked_mul(half))),
            };
            own.zip(other).is_some_and(|(own, other)| odd(own, tens) == odd(other, scale))
        };
        let below = if mantissa == 1 << 52 {
            (4 * mantissa - 1, exponent - 2)
        } else {
            (2 * mantissa - 1, exponent - 1)
        };
        sides(2 * mantissa + 1, exponent - 1) || sides(below.0, below.1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let digits = &self.digits[..self.count];
        match self.power {
            -4..=-1 => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + (-1 - self.power) as usize, b'0');
                out.extend_from_slice(digits);
            }
            0..=14 => {
                let before = self.power as usize + 1;
                if self.count <= before {
                    out.extend_from_slice(digits);
                    out.resize(out.len() + before - self.count, b'0');
                } else {
                    out.extend_from_slice(&digits[..before]);
                    out.push(b'.');
                    out.extend_from_slice(&digits[before..]);
                }
            }
            power => {
                out.push(digits[0]);
                if self.count > 1 {
                    out.push(b'.');
                    out.extend_from_slice(&digits[1..]);
                }
                out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
                if power.abs() < 10 {
                    out.push(b'0');
                }
                out.extend_from_slice(itoa::Buffer::new().format(power.abs()).as_bytes());
            }
        }
    }
}

/// An odd number and the power of two beside it.
fn odd(n: u128, twos: i32) -> (u128, i32) {
    (n >> n.trailing_zeros(), twos + n.trailing_zeros() as i32)
}

/// A `numeric`, as it is sent: how many digits to the base of 10 000, the weight of the first,
/// sign, digits after the point, and the digits; `None` if it is none.
pub fn numeric(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (head, body) = value.split_first_chunk::<8>()?;
    let field = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign, scale) =
        (field(0), field(2).cast_signed(), field(4), usize::from(field(6)));
    if body.len() != usize::from(count) * 2 {
        return None;
    }
    let word: &[u8] = match sign {
        0 => b"",
        0x4000 => b"-",
        0xC000 => b"NaN",
        0xD000 => b"Infinity",
        0xF000 => b"-Infinity",
        _ => return None,
    };
    out.extend_from_slice(word);
    if word.len() > 1 {
        return Some(());
    }
    // Digits that are not sent are zeros.
    let group = |at: i32| {
        let at = usize::try_from(at).ok()? * 2;
        body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    };
    let four = |n: u16| {
        let digit = |n: u16| b'0' + (n % 10) as u8;
        [digit(n / 1000), digit(n / 100), digit(n / 10), digit(n)]
    };
    let weight = i32::from(weight);
    match weight < 0 {
        true => out.push(b'0'),
        false => {
            out.extend_from_slice(itoa::Buffer::new().format(group(0).unwrap_or(0)).as_bytes())
        }
    }
    for at in 1..=weight {
        out.extend_from_slice(&four(group(at).unwrap_or(0)));
    }
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        let mut at = weight + 1;
        while out.len() < end {
            out.extend_from_slice(&four(group(at).unwrap_or(0)));
            at += 1;
        }
        out.truncate(end);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_the_server_does() {
        for (x, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1e23, "9.999999999999999e+22"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            // 2^54 + 4·k: the decimal of 16 digits lies just between two doubles.
            (18_014_398_509_481_984.0, "1.8014398509481984e+16"),
        ] {
            let mut out = Vec::new();
            double(x, &mut out);
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }

    #[test]
    fn a_numeric_keeps_its_scale() {
        let sent = |words: &[u16]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
        for (words, expected) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[0, 0, 0, 3], "0.000"),
            (&[1, 0, 0x4000, 2, 7], "-7.00"),
            (&[2, 1, 0, 0, 1, 5], "10005"),
            (&[1, 2, 0, 0, 12], "1200000000"),
            (&[1, 0xFFFF, 0, 4, 25], "0.0025"),
            (&[1, 0xFFFE, 0, 8, 25], "0.00000025"),
            (&[2, 0, 0, 5, 3, 1416], "3.14160"),
            (&[0, 0, 0xC000, 0], "NaN"),
            (&[0, 0, 0xF000, 32], "-Infinity"),
        ] {
            let mut out = Vec::new();
            assert!(numeric(&sent(words), &mut out).is_some());
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
        assert!(numeric(&sent(&[2, 0, 0, 0, 1]), &mut Vec::new()).is_none(), "a digit is missing");
    }
}
