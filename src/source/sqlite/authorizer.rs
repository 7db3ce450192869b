//! What a statement of an archive may do while it is loaded: define and fill, in this one file.
//!
//! Whatever the text says, no other file is opened or written (ATTACH, and VACUUM INTO, which
//! attaches), no library is loaded, and no setting is changed but those that an archive of vex
//! carries. See *Compile-Time Authorization Callbacks* in SQLite's documentation.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Settings that entries of vex give, and what virtual tables ask for while they are made.
const PRAGMAS: [&str; 7] = [
    "encoding",
    "page_size",
    "auto_vacuum",
    "user_version",
    "application_id",
    "foreign_keys",
    "data_version",
];

/// Guards a connection that executes text of an archive, as long as it is open.
pub fn guard(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| judge(&context.action)))
}

fn judge(action: &AuthAction<'_>) -> Authorization {
    match action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, .. } => {
            let known = PRAGMAS.iter().any(|own| own.eq_ignore_ascii_case(pragma_name));
            if known { Authorization::Allow } else { Authorization::Deny }
        }
        AuthAction::Function { function_name } => {
            match function_name.eq_ignore_ascii_case("load_extension") {
                true => Authorization::Deny,
                false => Authorization::Allow,
            }
        }
        _ => Authorization::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_archive_stays_in_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = folder.path().join("other").display().to_string();
        let mut connection = Connection::open(folder.path().join("own")).expect("opens");
        guard(&mut connection).expect("guarded");
        for text in [
            format!("ATTACH '{other}' AS o"),
            format!("VACUUM INTO '{other}'"),
            "PRAGMA writable_schema=ON".to_owned(),
            "PRAGMA journal_mode=WAL".into(),
            "SELECT load_extension('x')".into(),
        ] {
            connection.execute_batch(&text).expect_err(&text);
        }
        assert!(!folder.path().join("other").exists());
        let allowed = "PRAGMA foreign_keys=OFF; PRAGMA user_version=7; CREATE TABLE t (a);
                       INSERT INTO t VALUES (upper('x')); CREATE VIEW v AS SELECT a FROM t;
                       CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END;";
        connection.execute_batch(allowed).expect("what a backup holds");
    }
}
