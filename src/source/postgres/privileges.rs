//! What the user must be allowed to do, and the statement that allows it, each with its reason.
//!
//! Follows `view.rs`, `rows.rs`, `large.rs`, `vacuum.rs` and `target.rs`; a test dumps with exactly
//! these.

use std::collections::BTreeMap;

use postgres::{Client, Row};

use crate::base::{Finding, Grade};
use crate::job::PostgresSpec;
use crate::source::contract::{Purpose, Result};
use crate::source::postgres::definition::quoted;
use crate::source::postgres::fault::wrap;

/// What is lacking so far, over all databases.
pub struct Privileges {
    user: String,
    superuser: bool,
    maintain: bool,
    /// By statement: how grave it is, and what goes wrong without it.
    lacking: BTreeMap<String, (Grade, Vec<String>)>,
}

fn query(client: &mut Client, unit: &str, sql: &str) -> Result<Row> {
    client.query_one(sql, &[]).map_err(|e| wrap(&format!("ask for privileges in {unit}"), e))
}

/// How many things are lacking, and the first of them.
fn count(client: &mut Client, unit: &str, sql: &str) -> Result<(i64, Option<String>)> {
    query(client, unit, sql).map(|row| (row.get(0), row.get(1)))
}

impl Privileges {
    /// Who asks, of a server of this version.
    pub fn new(client: &mut Client, server: u32) -> Result<Privileges> {
        let sql = "SELECT current_user::text, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let row = client.query_one(sql, &[]).map_err(|e| wrap("ask who we are", e))?;
        let (user, superuser): (String, bool) = (row.get(0), row.get(1));
        Ok(Privileges {
            user: quoted(&user),
            superuser,
            maintain: server >= 170_000,
            lacking: BTreeMap::new(),
        })
    }

    fn lack(&mut self, grade: Grade, statement: String, without: String) {
        let (worst, reasons) = self.lacking.entry(statement).or_insert((grade, Vec::new()));
        *worst = grade.max(*worst);
        reasons.push(without);
    }

    /// Looks at one database, on a connection to it.
    pub fn look(&mut self, client: &mut Client, unit: &str, purpose: Purpose) -> Result<()> {
        if self.superuser {
            return Ok(());
        }
        if purpose.readers > 0 {
            self.look_to_read(client, unit)?;
        }
        if purpose.vacuum {
            self.look_to_vacuum(client, unit)?;
        }
        Ok(())
    }

    fn look_to_read(&mut self, client: &mut Client, unit: &str) -> Result<()> {
        let user = self.user.clone();
        if let (number @ 1.., Some(first)) = count(client, unit, UNREADABLE)? {
            let without = format!(
                "{number} tables and sequences of {unit} can't be read, {first} among them"
            );
            self.lack(Grade::Error, format!("GRANT pg_read_all_data TO {user};"), without);
        }
        if let (number @ 1.., Some(first)) = count(client, unit, GUARDED)? {
            let without =
                format!("row security hides rows of {number} tables of {unit}, {first} among them");
            self.lack(Grade::Error, format!("ALTER ROLE {user} BYPASSRLS;"), without);
        }
        if let (number @ 1.., Some(first)) = count(client, unit, LARGE)? {
            let without =
                format!("{number} large objects of {unit} can't be read; {first} is the first");
            self.lack(
                Grade::Error,
                format!("GRANT SELECT ON LARGE OBJECT {first} TO {user};"),
                without,
            );
        }
        Ok(())
    }

    fn look_to_vacuum(&mut self, client: &mut Client, unit: &str) -> Result<()> {
        let user = self.user.clone();
        let also = if self.maintain {
            " OR pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')"
        } else {
            ""
        };
        let row = query(client, unit, &FOREIGN.replace("{also}", also))?;
        if let (number @ 1.., Some(first), Some(owners)) =
            (row.get::<_, i64>(0), row.get::<_, Option<String>>(1), row.get::<_, Option<String>>(2))
        {
            let without =
                format!("{number} tables of {unit} can't be vacuumed, {first} among them");
            // Membership in the owner, who may be a superuser, is no right to ask for.
            let advice = match self.maintain {
                true => format!("GRANT pg_maintain TO {user};"),
                false => format!(
                    "Before PostgreSQL 17 only their owner may: let {owners} vacuum them, and leave them to autovacuum here"
                ),
            };
            self.lack(Grade::Alert, advice, without);
        }
        if let (1.., Some(schemas)) = count(client, unit, CLOSED)? {
            let without = format!("tables of schema {schemas} of {unit} can't be vacuumed");
            self.lack(Grade::Alert, format!("GRANT USAGE ON SCHEMA {schemas} TO {user};"), without);
        }
        if let (1.., Some(_)) = count(client, unit, CONTROL)? {
            let without = format!("controle_vacuum can't be made in {unit}");
            self.lack(Grade::Error, format!("GRANT CREATE ON SCHEMA public TO {user};"), without);
        }
        Ok(())
    }

    /// All that is lacking, one finding a statement.
    pub fn findings(
        mut self,
        client: &mut Client,
        spec: &PostgresSpec,
        purpose: Purpose,
    ) -> Vec<Finding> {
        let looked = "privileges";
        if self.superuser {
            return vec![Finding::ok(looked, format!("{} is a superuser", self.user))];
        }
        let user = self.user.clone();
        let may = |client: &mut Client, sql: &str| {
            client
                .query_opt(sql, &[])
                .ok()
                .flatten()
                .is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true))
        };
        let authid = "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
        if purpose.readers > 0 && spec.globals && !may(client, authid) {
            let without = "hashes of passwords can't be read, which `globals` wants".to_owned();
            self.lack(
                Grade::Error,
                format!("GRANT SELECT ON pg_catalog.pg_authid TO {user};"),
                without,
            );
        }
        let createdb = "SELECT rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user";
        if purpose.load {
            if !may(client, createdb) {
                self.lack(
                    Grade::Alert,
                    format!("ALTER ROLE {user} CREATEDB;"),
                    "databases can't be made".into(),
                );
            }
            let without =
                "owners, extensions and event triggers of others can't be restored".to_owned();
            self.lack(Grade::Alert, format!("ALTER ROLE {user} SUPERUSER;"), without);
        }
        if self.lacking.is_empty() {
            return vec![Finding::ok(looked, format!("{user} has all that is needed"))];
        }
        let line = |(statement, (grade, reasons)): (String, (Grade, Vec<String>))| Finding {
            grade,
            looked: looked.into(),
            found: reasons.join("; "),
            advice: Some(statement),
        };
        self.lacking.into_iter().map(line).collect()
    }
}

/// What pg_dump locks or reads, and the user may not.
const UNREADABLE: &str = "SELECT count(*), min(c.oid::pg_catalog.regclass::text) FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' \
     AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind \
       WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') \
       ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END)";

/// Tables of which a policy hides rows from the user.
const GUARDED: &str = "SELECT count(*), min(c.oid::pg_catalog.regclass::text) FROM pg_catalog.pg_class c \
     WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid)";

/// Large objects that the user may not read.
const LARGE: &str = "SELECT count(*), min(m.oid::text) FROM pg_catalog.pg_largeobject_metadata m \
     WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a \
     WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))";

/// Tables that the user may not vacuum, and their owners.
const FOREIGN: &str = "SELECT count(*), min(c.oid::pg_catalog.regclass::text), \
     string_agg(DISTINCT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), ', ') FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database() \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname !~ '^pg_(toast|temp)' AND NOT (pg_catalog.pg_has_role(c.relowner, 'USAGE') \
       OR pg_catalog.pg_has_role(d.datdba, 'USAGE'){also})";

/// Schemas of tables that the user may not look into.
const CLOSED: &str = "SELECT count(*), string_agg(pg_catalog.quote_ident(n.nspname), ', ' ORDER BY n.nspname) \
     FROM pg_catalog.pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname !~ '^pg_(toast|temp)' AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
     AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r')";

/// Whether there is no control table and the user can't make one.
const CONTROL: &str = "SELECT count(*), min(n.nspname)::text FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public' \
     AND pg_catalog.to_regclass('public.controle_vacuum') IS NULL AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')";
