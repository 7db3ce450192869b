//! The rights that a restore needs, asked of the target before anything is written.
//!
//! Changes nothing. What each right is for stands in `privilege_check.rs`.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::base::{Finding, Stop};
use crate::source::contract::{Loading, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::privilege::Privileges;
use crate::source::mysql::privilege_check::{self, Settings};

/// The rights that a restore of these members needs and the account lacks.
pub fn rights(connector: &Connector, loading: &Loading, stop: &Stop) -> Result<Vec<Finding>> {
    stop.check()?;
    let flavor = Flavor::of(&mut connector.connect("ask")?)?;
    let mut connection = connector.session(&flavor, "ask")?;
    let held = Privileges::of(&mut connection, &flavor)?;
    let settings = Settings {
        log_bin: is_on(&mut connection, "log_bin"),
        trusts_creators: is_on(&mut connection, "log_bin_trust_function_creators"),
    };
    Ok(privilege_check::of_restore(&flavor, &held, settings, loading))
}

/// Whether a global variable is 1; one that can't be read is not.
fn is_on(connection: &mut Conn, name: &str) -> bool {
    let sql = format!("SELECT @@GLOBAL.{name}");
    connection.query_first::<u8, _>(sql).ok().flatten() == Some(1)
}
