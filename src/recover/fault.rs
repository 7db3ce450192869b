//! Why a step failed: one of the rooms below said so.

use crate::artifact::{AgeError, Damage, SealError, SignatureError};
use crate::base::{SecretRef, Stopped};
use crate::pipeline;
use crate::record::Failure;
use crate::shelf::ShelfError;
use crate::source::contract as source;
use crate::store::contract as store;
use crate::world::{ChildError, RevealError};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The source.
    #[error("{0}")]
    Source(#[from] source::Error),
    /// A store.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The shelf.
    #[error("{0}")]
    Shelf(ShelfError),
    /// The pipeline.
    #[error("{0}")]
    Pipeline(#[from] pipeline::Error),
    /// A secret.
    #[error("{0}")]
    Reveal(#[from] RevealError),
    /// A password that may not seal.
    #[error("unable to seal an archive with the password of {0}: {1}")]
    Seal(SecretRef, SealError),
    /// What should be identities of age.
    #[error("unable to read an identity of age from {0}: {1}")]
    Identity(SecretRef, AgeError),
    /// What should sign backups.
    #[error("unable to read a private key from {0}: {1}")]
    Signer(SecretRef, SignatureError),
    /// A program.
    #[error("{0}")]
    Child(#[from] ChildError),
    /// The artifact.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// The artifact is not what its manifest says.
    #[error("unable to prove {title}: {}", show(.damage))]
    Unproven {
        /// The artifact.
        title: String,
        /// All that differs.
        damage: Vec<Damage>,
    },
    /// Nothing to work on.
    #[error("unable to {doing}: {found}")]
    Nothing {
        /// What was being done.
        doing: String,
        /// What was found.
        found: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The command line is wrong, or does not fit what is there.
    #[error("{found}")]
    Usage {
        /// What was found.
        found: String,
        /// What to do.
        hint: Option<String>,
    },
    /// No backup is there that may be used.
    #[error("{found}")]
    NoBackup {
        /// What was found.
        found: String,
        /// Whether what was passed over may have been it.
        damaged: bool,
    },
    /// No backup and no log reaches the moment that was asked for.
    #[error("{found}")]
    Unreached {
        /// What was found.
        found: String,
        /// What there is.
        hint: Option<String>,
    },
    /// What came back is not what the backup holds.
    #[error("INCOMPLETE: {found}")]
    Differs {
        /// What was found.
        found: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The artifact is not what its manifest says; where was said.
    #[error("{title}: damaged in {places} places")]
    Damaged {
        /// The artifact.
        title: String,
        /// In how many places.
        places: usize,
    },
    /// Another restore writes into the target.
    #[error("{0}")]
    Busy(String),
    /// Nothing moved for too long.
    #[error("unable to go on: no data moved for {0} s")]
    Stalled(u64),
    /// Stopped from outside.
    #[error("stopped")]
    Stopped,
}

/// How what opens a backup is given.
fn how_to_open(age: bool) -> &'static str {
    match age {
        true => "Give the file of an identity with --identity FILE.",
        false => {
            "Give its password with --archive-password-env NAME or --archive-password-file FILE."
        }
    }
}

impl From<ShelfError> for Fault {
    fn from(error: ShelfError) -> Fault {
        match error {
            ShelfError::Store(error) => Fault::Store(error),
            ShelfError::Damage(damage) => Fault::Damage(damage),
            other @ ShelfError::Foreign(_) => Fault::Shelf(other),
        }
    }
}

impl From<Stopped> for Fault {
    fn from(_: Stopped) -> Fault {
        Fault::Stopped
    }
}

impl Fault {
    /// A command line that does not fit what is there.
    pub fn usage(found: impl Into<String>, hint: &str) -> Fault {
        Fault::Usage { found: found.into(), hint: Some(hint.to_owned()) }
    }

    /// The same, which says that nothing was written; what says so already stays as it is.
    pub fn before_writing(mut self) -> Fault {
        const SAID: &str = "nothing was written";
        let found = match &mut self {
            Fault::Source(error) | Fault::Pipeline(pipeline::Error::Source(error)) => {
                &mut error.found
            }
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => {
                &mut error.found
            }
            Fault::Nothing { found, .. }
            | Fault::NoBackup { found, .. }
            | Fault::Unreached { found, .. }
            | Fault::Busy(found)
            | Fault::Usage { found, .. } => found,
            Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Seal(..)
            | Fault::Identity(..)
            | Fault::Signer(..)
            | Fault::Child(_)
            | Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::Differs { .. }
            | Fault::Damaged { .. }
            | Fault::Stalled(_)
            | Fault::Stopped => return self,
        };
        if !found.contains(SAID) {
            *found = format!("{}; {SAID}", found.trim_end_matches('.'));
        }
        self
    }

    /// It in one line, and what to do.
    pub fn line(&self) -> String {
        let hint = self.hint().map_or(String::new(), |hint| format!(" {hint}"));
        format!("{}.{hint}", self.failure().line())
    }

    /// The failure that others are told of.
    pub fn failure(&self) -> Failure {
        match self {
            Fault::Source(error) | Fault::Pipeline(pipeline::Error::Source(error)) => {
                Failure::of_error(error)
            }
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => {
                Failure::of_error(error)
            }
            Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Identity(..)
            | Fault::Signer(..)
            | Fault::Child(_)
            | Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::Nothing { .. }
            | Fault::Usage { .. }
            | Fault::NoBackup { .. }
            | Fault::Unreached { .. }
            | Fault::Differs { .. }
            | Fault::Damaged { .. }
            | Fault::Busy(_)
            | Fault::Seal(..)
            | Fault::Stalled(_)
            | Fault::Stopped => {
                let failure = Failure::of(self.code(), self);
                let values = [("found".to_owned(), failure.line())].into();
                Failure { hint: self.hint(), values, ..failure }
            }
        }
    }

    /// The code of a fault that is no error of a source or a store.
    fn code(&self) -> &'static str {
        match self {
            Fault::Source(error) | Fault::Pipeline(pipeline::Error::Source(error)) => error.code(),
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => error.code(),
            Fault::Damage(Damage::Sealed { .. })
            | Fault::Pipeline(pipeline::Error::Damage(Damage::Sealed { .. })) => "secret",
            Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::Damaged { .. }
            | Fault::Pipeline(pipeline::Error::Damage(_)) => "damage",
            Fault::Pipeline(pipeline::Error::Rows { .. }) => "rows",
            Fault::Pipeline(pipeline::Error::NoStore(_)) => "no-store",
            Fault::Pipeline(pipeline::Error::Press(..)) => "press",
            Fault::Pipeline(pipeline::Error::Panic(_)) => "bug",
            Fault::Pipeline(pipeline::Error::Stopped) | Fault::Stopped => "stopped",
            Fault::Shelf(_) => "refused",
            Fault::Reveal(_) | Fault::Identity(..) | Fault::Signer(..) | Fault::Seal(..) => {
                "secret"
            }
            Fault::Child(_) => "program",
            Fault::Nothing { .. } => "refused",
            Fault::Usage { .. } => "usage",
            Fault::NoBackup { damaged: false, .. } => "no-backup",
            Fault::NoBackup { damaged: true, .. } => "no-good-backup",
            Fault::Unreached { .. } => "unreached",
            Fault::Differs { .. } => "differs",
            Fault::Busy(_) => "target-busy",
            Fault::Stalled(_) => "stalled",
        }
    }

    /// What to do, if anybody knows.
    pub fn hint(&self) -> Option<String> {
        match self {
            Fault::Source(error) | Fault::Pipeline(pipeline::Error::Source(error)) => {
                error.hint.as_deref().map(str::to_owned)
            }
            Fault::Nothing { hint, .. }
            | Fault::Usage { hint, .. }
            | Fault::Unreached { hint, .. }
            | Fault::Differs { hint, .. } => hint.clone(),
            Fault::Busy(_) => Some("Wait for its end, or stop it.".to_owned()),
            Fault::Damage(Damage::Sealed { age, .. })
            | Fault::Pipeline(pipeline::Error::Damage(Damage::Sealed { age, .. })) => {
                Some(how_to_open(*age).to_owned())
            }
            Fault::Identity(..) => Some("Name a file as `age-keygen` writes it.".to_owned()),
            Fault::Signer(..) => {
                Some("Make one with `openssl genpkey -algorithm ed25519`.".to_owned())
            }
            Fault::Seal(_, error) => Some(error.hint().to_owned()),
            Fault::Store(_)
            | Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Child(_)
            | Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::NoBackup { .. }
            | Fault::Damaged { .. }
            | Fault::Stalled(_)
            | Fault::Stopped => None,
        }
    }

    /// The damage of the backup that it tells of, which is a finding; else the fault, which is none.
    pub fn damage(self) -> Result<Damage, Fault> {
        match self {
            Fault::Damage(damage) | Fault::Pipeline(pipeline::Error::Damage(damage))
                if is_own(&damage) =>
            {
                Ok(damage)
            }
            Fault::Store(error) if error.kind == store::ErrorKind::Damaged => {
                Ok(Damage::Object(error.to_string()))
            }
            other => Err(other),
        }
    }

    /// Whether what seals the backup is not what was given to open it.
    pub fn is_sealed(&self) -> bool {
        matches!(
            self,
            Fault::Damage(Damage::Sealed { .. })
                | Fault::Pipeline(pipeline::Error::Damage(Damage::Sealed { .. }))
        )
    }

    /// Whether the backup itself can't be used: it is damaged, or gone, or the disk it lies on does
    /// not read it. Never the target, a password, or a store that does not answer.
    pub fn condemns(&self) -> bool {
        match self {
            Fault::Damage(damage) | Fault::Pipeline(pipeline::Error::Damage(damage)) => {
                is_own(damage)
            }
            Fault::Unproven { damage, .. } => damage.iter().all(is_own),
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => {
                match error.kind {
                    store::ErrorKind::Busy | store::ErrorKind::Refused => false,
                    store::ErrorKind::Missing
                    | store::ErrorKind::Damaged
                    | store::ErrorKind::TooLarge
                    | store::ErrorKind::Failed => true,
                    store::ErrorKind::Exists
                    | store::ErrorKind::Denied
                    | store::ErrorKind::Unreachable
                    | store::ErrorKind::Full
                    | store::ErrorKind::Stopped => false,
                }
            }
            Fault::Source(_)
            | Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Identity(..)
            | Fault::Signer(..)
            | Fault::Seal(..)
            | Fault::Child(_)
            | Fault::Nothing { .. }
            | Fault::Usage { .. }
            | Fault::NoBackup { .. }
            | Fault::Unreached { .. }
            | Fault::Differs { .. }
            | Fault::Damaged { .. }
            | Fault::Busy(_)
            | Fault::Stalled(_)
            | Fault::Stopped => false,
        }
    }

    /// Whether its store is what failed: another copy may do.
    pub fn is_of_store(&self) -> bool {
        match self {
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => {
                error.kind != store::ErrorKind::Stopped
            }
            Fault::Source(_)
            | Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Identity(..)
            | Fault::Signer(..)
            | Fault::Seal(..)
            | Fault::Child(_)
            | Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::Nothing { .. }
            | Fault::Usage { .. }
            | Fault::NoBackup { .. }
            | Fault::Unreached { .. }
            | Fault::Differs { .. }
            | Fault::Damaged { .. }
            | Fault::Busy(_)
            | Fault::Stalled(_)
            | Fault::Stopped => false,
        }
    }

    /// Whether it says that an artifact is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Fault::Damage(Damage::Sealed { .. })
            | Fault::Pipeline(pipeline::Error::Damage(Damage::Sealed { .. })) => false,
            Fault::Damage(_)
            | Fault::Unproven { .. }
            | Fault::Differs { .. }
            | Fault::Damaged { .. }
            | Fault::Pipeline(pipeline::Error::Damage(_)) => true,
            Fault::NoBackup { damaged, .. } => *damaged,
            Fault::Store(error) | Fault::Pipeline(pipeline::Error::Store(error)) => {
                error.kind == store::ErrorKind::Damaged
            }
            Fault::Source(_)
            | Fault::Shelf(_)
            | Fault::Pipeline(_)
            | Fault::Reveal(_)
            | Fault::Identity(..)
            | Fault::Signer(..)
            | Fault::Seal(..)
            | Fault::Child(_)
            | Fault::Nothing { .. }
            | Fault::Usage { .. }
            | Fault::Unreached { .. }
            | Fault::Busy(_)
            | Fault::Stalled(_)
            | Fault::Stopped => false,
        }
    }
}

/// Whether damage is the backup's own: a password that does not fit and a target that refuses are
/// not.
pub fn is_own(damage: &Damage) -> bool {
    match damage {
        Damage::Entry { .. } | Damage::Manifest(_) | Damage::Rows { .. } | Damage::Object(_) => {
            true
        }
        Damage::Sealed { .. }
        | Damage::Newer { .. }
        | Damage::Left { .. }
        | Damage::Defined { .. }
        | Damage::Unread(_) => false,
    }
}

fn show(damage: &[Damage]) -> String {
    let first = damage.first().map_or_else(String::new, ToString::to_string);
    if damage.len() > 1 { format!("{first}, and {} more", damage.len() - 1) } else { first }
}
