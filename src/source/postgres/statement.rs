//! Statements that any script of a database may hold, by their words: settings of the session, the
//! state of a sequence, large objects, rights.
//!
//! Pure. That a text with `;`, a backslash or a comment in it is one statement is for the server to
//! say (see `single.rs`).

use crate::artifact::{Plain, plain_statement};
use crate::source::postgres::words::{Token, Words};

/// Settings that scripts give, of their session alone.
pub const SETTINGS: [&str; 17] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "client_encoding",
    "standard_conforming_strings",
    "search_path",
    "check_function_bodies",
    "xmloption",
    "client_min_messages",
    "row_security",
    "default_tablespace",
    "default_table_access_method",
    "default_with_oids",
    "datestyle",
    "lc_monetary",
    "escape_string_warning",
];

/// Words that may stand between CREATE and what is made.
pub const BETWEEN: [&str; 8] =
    ["OR", "REPLACE", "UNIQUE", "UNLOGGED", "CONSTRAINT", "TRUSTED", "PROCEDURAL", "DEFAULT"];

/// Kinds of objects of a server: no archive of a database makes them.
pub const OF_SERVER: [&str; 6] = ["SYSTEM", "DATABASE", "ROLE", "USER", "GROUP", "TABLESPACE"];

/// The statements of a script that the server is to be asked about: whether each is one.
pub type Doubtful<'t> = Vec<&'t str>;

/// The statements of a script that the server is to be asked about; an error if one may not be run.
pub fn each<'t>(script: &'t str, may: &dyn Fn(&str) -> bool) -> Result<Doubtful<'t>, String> {
    let mut doubtful = Vec::new();
    let mut rest = script.as_bytes();
    loop {
        let (text, bytes) = match plain_statement(rest).map_err(|e| e.to_string())? {
            Plain::Statement { text, bytes } => (text, bytes),
            Plain::Open if rest.trim_ascii().is_empty() => return Ok(doubtful),
            Plain::Open => return Err("it ends inside of a statement".into()),
            Plain::Blank => return Ok(doubtful),
        };
        rest = &rest[bytes..];
        let statement = std::str::from_utf8(text).map_err(|e| e.to_string())?;
        if !may(statement) {
            let begin: String = statement.chars().take(80).collect();
            return Err(format!("it is no part of it: {}", begin.escape_debug()));
        }
        if is_doubtful(statement) {
            doubtful.push(statement);
        }
    }
}

/// Whether the server may see more than one statement where vex sees one.
pub fn is_doubtful(statement: &str) -> bool {
    statement.contains([';', '\\', '$']) || statement.contains("--") || statement.contains("/*")
}

/// A setting of the session.
pub fn is_setting(mut words: Words<'_>) -> bool {
    if words.eat("SELECT pg_catalog") {
        let sets = words.mark('.') && words.eat("set_config") && words.mark('(');
        return sets
            && words.next() == Some(Token::Literal("'search_path'"))
            && words.mark(',')
            && words.next() == Some(Token::Literal("''"))
            && words.mark(',')
            && words.eat("false")
            && words.mark(')')
            && words.is_over();
    }
    if !words.eat("SET") {
        return false;
    }
    let Some(name) = words.name().filter(|name| SETTINGS.contains(&name.as_str())) else {
        return false;
    };
    if !words.mark('=') && !words.eat("TO") {
        return false;
    }
    let value = words.next();
    let fits = match name.as_str() {
        "standard_conforming_strings" => {
            matches!(value, Some(Token::Word("on") | Token::Literal("'on'")))
        }
        "search_path" => value == Some(Token::Literal("''")),
        _ => !matches!(value, Some(Token::Mark(_)) | None),
    };
    fits && words.is_over()
}

/// `SELECT pg_catalog.setval('name', 1, true)`.
pub fn is_state(statement: &str) -> bool {
    let mut words = Words::new(statement);
    words.eat("SELECT pg_catalog")
        && words.mark('.')
        && words.eat("setval")
        && words.mark('(')
        && matches!(words.next(), Some(Token::Literal(_)))
        && words.all(|token| matches!(token, Token::Word(_) | Token::Mark(',' | '-' | ')')))
}

/// Makes and fills a large object.
pub fn is_large(statement: &str) -> bool {
    let mut words = Words::new(statement);
    if words.eat("ALTER LARGE OBJECT") {
        return true;
    }
    let known = ["lo_create", "lo_open", "lowrite", "lo_close", "lo_put"];
    words.eat("SELECT pg_catalog")
        && words.mark('.')
        && known.iter().any(|name| words.eat(name))
        && words.mark('(')
        && words.all(|t| {
            matches!(t, Token::Literal(_) | Token::Mark(',' | '-' | ')'))
                || matches!(t, Token::Word(w) if w.bytes().all(|b| b.is_ascii_digit()))
        })
}

/// A right on something, never a membership.
pub fn is_right(statement: &str) -> bool {
    let mut words = Words::new(statement);
    if words.eat("SET SESSION AUTHORIZATION") {
        return matches!(words.next(), Some(Token::Word(_) | Token::Name(_) | Token::Literal(_)))
            && words.is_over();
    }
    if words.eat("RESET SESSION AUTHORIZATION") {
        return words.is_over();
    }
    let is_default = words.eat("ALTER DEFAULT PRIVILEGES");
    let right = words.eat("GRANT") || words.eat("REVOKE");
    is_default || (right && words.any(|token| token == Token::Word("ON")))
}

/// A table is its columns: no query fills it.
pub fn reads_nothing(words: Words<'_>) -> bool {
    let mut depth = 0_usize;
    for token in words {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("AS") => return false,
            Token::Word(_) | Token::Name(_) | Token::Literal(_) | Token::Mark(_) => {}
        }
    }
    true
}

/// `connect = false`, as pg_dump writes it: nothing is called.
pub fn is_unconnected(mut words: Words<'_>) -> bool {
    while let Some(token) = words.next() {
        if token == Token::Word("connect") {
            return words.mark('=') && words.eat("false");
        }
    }
    false
}
