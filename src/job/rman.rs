//! How RMAN backs up an Oracle database, as declared.

/// How RMAN works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rman {
    /// Which blocks it takes.
    pub level: RmanLevel,
    /// Whether level 1 takes what changed since level 0, and not since the last level 1.
    pub cumulative: bool,
    /// Bytes of a section of a large data file, if it is read in sections.
    pub section_size: Option<u64>,
    /// Whether RMAN compresses its pieces.
    pub compressed: bool,
}

/// Which blocks of the data files are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RmanLevel {
    /// All that are used: level 0.
    #[default]
    Full,
    /// Those that changed: level 1.
    Incremental,
}

impl RmanLevel {
    /// The number that RMAN has for it.
    pub fn number(self) -> u8 {
        match self {
            RmanLevel::Full => 0,
            RmanLevel::Incremental => 1,
        }
    }

    /// The word that `--mode` has for it.
    pub fn word(self) -> &'static str {
        match self {
            RmanLevel::Full => "FULL",
            RmanLevel::Incremental => "INCREMENTAL",
        }
    }
}

impl Default for Rman {
    fn default() -> Rman {
        Rman { level: RmanLevel::Full, cumulative: false, section_size: None, compressed: false }
    }
}
