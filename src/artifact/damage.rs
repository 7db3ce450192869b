//! What is wrong with an artifact. Damage is a result, not a surprise.

/// A difference between what an artifact says of itself and what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// An entry is not what its manifest says.
    #[error("entry {name} is damaged: {found}")]
    Entry {
        /// The entry.
        name: String,
        /// What was found.
        found: String,
    },
    /// An entry is sealed and what opens it is missing or another.
    #[error("entry {name} is sealed and {}", shut(*.given, *.age))]
    Sealed {
        /// The entry.
        name: String,
        /// Whether a password or an identity was given.
        given: bool,
        /// Whether it is sealed for recipients of age.
        age: bool,
    },
    /// The manifest can't be read.
    #[error("the manifest is damaged: {0}")]
    Manifest(String),
    /// It could not be read at all.
    #[error("it can't be read: {0}")]
    Unread(String),
    /// The manifest is of a newer format.
    #[error("the artifact has format {found}, this vex reads up to {known}; use a newer vex")]
    Newer {
        /// Its format.
        found: u64,
        /// The newest this program knows.
        known: u64,
    },
    /// The rows are not those that were dumped.
    #[error("{title} has {found} instead of {expected}")]
    Rows {
        /// The table.
        title: String,
        /// What the manifest says.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An object could not be made in the target.
    #[error("{what} was not restored: {why}")]
    Left {
        /// The object.
        what: String,
        /// Why.
        why: String,
    },
    /// The object as a whole is not what its manifest says.
    #[error("the object is damaged: {0}")]
    Object(String),
}

impl Damage {
    /// Damage of one entry.
    pub fn entry(name: &str, found: impl Into<String>) -> Damage {
        Damage::Entry { name: name.to_owned(), found: found.into() }
    }

    /// An entry that the password does not open.
    pub fn sealed(name: &str, given: bool) -> Damage {
        Damage::Sealed { name: name.to_owned(), given, age: false }
    }

    /// An entry that no identity opens.
    pub fn sealed_by_age(name: &str, given: bool) -> Damage {
        Damage::Sealed { name: name.to_owned(), given, age: true }
    }
}

fn shut(given: bool, age: bool) -> &'static str {
    match (given, age) {
        (true, false) => "the password does not open it",
        (false, false) => "no password was given",
        (true, true) => "it is for other recipients of age than the identity that was given",
        (false, true) => "no identity of age was given",
    }
}
