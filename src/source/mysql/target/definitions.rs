//! Definitions of what came back, read as a dump would read them, under the names of the backup.
//!
//! Does not know what becomes of a difference. A database that was there keeps its own definition.

use std::sync::atomic::Ordering;

use crate::artifact::{Kind, Member, definition_text};
use crate::source::contract::{Change, Load, Result};
use crate::source::mysql::altered;
use crate::source::mysql::object::Script;
use crate::source::mysql::reader::definitions_of;
use crate::source::mysql::rename::rename_entry;
use crate::source::mysql::target::MysqlTarget;

impl MysqlTarget {
    /// The definitions of members of one database, as a dump would have them.
    pub(super) fn read_again(&self, members: &[Member]) -> Result<Vec<(Member, Vec<u8>)>> {
        let Some(first) = members.first().filter(|m| !m.unit.is_empty()) else {
            return Ok(Vec::new());
        };
        let (old, new) = (first.unit.as_str(), self.unit_name(&first.unit));
        let kept = self.kept.lock().expect("no panic while locked").contains(&new);
        let members: Vec<Member> =
            members.iter().filter(|m| !(kept && m.kind == Kind::Database)).cloned().collect();
        let mut session = self.connector.session(&self.flavor, "read back from")?;
        let scripts = definitions_of(&mut session, &new, &members)?;
        let own = |script: Script| {
            let member = Member { unit: old.to_owned(), ..script.member };
            (member, rename_entry(&script.text, &new, old))
        };
        Ok(scripts.into_iter().map(own).collect())
    }

    /// What of a definition is another now.
    pub(super) fn altered(&self, load: Load<'_>, now: &[u8]) -> Vec<Change> {
        let member = load.member;
        let text = |entry: &[u8]| {
            let text = definition_text(member.kind, entry).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        let was = text(load.bytes);
        let (was, _) = self.collations.lock().expect("no panic while locked").changed(&was);
        let server = self.server.lock().expect("no panic while locked").clone();
        let terms = altered::Terms {
            same: self.flavor.is_like(&server),
            without_keys: self.deferred.lacks(&member.title()),
            events_off: self.events_off.load(Ordering::Relaxed),
        };
        altered::changes(member, &was, &text(now), terms)
    }
}
