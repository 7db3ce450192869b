//! The job that backs one database up into one folder, as a job file would say it.
//!
//! Knows nothing of runs. Invariant: no word of a caller becomes more than a value, and the password
//! stands in no text.

use std::path::Path;

use crate::base::{Severity, Text};
use crate::job::{JobFile, Source};
use crate::library::database::{Database, Driver, Host};
use crate::plan::{self, Plan};
use crate::syntax;
use crate::world::{Variable, keep_variable};

/// The name of the job, of its source and of its store.
pub const NAME: &str = "library";

/// A job of one database.
pub struct Job {
    /// What the text declares.
    file: JobFile,
    /// What it does.
    pub plan: Plan,
    /// Holds the password as long as the job lives.
    _password: Option<Variable>,
}

impl Job {
    /// Of a database, into a folder.
    pub fn of(database: &Database, folder: &Path) -> Result<Job, String> {
        let password = database.password.clone().map(keep_variable);
        let named = folder.to_str().ok_or_else(|| {
            format!("{}: a folder whose name is no UTF-8 can't be used", folder.display())
        })?;
        let text = text(database, named, password.as_ref());
        let reading = syntax::read_one(&Text::new("library", text));
        let (file, mut complaints) = (reading.file, reading.complaints);
        let plans = match reading.broken {
            true => Vec::new(),
            false => plan::build(&file, &reading.unusable, &mut complaints),
        };
        if let Some(bad) = complaints.iter().find(|c| c.severity == Severity::Error) {
            let help = bad.help.as_deref().unwrap_or_default();
            return Err(format!("{}. {help}", bad.message).trim_end().to_owned());
        }
        let plan = plans.into_iter().next().ok_or("BUG: a job without a plan")?;
        Ok(Job { file, plan, _password: password })
    }

    /// The source.
    pub fn source(&self) -> Option<&Source> {
        self.file.sources.first()
    }
}

fn text(database: &Database, folder: &str, password: Option<&Variable>) -> String {
    let (kind, mut fields) = match database.driver {
        Driver::Mysql => ("mysql", String::new()),
        Driver::Postgres => ("postgres", String::new()),
    };
    match &database.host {
        Host::Address(host, port) => {
            fields += &format!(" host={}", quoted(host));
            if let Some(port) = port {
                fields += &format!(" port={port}");
            }
        }
        Host::Socket(path) => fields += &format!(" socket={}", quoted(&path.to_string_lossy())),
    }
    let password = password.map_or_else(String::new, |variable| {
        format!("password (env){}; ", quoted(variable.name()))
    });
    format!(
        "sources {{ {kind} \"{NAME}\"{fields} user={} {{ {password}databases {} }} }}\n\
         stores {{ dir \"{NAME}\" path={} {{ keep last=1 }} }}\n\
         job \"{NAME}\" {{ dump \"{NAME}\" {{ send \"{NAME}\"; verify \"{NAME}\" }} }}\n",
        quoted(&database.user),
        quoted(&exactly(&database.name)),
        quoted(folder),
    )
}

/// A name as the pattern of just itself.
fn exactly(name: &str) -> String {
    let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\');
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A text as a value of KDL.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || !c.is_ascii() => out += &format!("\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    #[test]
    fn a_hostile_name_is_a_name_and_the_password_stands_nowhere() {
        let name = "a\" } } exec \"x\" { command \"id\" } /* \\ \n é [*]?";
        let database = Database {
            driver: Driver::Mysql,
            host: Host::Address("h\"; user \"z".into(), Some(3307)),
            user: "u\"\\".into(),
            password: Some(Secret::new("CANARY-2".into())),
            name: name.into(),
        };
        let folder = Path::new("/tmp/x\"y");
        let variable = database.password.clone().map(keep_variable);
        let text = text(&database, folder.to_str().unwrap(), variable.as_ref());
        assert!(!text.contains("CANARY"), "{text}");
        let reading = syntax::read_one(&Text::new("library", text));
        assert_eq!(reading.file.jobs.len(), 1);
        let source = &reading.file.sources[0];
        let crate::job::SourceSpec::Mysql(spec) = &source.spec else { panic!("{source:?}") };
        assert!(spec.databases[0].matches(name), "{:?}", spec.databases);
        assert!(!spec.databases[0].matches("a"));
        assert_eq!((spec.user.as_str(), spec.port), ("u\"\\", 3307));
    }
}
