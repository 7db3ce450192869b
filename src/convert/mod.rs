//! Job files made of the configurations of other programs.
//!
//! Does not know the language but as text to be written, and contacts nobody. Invariants: no secret
//! of a configuration is in what is made of it; what is not taken over is named, by its path and
//! never with its value.

mod borgmatic;
mod common;
mod draft;
mod gobackup;
mod mydumper;
mod pg_back;
mod secret;
mod tree;

use crate::convert::draft::Draft;
use crate::convert::tree::Tree;

/// A program whose configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// borgmatic.
    Borgmatic,
    /// gobackup.
    Gobackup,
    /// pg_back.
    PgBack,
    /// mydumper.
    Mydumper,
}

/// A job file, and what a person has to know of it.
#[derive(Debug)]
pub struct Converted {
    /// The job file.
    pub text: String,
    /// What was not taken over, or is to be done.
    pub notes: Vec<String>,
}

impl Origin {
    /// All of them.
    pub const ALL: [Origin; 4] =
        [Origin::Borgmatic, Origin::Gobackup, Origin::PgBack, Origin::Mydumper];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Borgmatic => "borgmatic",
            Origin::Gobackup => "gobackup",
            Origin::PgBack => "pg_back",
            Origin::Mydumper => "mydumper.cnf",
        }
    }

    /// The program of a name.
    pub fn of(name: &str) -> Option<Origin> {
        let name = if name == "mydumper" { "mydumper.cnf" } else { name };
        Origin::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

/// Makes a job file of a configuration; the `Err` is why none can be made.
pub fn convert(origin: Origin, text: &str) -> Result<Converted, String> {
    let mut draft = Draft::default();
    let tree = match origin {
        Origin::Borgmatic | Origin::Gobackup => Tree::yaml(text)?,
        Origin::PgBack | Origin::Mydumper => Tree::ini(text)?,
    };
    match origin {
        Origin::Borgmatic => borgmatic::convert(&tree, &mut draft),
        Origin::Gobackup => gobackup::convert(&tree, &mut draft),
        Origin::PgBack => pg_back::convert(&tree, &mut draft)?,
        Origin::Mydumper => mydumper::convert(&tree, &mut draft)?,
    }
    let rest = tree.rest();
    if draft.is_empty() {
        let found = rest.first().map(|first| format!("; it begins with `{first}`"));
        return Err(format!(
            "no database that vex reads is named in it{}",
            found.unwrap_or_default()
        ));
    }
    rest.iter().for_each(|path| {
        draft.note(format!("`{path}` has no counterpart here, or is vex's default"))
    });
    Ok(Converted { text: draft.written(origin.name()), notes: draft.notes })
}
