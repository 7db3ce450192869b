//! What a statement of an archive may do while it is loaded: prepare its session, and what its
//! member is for. Rows are rows of that table; a definition makes that object, says what it is and
//! whose.
//!
//! Pure: reads statements by words. What code of the archive does when the server itself calls it (a
//! CHECK, the expression of an index) is not seen here.

use crate::artifact::{Kind, Member, Phase, Plain, plain_statement};
use crate::source::postgres::definition::qualified;
use crate::source::postgres::statement::{
    BETWEEN, Doubtful, OF_SERVER, each, is_large, is_right, is_setting, is_state, is_unconnected,
    reads_nothing,
};
use crate::source::postgres::words::{Token, Words};

/// What hangs on a table, and is a clause of it.
const CLAUSES: [&str; 8] = [
    "constraint",
    "check constraint",
    "fk constraint",
    "default",
    "row security",
    "table attach",
    "rule",
    "policy",
];

/// Classes whose objects are named by a plain name, right behind what they are.
const NAMED: [&str; 5] = ["type", "domain", "aggregate", "collation", "statistics"];

/// Judges all statements of a script; the error says which may not be run, and why.
pub fn judge<'t>(member: &Member, script: &'t str) -> Result<Doubtful<'t>, String> {
    if must_follow_rows(member) && member.phase != Phase::After {
        return Err(format!("{} can't be made in this order", member.kind.word()));
    }
    each(script, &|statement| of_member(member, statement))
}

/// Whether it would run with every row.
fn must_follow_rows(member: &Member) -> bool {
    member.kind == Kind::Trigger
        || matches!(class(member).as_str(), "trigger" | "rule" | "event trigger")
}

/// What a member is, in the words of its server and small letters.
fn class(member: &Member) -> String {
    match (member.kind, &member.class) {
        (Kind::Object, Some(class)) => class.clone(),
        // Formats 1 to 3 have it in the name only.
        (Kind::Object, None) => member.name.clone(),
        (kind, _) => kind.word().to_owned(),
    }
}

fn of_member(member: &Member, statement: &str) -> bool {
    let mut words = Words::new(statement);
    let class = class(member);
    if is_setting(words) || words.eat("COMMENT ON") || words.eat("SECURITY LABEL") {
        return true;
    }
    let is = |word: &str| class == word || class.starts_with(&format!("{word} "));
    if is("acl") || is("default acl") {
        return is_right(statement);
    }
    if class.starts_with("large objects") || is("blob") || is("blobs") || is("blob metadata") {
        return is_large(statement) || is_right(statement);
    }
    if words.eat("CREATE") {
        return creates(member, &class, words);
    }
    if words.eat("ALTER") {
        return alters(member, &class, words);
    }
    match member.kind {
        Kind::Sequence => is_state(statement),
        Kind::Object => class.starts_with("rows of ") && words.eat("REFRESH MATERIALIZED VIEW"),
        _ => false,
    }
}

/// Whether a name is that of the member, in its schema.
fn is_own(member: &Member, found: Option<(Option<String>, String)>) -> bool {
    let Some((schema, name)) = found else { return false };
    // A function has its arguments in its name.
    let own = member.own_name().unwrap_or(&member.name);
    let is_name = own == name || own.strip_prefix(&name).is_some_and(|rest| rest.starts_with('('));
    is_name && schema.is_none_or(|schema| member.schema.as_ref() == Some(&schema))
}

fn creates(member: &Member, class: &str, mut words: Words<'_>) -> bool {
    while BETWEEN.iter().any(|word| words.eat(word)) {}
    let is = |word: &str| class == word || class.starts_with(&format!("{word} "));
    match member.kind {
        Kind::Table => {
            words.eat("FOREIGN");
            words.eat("TABLE") && is_own(member, words.full_name()) && reads_nothing(words)
        }
        Kind::View => {
            words.eat("MATERIALIZED");
            words.eat("VIEW") && is_own(member, words.full_name())
        }
        Kind::Sequence => words.eat("SEQUENCE") && is_own(member, words.full_name()),
        Kind::Index => words.eat("INDEX") && is_own(member, words.full_name()),
        Kind::Function => words.eat("FUNCTION") && is_own(member, words.full_name()),
        Kind::Procedure => words.eat("PROCEDURE") && is_own(member, words.full_name()),
        Kind::Trigger => {
            words.eat("TRIGGER") && words.full_name().is_some_and(|(_, name)| name == member.name)
        }
        Kind::Object if is("schema") => {
            words.eat("SCHEMA")
                && words.name().is_some()
                && (words.is_over()
                    || (words.eat("AUTHORIZATION") && words.name().is_some() && words.is_over()))
        }
        Kind::Object if is("subscription") => words.eat("SUBSCRIPTION") && is_unconnected(words),
        Kind::Object if is("shell type") => words.eat("TYPE"),
        Kind::Object if is("procedural language") => words.eat("LANGUAGE"),
        // The rule of a view that needs itself is the view.
        Kind::Object if is("rule") => words.eat("RULE") || words.eat("VIEW"),
        Kind::Object => is_named(member, class, words),
        _ => false,
    }
}

/// Whether the words are those of a class; of some, the name of the member follows.
fn is_named(member: &Member, class: &str, words: Words<'_>) -> bool {
    let (mut ahead, mut said) = (words, String::new());
    for _ in 0..3 {
        let Some(Token::Word(word)) = ahead.next() else { return false };
        said.push_str(if said.is_empty() { "" } else { " " });
        said.push_str(&word.to_lowercase());
        if OF_SERVER.iter().any(|kind| said.eq_ignore_ascii_case(kind)) {
            continue;
        }
        if member.class.is_none() && class.starts_with(&format!("{said} ")) {
            return true;
        }
        if class == said {
            return !NAMED.contains(&class) || is_own(member, ahead.full_name());
        }
    }
    false
}

fn alters(member: &Member, class: &str, mut words: Words<'_>) -> bool {
    let is = |word: &str| class == word || class.starts_with(&format!("{word} "));
    let table = |words: &mut Words<'_>| {
        words.eat("FOREIGN");
        let fits = words.eat("TABLE");
        words.eat("ONLY");
        fits
    };
    let own_table = |words: &mut Words<'_>| {
        let Some((schema, name)) = words.full_name() else { return false };
        let near = schema.is_none_or(|schema| member.schema.as_ref() == Some(&schema));
        member.table.as_ref().is_none_or(|table| near && *table == name)
    };
    match member.kind {
        Kind::Table => table(&mut words) && is_own(member, words.full_name()),
        Kind::View => {
            words.eat("MATERIALIZED");
            (words.eat("VIEW") || table(&mut words)) && is_own(member, words.full_name())
        }
        Kind::Sequence if words.eat("SEQUENCE") => is_own(member, words.full_name()),
        Kind::Sequence => {
            // The sequence of a column that counts, and what a sequence and a table have in common.
            table(&mut words)
        }
        Kind::Index => {
            (words.eat("INDEX") && is_own(member, words.full_name()))
                || (table(&mut words) && own_table(&mut words))
        }
        Kind::Function => words.eat("FUNCTION") && is_own(member, words.full_name()),
        Kind::Procedure => words.eat("PROCEDURE") && is_own(member, words.full_name()),
        Kind::Trigger => words.eat("TRIGGER") || (table(&mut words) && own_table(&mut words)),
        Kind::Object if is("check constraint") && words.eat("DOMAIN") => true,
        Kind::Object if is("table attach") => table(&mut words),
        Kind::Object if CLAUSES.iter().any(|clause| is(clause)) => {
            (table(&mut words) && own_table(&mut words)) || { is("rule") && words.eat("VIEW") }
        }
        Kind::Object if is("index attach") => words.eat("INDEX"),
        Kind::Object if is("sequence owned by") => words.eat("SEQUENCE"),
        Kind::Object if is("shell type") => words.eat("TYPE"),
        Kind::Object if is("operator class") => {
            words.eat("OPERATOR CLASS") || words.eat("OPERATOR FAMILY")
        }
        Kind::Object if is("publication table") || is("publication tables in schema") => {
            words.eat("PUBLICATION")
        }
        Kind::Object if is("subscription table") => words.eat("SUBSCRIPTION"),
        Kind::Object => is_named(member, class, words),
        _ => false,
    }
}

/// Whether a table lies on another server.
pub fn is_foreign(script: &str) -> bool {
    let mut rest = script.as_bytes();
    while let Ok(Plain::Statement { text, bytes }) = plain_statement(rest) {
        rest = &rest[bytes..];
        if text.starts_with(b"CREATE FOREIGN ") {
            return true;
        }
    }
    false
}

/// Whether a COPY is that of the member's rows: its table, names of columns, and nothing else.
pub fn copies(member: &Member, statement: &str) -> bool {
    let table = qualified(member.schema.as_deref().unwrap_or_default(), &member.name);
    let Some(rest) = statement.strip_prefix("COPY ").and_then(|s| s.strip_prefix(&table)) else {
        return false;
    };
    let Some(columns) = rest.strip_suffix(" FROM stdin") else { return false };
    if columns.is_empty() {
        return true;
    }
    let Some(columns) = columns.strip_prefix(" (").and_then(|c| c.strip_suffix(')')) else {
        return false;
    };
    let mut name = true;
    Words::new(columns).all(|token| {
        let fits = if name { matches!(token, Token::Name(_)) } else { token == Token::Mark(',') };
        name = !name;
        fits
    }) && !name
}

/// Whether an entry of the bytes of large objects does no more than put them.
pub fn puts(entry: &str) -> bool {
    entry.lines().all(|line| {
        let Some(statement) = line.strip_suffix(';') else { return false };
        is_setting(Words::new(statement)) || is_put(statement)
    })
}

/// `SELECT pg_catalog.lo_put(1, 0, '\x00')`.
fn is_put(statement: &str) -> bool {
    let inner = statement.strip_prefix("SELECT pg_catalog.lo_put(");
    let Some(inner) = inner.and_then(|rest| rest.strip_suffix("')")) else { return false };
    let Some((numbers, bytes)) = inner.split_once(", '\\x") else { return false };
    numbers.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b' '))
        && bytes.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(kind: Kind, name: &str, class: Option<&str>) -> Member {
        let phase = if kind == Kind::Trigger { Phase::After } else { Phase::Before };
        let member = Member::new("shop", name, kind, phase).in_schema("public").of_table("t");
        Member { class: class.map(str::to_owned), ..member }
    }

    #[test]
    fn a_definition_makes_its_own_object_and_nothing_else() {
        let table = member(Kind::Table, "t", None);
        let function = member(Kind::Function, "f(integer)", None);
        let foreign = member(Kind::Object, "fk constraint of_p", Some("fk constraint"));
        let kind = member(Kind::Object, "type Mood", Some("type"));
        let mapping = member(Kind::Object, "user mapping x", Some("user mapping"));
        let sequence = member(Kind::Sequence, "t_id_seq", None);
        let trigger = member(Kind::Trigger, "g", None);
        let right = member(Kind::Object, "acl table t", Some("acl"));
        for (member, good) in [
            (
                &table,
                "SET search_path='';\nCREATE UNLOGGED TABLE public.t (a int DEFAULT 'x;y') PARTITION BY RANGE (a);\nALTER TABLE ONLY public.t ALTER COLUMN a SET STATISTICS 5;\nCOMMENT ON TABLE public.t IS 'x';\n-- owner\nALTER TABLE \"public\".\"t\" OWNER TO \"me\";\n",
            ),
            (
                &function,
                "CREATE OR REPLACE FUNCTION public.f(a integer) RETURNS void AS $$ BEGIN DROP TABLE x; END $$ LANGUAGE plpgsql;\n",
            ),
            (
                &foreign,
                "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT of_p FOREIGN KEY (a) REFERENCES public.p(a);\n",
            ),
            (&kind, "CREATE TYPE public.\"Mood\" AS ENUM ('a');\n"),
            (&mapping, "CREATE USER MAPPING FOR PUBLIC SERVER s;\n"),
            (
                &sequence,
                "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.t_id_seq);\nSELECT pg_catalog.setval('\"public\".\"t_id_seq\"', 3, true);\n",
            ),
            (
                &trigger,
                "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON public.t EXECUTE FUNCTION public.f();\n",
            ),
            (
                &right,
                "REVOKE ALL ON TABLE public.t FROM me;\nGRANT SELECT ON TABLE public.t TO you;\n",
            ),
        ] {
            assert!(judge(member, good).is_ok(), "{:?}: {good}", judge(member, good));
        }
        for (member, bad) in [
            (&table, "CREATE TABLE public.other (a int);\n"),
            (&table, "CREATE TABLE public.t (a) AS SELECT 1;\n"),
            (&table, "CREATE TABLE public.t (a int);\nCOPY public.t FROM PROGRAM 'id';\n"),
            (&table, "ALTER TABLE public.other DISABLE TRIGGER ALL;\n"),
            (&table, "SET search_path='evil';\n"),
            (&table, "SET standard_conforming_strings=off;\n"),
            (&table, "SET ROLE postgres;\n"),
            (&function, "DO $$ BEGIN END $$;\n"),
            (&function, "CREATE FUNCTION public.g() RETURNS void AS 'x' LANGUAGE sql;\n"),
            (&foreign, "ALTER TABLE ONLY public.other ADD CONSTRAINT of_p CHECK (true);\n"),
            (&kind, "CREATE ROLE evil SUPERUSER;\n"),
            (&mapping, "CREATE USER evil SUPERUSER;\n"),
            (&sequence, "SELECT pg_catalog.setval('s', pg_read_file('x'), true);\n"),
            (&right, "GRANT postgres TO evil;\n"),
            (&right, "ALTER SYSTEM SET archive_command = 'id';\n"),
        ] {
            assert!(judge(member, bad).is_err(), "{bad}");
        }
        let early = Member { phase: Phase::Before, ..trigger };
        assert!(judge(&early, "CREATE TRIGGER g AFTER INSERT ON public.t;\n").is_err());
    }

    #[test]
    fn rows_are_copied_from_the_entry_and_bytes_put_from_it() {
        let table = member(Kind::Rows, "t", None);
        for good in [
            "COPY \"public\".\"t\" FROM stdin",
            "COPY \"public\".\"t\" (\"a\",\"b;\"\"\") FROM stdin",
        ] {
            assert!(copies(&table, good), "{good}");
        }
        for bad in [
            "COPY \"public\".\"u\" FROM stdin",
            "COPY \"public\".\"t\" FROM PROGRAM 'id' FROM stdin",
            "COPY \"public\".\"t\" (\"a\") FROM '/etc/passwd'; COPY \"public\".\"t\" FROM stdin",
            "COPY \"public\".\"t\" (\"a\" \"b\") FROM stdin",
            "COPY \"public\".\"t\" () FROM stdin",
        ] {
            assert!(!copies(&table, bad), "{bad}");
        }
        assert!(puts("SET statement_timeout=0;\nSELECT pg_catalog.lo_put(4711, 0, '\\x00ff');\n"));
        assert!(!puts("SELECT pg_catalog.lo_put(4711, 0, '\\x00'); DROP TABLE t;\n"));
        assert!(!puts("SELECT pg_catalog.lo_import('/etc/passwd');\n"));
    }
}
