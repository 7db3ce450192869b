//! Room for what is restored: databases that are replaced are put aside, and what an interrupted
//! restore left is gone on with.

use crate::artifact::{Kind, Member};
use crate::source::contract::{Error, ErrorKind, Loading, Objection, Result};
use crate::source::postgres::displaced;
use crate::source::postgres::interrupted::Mark;
use crate::source::postgres::present::Present;
use crate::source::postgres::target::PostgresTarget;

impl PostgresTarget {
    /// Puts aside, or drops, what a database holds of the choice.
    pub(super) fn make_room(&self, unit: &str, loading: &Loading) -> Result<()> {
        let name = self.unit_name(unit);
        let mut client = self.maintenance("restore into")?;
        if !loading.overwrite || !Present::has_database(&mut client, &name)? {
            return Ok(());
        }
        let mut inside = self.connector.loader(&name)?;
        let there = Present::of(&mut inside)?;
        let own: Vec<&Member> =
            loading.members.iter().filter(|m| m.unit == unit && there.has(m)).collect();
        match (own.is_empty(), loading.part, loading.scratch) {
            (true, ..) => {}
            (false, true, _) => displaced::drop_objects(&mut inside, &name, &own, &there)?,
            (false, false, scratch) => {
                drop(inside);
                match scratch {
                    true => displaced::drop_database(&mut client, &name)?,
                    false => self.remark(displaced::put_aside(
                        &mut client,
                        &name,
                        self.connector.home(),
                    )?),
                }
            }
        }
        Ok(())
    }

    /// What of another kind has the name of a member: it would be refused when it is made.
    pub(super) fn clash(&self, loading: &Loading, member: &Member) -> Result<Option<Objection>> {
        // A whole database that is replaced is made anew.
        if (loading.overwrite && !loading.part) || loading.resume || member.schema.is_none() {
            return Ok(None);
        }
        let name = self.unit_name(&member.unit);
        let mut known = self.present.lock().expect("no panic while locked");
        if !known.contains_key(&name) {
            let there = match Present::has_database(&mut self.maintenance("ask")?, &name)? {
                true => Present::of(&mut self.connector.session(&name, "ask")?)?,
                false => Present::default(),
            };
            known.insert(name.clone(), there);
        }
        let Some(word) = known.get(&name).and_then(|there| there.clash(member)) else {
            return Ok(None);
        };
        let title = format!("{} {}", member.kind.word(), member.title());
        Ok(Some(Objection {
            what: title,
            why: format!("{word} of this name is there"),
            blocks: false,
            refused: true,
            hint: Some("Rename what is there, or restore into another database with --as.".into()),
        }))
    }

    /// Goes on with what an interrupted restore left in a database.
    pub(super) fn go_on(&self, unit: &str, loading: &Loading) -> Result<()> {
        let name = self.unit_name(unit);
        let mut client = self.maintenance("restore into")?;
        if !Present::has_database(&mut client, &name)? {
            return Ok(());
        }
        let mut inside = self.connector.loader(&name)?;
        let own: Vec<&Member> = loading.members.iter().filter(|m| m.unit == unit).collect();
        if let Some((_, backup)) = Mark::of(&mut client, &name)? {
            if !backup.is_empty() && backup != loading.backup {
                let found = format!("the restore that was interrupted there is of backup {backup}");
                let error = Error::new(ErrorKind::Exists, format!("go on in {name}"), found);
                let hint =
                    format!("Go on with --backup {backup}, or begin again with --overwrite.");
                return Err(error.hint(hint));
            }
            return self.interrupted.empty(&mut inside, &name, self.number, &own);
        }
        let there = Present::of(&mut inside)?;
        let Some(first) = own.iter().find(|m| m.kind != Kind::Database && there.has(m)) else {
            return Ok(());
        };
        let found = format!(
            "{} {} is there, and nothing says that an interrupted restore made it",
            first.kind.word(),
            first.title()
        );
        let error = Error::new(ErrorKind::Exists, format!("go on in {name}"), found);
        Err(error.hint("Begin again with --overwrite: the database is put aside, not dropped."))
    }
}
