//! Chance, as an argument.

/// Gives random bits.
#[derive(Debug, Clone)]
pub enum Entropy {
    /// The operating system's.
    Os,
    /// Always the same, for tests.
    Fixed(u32),
}

impl Entropy {
    /// 32 random bits.
    pub fn bits(&self) -> u32 {
        match self {
            Entropy::Os => {
                getrandom::u32().expect("BUG: the operating system has no random numbers")
            }
            Entropy::Fixed(bits) => *bits,
        }
    }
}
