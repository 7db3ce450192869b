//! Chance that can be repeated: everything a zoo draws comes from one seed.

use crate::common::shop::Random;

/// Words that make trouble in names, members, comments and values.
pub const NASTY: [&str; 30] = [
    "plain",
    "a`b",
    "..",
    "%s",
    "x/../../etc/passwd",
    "naïve 表 %41 @0020",
    "select",
    "db.dot",
    "test-database",
    "a\"'b",
    "new\nline -- x",
    "it''s",
    "; DROP TABLE x; --",
    "/*!40000 x */",
    "c:\\dir\\",
    "\\",
    "$$",
    "//",
    ";;",
    "DELIMITER x",
    "#hash",
    "-- dash",
    " lead",
    "tab\there",
    "ÄÖÜß",
    "ソ表能",
    "Ω≈ç√",
    "COMMENT 'x'",
    "1",
    "?",
];

/// The chance of one database.
pub struct Dice(Random);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(Random(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// A number in an inclusive range.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// One of these, as text.
    pub fn word(&mut self, all: &[&str]) -> String {
        (*self.pick(all)).to_owned()
    }

    /// `bytes` random bytes as hexadecimal digits.
    pub fn hex(&mut self, bytes: u64) -> String {
        (0..bytes).map(|_| format!("{:02x}", self.bits() as u8)).collect()
    }

    /// A name nobody else has, often a nasty one; never with a space at its end.
    pub fn name(&mut self, number: usize) -> String {
        if self.one_in(3) {
            return format!("n{number}");
        }
        format!("{}{number}", self.pick(&NASTY))
    }
}

/// A name between backticks.
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text literal for a session with backslash escapes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
