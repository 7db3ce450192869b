//! Whether a scratch source is in truth a server whose data must stay: by what servers say of
//! themselves, never by the address that was written.
//!
//! Writes nothing. Invariant: nothing is let through as long as one source of the file that is not
//! scratch may be the target. A source that is down is known by its backups, which say which server
//! they were read from: a drill needs no server of its source.

use crate::artifact::Head;
use crate::base::Stop;
use crate::job::SourceSpec;
use crate::plan::{Guarded, SourceRef, Verify};
use crate::recover::Fault;
use crate::shelf::Shelf;
use crate::source::contract::{ErrorKind, Source};
use crate::step::perform::Steps;

/// What can be said of a source beside the scratch source.
enum Known {
    /// It is another server, or file.
    Another,
    /// It is the very one.
    Same,
    /// Nobody knows, and why.
    Unknown(String),
}

impl Steps {
    /// Refuses a scratch source that is the server of the backup, or of a source that is no
    /// scratch.
    pub(super) fn must_be_scratch(
        &self,
        verify: &Verify,
        into: &SourceRef,
        target: &dyn Source,
        head: &Head,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let refuse = |found: String, hint: &str| Fault::Nothing {
            doing: format!("restore into {}", target.place()),
            found: format!("{found}; nothing was written"),
            hint: Some(hint.to_owned()),
        };
        let again = "Name another server as scratch: what is there would be overwritten.";
        let known = "Let vex read which server it is; `vex doctor` says what that needs.";
        if !is_there(&into.spec) {
            return Ok(()); // What is not there is nobody's.
        }
        let Some(own) = target.origin(stop)?.server else {
            return Err(refuse("which server it is can't be read".into(), known));
        };
        if server(head) == Some(&own) {
            return Err(refuse("it is the server that the backup is of".into(), again));
        }
        for guarded in &verify.guarded {
            let name = &guarded.source.name;
            match self.is_it(guarded, &own, (verify, head), stop)? {
                Known::Another => {}
                Known::Same => return Err(refuse(format!("it is the source {name}"), again)),
                Known::Unknown(why) => {
                    let found = format!("whether it is the source {name} can't be told: {why}");
                    let hint = format!(
                        "Bring {name} back or let vex ask it, or take it out of the file; if drills may overwrite it, mark it scratch=#true."
                    );
                    return Err(refuse(found, &hint));
                }
            }
        }
        Ok(())
    }

    /// Whether a source is the server `own`: asked itself, else looked up in its backups, of which
    /// `head` may be one.
    fn is_it(
        &self,
        guarded: &Guarded,
        own: &str,
        (verify, head): (&Verify, &Head),
        stop: &Stop,
    ) -> Result<Known, Fault> {
        if !is_there(&guarded.source.spec) {
            return Ok(Known::Another);
        }
        let asked = self.source(&guarded.source, stop);
        let why = match asked.and_then(|source| Ok(source.origin(stop)?.server)) {
            Ok(Some(server)) if server == own => return Ok(Known::Same),
            Ok(Some(_)) => return Ok(Known::Another),
            Ok(None) => return Ok(Known::Unknown("it does not say which server it is".into())),
            Err(Fault::Source(error)) if error.kind == ErrorKind::Unreachable => {
                "it can't be reached, and no backup of it says which server it was".to_owned()
            }
            // It answers: what its backups say may be of the server before it.
            Err(fault) => return Ok(Known::Unknown(format!("it can't be asked ({fault})"))),
        };
        let is_own = verify.declared == guarded.source.name;
        let of_backup = server(head).filter(|_| is_own).map(|_| Known::Another);
        Ok(match self.by_backups(guarded, own, stop) {
            Some(known) => known,
            // The backup that is restored was compared already.
            None => of_backup.unwrap_or(Known::Unknown(why)),
        })
    }

    /// What the backups of a source say, in whatever store answers; `None` where none says it.
    fn by_backups(&self, guarded: &Guarded, own: &str, stop: &Stop) -> Option<Known> {
        let mut known = None;
        for place in &guarded.places {
            let Ok(store) = self.store(&place.store, stop) else { continue };
            let shelf = Shelf::new(store, place.naming.clone(), &place.job, &place.source);
            let Ok(listing) = shelf.list(stop) else { continue };
            for server in listing.artifacts.iter().filter_map(|a| server(&a.head)) {
                if server == own {
                    return Some(Known::Same);
                }
                known = Some(Known::Another);
            }
        }
        known
    }
}

/// Which server a backup was read from.
fn server(head: &Head) -> Option<&String> {
    head.origin.as_ref().and_then(|origin| origin.server.as_ref())
}

/// Whether there is anything that could be overwritten.
fn is_there(spec: &SourceSpec) -> bool {
    match spec {
        SourceSpec::Sqlite(file) => file.path.exists(),
        SourceSpec::Mysql(_)
        | SourceSpec::Postgres(_)
        | SourceSpec::Cluster(_)
        | SourceSpec::Oracle(_) => true,
    }
}
