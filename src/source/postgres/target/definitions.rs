//! Definitions of what came back, read by `pg_dump` as a dump reads them.
//!
//! Does not know what becomes of a difference. Owners are not compared: one that could not be given
//! is listed, and one that was not to be given is none.

use std::collections::{BTreeSet, HashSet};

use crate::artifact::{Member, definition_text};
use crate::base::Stop;
use crate::source::contract::{Change, Error, ErrorKind, Load, Result};
use crate::source::postgres::definition::{Choice, OWNER, definitions};
use crate::source::postgres::fault::run;
use crate::source::postgres::program;
use crate::source::postgres::state::{filled, owned, sequences};
use crate::source::postgres::target::PostgresTarget;
use crate::source::postgres::toc;
use crate::source::postgres::words::{Token, Words};
use crate::source::program::failed;

/// The longest table of contents.
const CONTENTS: usize = 1 << 28;

/// How long pg_dump may wait for a table that somebody else holds, in milliseconds.
const WAIT: u32 = 10_000;

impl PostgresTarget {
    /// The definitions of members of one database, as a dump would have them.
    pub(super) fn read_again(
        &self,
        members: &[Member],
        stop: &Stop,
    ) -> Result<Vec<(Member, Vec<u8>)>> {
        let Some(unit) = members.first().map(|m| m.unit.clone()).filter(|u| !u.is_empty()) else {
            return Ok(Vec::new());
        };
        let name = self.unit_name(&unit);
        let program = match program::find(self.archives.tools(), "pg_dump", self.number, stop) {
            Ok(program) => program,
            Err(error) if error.kind == ErrorKind::Stopped => return Err(error),
            // The rows are proven without it.
            Err(error) => {
                self.remark(format!("the definitions of {name} were not read back: {error}"));
                return Ok(Vec::new());
            }
        };
        let doing = format!("read the definitions of {name} back with {}", program.title);
        let words = [
            program.path.display().to_string(),
            "--format=custom".into(),
            "--compress=0".into(),
            "--schema-only".into(),
            "--no-password".into(),
            format!("--lock-wait-timeout={WAIT}"),
        ];
        let child = self.connector.child(&words, &name)?;
        let bytes = child.output(CONTENTS, stop).map_err(|e| failed(&doing, e))?;
        let archive =
            toc::parse(&bytes).map_err(|found| Error::new(ErrorKind::Failed, &doing, found))?;
        let mut client = self.connector.session(&name, "read back from")?;
        run(&mut client, "BEGIN", &doing)?;
        // What can't be read is missing, and not compared.
        let sequences = sequences(&mut client, &unit, &mut Vec::new())?;
        let (filled, owned) = (filled(&mut client)?, owned(&mut client)?);
        run(&mut client, "ROLLBACK", &doing)?;
        let choice = Choice {
            schema: &|_| true,
            without: &BTreeSet::new(),
            sequences: &sequences,
            filled: &filled,
            owned: &owned,
        };
        let found = definitions(&unit, &archive, &choice);
        let wanted: HashSet<&Member> = members.iter().collect();
        let all = found.before.into_iter().chain(found.after);
        Ok(all
            .filter(|script| wanted.contains(&script.member))
            .map(|script| (script.member, script.text.into_bytes()))
            .collect())
    }

    /// What of a definition is another now.
    pub(super) fn altered(&self, load: Load<'_>, now: &[u8]) -> Vec<Change> {
        let text = |entry: &[u8]| {
            let text = definition_text(load.member.kind, entry).unwrap_or_default();
            let text = format!("\n{}", String::from_utf8_lossy(&text));
            let made = text.rfind(OWNER.trim_end()).map_or(text.as_str(), |at| &text[..at]);
            // Where a sequence stands moves.
            let made = made.split("\nSELECT pg_catalog.setval(").next().unwrap_or_default();
            made.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (was, now) = (text(load.bytes), text(now));
        if was == now {
            return Vec::new();
        }
        let server = self.server.lock().expect("no panic while locked").clone();
        let digits = server.trim_start_matches(|c: char| !c.is_ascii_digit());
        let major = digits.split('.').next().and_then(|n| n.parse::<u32>().ok());
        // An expression that was loaded once is written with its casts and parentheses elsewhere.
        let is_same = bare(&was) == bare(&now);
        vec![Change::between(&was, &now, !is_same && major == Some(self.number / 10_000))]
    }
}

/// The words of a definition without parentheses and casts: `(ARRAY['a'::varchar])::text[]` comes
/// back as `ARRAY[('a'::varchar)::text]`.
fn bare(text: &str) -> Vec<Token<'_>> {
    let all: Vec<Token<'_>> = Words::new(text).collect();
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < all.len() {
        match (&all[at], all.get(at + 1)) {
            (Token::Mark(':'), Some(Token::Mark(':'))) => at = after_type(&all, at + 2),
            (Token::Mark('(' | ')'), _) => at += 1,
            (token, _) => {
                kept.push(token.clone());
                at += 1;
            }
        }
    }
    kept
}

/// The place after the name of a type: its schema, its further words, its size and its brackets.
fn after_type(all: &[Token<'_>], mut at: usize) -> usize {
    const FURTHER: [&str; 6] = ["varying", "precision", "with", "without", "time", "zone"];
    at += 1;
    if all.get(at) == Some(&Token::Mark('.')) {
        at += 2;
    }
    loop {
        match (all.get(at), all.get(at + 1)) {
            (Some(Token::Word(word)), _) if FURTHER.contains(word) => at += 1,
            (Some(Token::Mark('(')), Some(Token::Word(size)))
                if size.bytes().all(|b| b.is_ascii_digit()) =>
            {
                at += 2;
                while matches!(all.get(at), Some(Token::Mark(',') | Token::Word(_))) {
                    at += 1;
                }
                at += 1;
            }
            (Some(Token::Mark('[')), Some(Token::Mark(']'))) => at += 2,
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_the_same_wherever_its_casts_stand() {
        let check = |text: &str| {
            format!("CREATE TABLE t (s character varying(9), CONSTRAINT c CHECK ({text}))")
        };
        let was = check(
            "(s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])",
        );
        let now = check(
            "(s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])",
        );
        assert_eq!(bare(&was), bare(&now));
        for other in [
            check(
                "(s)::text = ANY ((ARRAY['a'::character varying, 'c'::character varying])::text[])",
            ),
            was.replace("character varying(9)", "character varying(8)"),
            was.replace("= ANY", "<> ALL"),
        ] {
            assert_ne!(bare(&was), bare(&other), "{other}");
        }
        let sized = |cast: &str| bare(&format!("SELECT a{cast} + 1")).len();
        assert_eq!(sized("::numeric(10,2)"), sized(""));
        assert_eq!(sized("::pg_catalog.timestamp without time zone[]"), sized(""));
    }
}
