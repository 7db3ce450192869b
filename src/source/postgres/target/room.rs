//! Room for what is restored: databases that are replaced are put aside, and what an interrupted
//! restore left is gone on with.

use crate::artifact::{Kind, Member};
use crate::source::contract::{Error, ErrorKind, Loading, Result};
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

    /// Goes on with what an interrupted restore left in a database.
    pub(super) fn go_on(&self, unit: &str, loading: &Loading) -> Result<()> {
        let name = self.unit_name(unit);
        let mut client = self.maintenance("restore into")?;
        if !Present::has_database(&mut client, &name)? {
            return Ok(());
        }
        let mut inside = self.connector.loader(&name)?;
        let own: Vec<&Member> = loading.members.iter().filter(|m| m.unit == unit).collect();
        if Mark::of(&mut client, &name)?.is_some() {
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
