//! What a dump program writes of a database, and what makes the database itself: no other statement
//! of such a script or archive is run.
//!
//! Pure: reads statements by words.

use crate::source::postgres::statement::{
    BETWEEN, Doubtful, OF_SERVER, each, is_large, is_right, is_setting, is_state, is_unconnected,
    reads_nothing,
};
use crate::source::postgres::toc::Item;
use crate::source::postgres::words::{Token, Words};

/// The same of what makes and equips the database.
pub fn judge_database<'t>(unit: &str, script: &'t str) -> Result<Doubtful<'t>, String> {
    each(script, &|statement| of_database(unit, statement))
}

/// Whether pg_dump writes such a statement, of any object of a database.
pub fn is_of_program(statement: &str) -> bool {
    let mut words = Words::new(statement);
    if is_setting(words) || is_large(statement) || is_right(statement) || is_state(statement) {
        return true;
    }
    if words.eat("BEGIN") || words.eat("COMMIT") {
        return words.is_over();
    }
    if words.eat("SELECT") && words.mark('*') && words.eat("FROM pg_catalog") && words.mark('.') {
        let known = ["pg_restore_relation_stats", "pg_restore_attribute_stats"];
        return known.iter().any(|name| words.eat(name))
            && words.mark('(')
            && words.all(|token| token != Token::Mark('('));
    }
    if words.eat("COPY") {
        return statement.ends_with(" FROM stdin") && reads_stdin(words);
    }
    if ["COMMENT ON", "SECURITY LABEL", "REFRESH MATERIALIZED VIEW"].iter().any(|w| words.eat(w)) {
        return true;
    }
    let creates = words.eat("CREATE");
    if !creates && !words.eat("ALTER") {
        return false;
    }
    let mut what = words;
    while BETWEEN.iter().any(|word| what.eat(word)) {}
    // A user mapping belongs to a database, a user does not.
    if what.eat("USER MAPPING") {
        return true;
    }
    if OF_SERVER.iter().any(|kind| what.eat(kind)) {
        return false;
    }
    if creates && what.eat("SUBSCRIPTION") {
        return is_unconnected(what);
    }
    !creates || !what.eat("TABLE") || (what.full_name().is_some() && reads_nothing(what))
}

/// Judges an item of an archive, which `pg_restore` would run; what it never runs is passed over.
pub fn judge_item(item: &Item) -> Result<Doubtful<'_>, String> {
    match item.what.as_str() {
        "DATABASE" | "DATABASE PROPERTIES" => Ok(Vec::new()),
        // Not SQL: the numbers of objects that it makes.
        "BLOB METADATA" => {
            let is_list = item.definition.bytes().all(|b| b.is_ascii_digit() || b == b'\n');
            is_list.then(Vec::new).ok_or_else(|| "it is no list of numbers".to_owned())
        }
        _ => {
            let mut doubtful = each(&item.definition, &is_of_program)?;
            doubtful.extend(each(&item.copy, &is_of_program)?);
            Ok(doubtful)
        }
    }
}

/// A table, its columns, and no program or file. A column may be called like any word.
fn reads_stdin(mut words: Words<'_>) -> bool {
    if words.full_name().is_none() {
        return false;
    }
    if words.mark('(') {
        while words.name().is_some() && words.mark(',') {}
        if !words.mark(')') {
            return false;
        }
    }
    words.eat("FROM stdin") && words.next().is_none()
}

fn of_database(unit: &str, statement: &str) -> bool {
    let mut words = Words::new(statement);
    let is_unit = |words: &mut Words<'_>| words.name().as_deref() == Some(unit);
    if ["CREATE DATABASE", "ALTER DATABASE", "COMMENT ON DATABASE"].iter().any(|w| words.eat(w)) {
        return is_unit(&mut words);
    }
    if words.eat("ALTER ROLE") {
        return words.name().is_some() && words.eat("IN DATABASE") && is_unit(&mut words);
    }
    if words.eat("SECURITY LABEL") || words.eat("GRANT") || words.eat("REVOKE") {
        while let Some(token) = words.next() {
            if token == Token::Word("ON") {
                return words.eat("DATABASE") && is_unit(&mut words);
            }
        }
    }
    is_right(statement) && !statement.starts_with("GRANT") && !statement.starts_with("REVOKE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_and_a_program_writes_what_belongs_to_one() {
        let all = "CREATE DATABASE shop WITH TEMPLATE = template0;\nALTER DATABASE \"shop\" OWNER TO \"me\";\nALTER ROLE a IN DATABASE shop SET x TO 'y';\nREVOKE CONNECT,TEMPORARY ON DATABASE shop FROM PUBLIC;\n";
        assert_eq!(judge_database("shop", all), Ok(Vec::new()));
        for bad in
            ["ALTER DATABASE other OWNER TO a;\n", "ALTER ROLE a SUPERUSER;\n", "GRANT a TO b;\n"]
        {
            assert!(judge_database("shop", bad).is_err(), "{bad}");
        }
        for good in [
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SELECT pg_catalog.lowrite(0, '\\x00')",
            "COPY public.t (a, \"B\") FROM stdin",
            "COPY public.t (program, where_) FROM stdin",
            "COPY t FROM stdin",
            "CREATE USER MAPPING FOR a SERVER s",
        ] {
            assert!(is_of_program(good), "{good}");
        }
        for bad in [
            "COPY t FROM PROGRAM 'id'",
            "CREATE ROLE a",
            "ALTER SYSTEM SET a = 'b'",
            "DO 'x'",
            "DROP TABLE t",
            "SELECT pg_read_file('x')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p",
        ] {
            assert!(!is_of_program(bad), "{bad}");
        }
    }
}
