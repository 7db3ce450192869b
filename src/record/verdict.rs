//! How well something ended.

use serde::{Deserialize, Serialize};

/// How well something ended; the worst wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Sucesso (1).
    Success,
    /// Alerta (2).
    Alert,
    /// Erro (3).
    Error,
}

impl Verdict {
    /// The code of the seeds: 1, 2, 3.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Success => 1,
            Verdict::Alert => 2,
            Verdict::Error => 3,
        }
    }

    /// The word programs see.
    pub fn slug(self) -> &'static str {
        match self {
            Verdict::Success => "success",
            Verdict::Alert => "alert",
            Verdict::Error => "error",
        }
    }

    /// The word people see.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Success => "Sucesso",
            Verdict::Alert => "Alerta",
            Verdict::Error => "Erro",
        }
    }
}
