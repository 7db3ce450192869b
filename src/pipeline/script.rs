//! What was refused, as one script that somebody can mend and run.
//!
//! Pure. Every line that is not a statement is a comment, whatever a server or a name says.

use crate::artifact::Dialect;
use crate::source::contract::Refused;

/// The script, in the dialect of the target; with nothing to run it still says what was refused.
pub fn refused_script(refused: &[Refused], dialect: Dialect) -> Vec<u8> {
    let mut out =
        b"-- What was not restored, and why. Mend what is wrong, and run this.\n".to_vec();
    let mut unit = "";
    for one in refused {
        out.push(b'\n');
        comment(&one.what, &mut out);
        comment(&one.why, &mut out);
        if let Some(hint) = &one.hint {
            comment(hint, &mut out);
        }
        if one.rows > 0 {
            comment(&format!("rows: {}", one.rows), &mut out);
        }
        let Some(sql) = one.sql.as_ref().filter(|sql| !sql.is_empty()) else {
            comment("The backup holds it; it is not written here.", &mut out);
            continue;
        };
        // A client of PostgreSQL stays in the database it is in.
        if dialect == Dialect::Postgres && !one.unit.is_empty() && unit != one.unit {
            unit = &one.unit;
            let name = unit.replace('"', "\"\"");
            match unit.contains(['\n', '\r']) {
                true => comment(&format!("in the database {unit:?}"), &mut out),
                false => out.extend_from_slice(format!("\\connect \"{name}\"\n").as_bytes()),
            }
        }
        out.extend_from_slice(sql);
        if !sql.ends_with(b"\n") {
            out.push(b'\n');
        }
    }
    out
}

/// A text as lines of comment.
fn comment(text: &str, out: &mut Vec<u8>) {
    for line in text.split(['\n', '\r']) {
        out.extend_from_slice(b"-- ");
        out.extend(line.chars().filter(|c| !c.is_control()).collect::<String>().bytes());
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_a_comment() {
        let refused = [
            Refused {
                rows: 2,
                hint: Some("Do it.".into()),
                ..Refused::new("table a", "no\nDROP TABLE b;\r\\! x").with_sql("d\"e", "CREATE;")
            },
            Refused::new("role r", "no"),
            Refused::new("view v", "why").with_sql("d\"e", "VIEW;\n"),
        ];
        let text = |dialect| String::from_utf8(refused_script(&refused, dialect)).expect("text");
        let expected = "-- What was not restored, and why. Mend what is wrong, and run this.\n\n-- table a\n-- no\n-- DROP TABLE b;\n\
                        -- \\! x\n-- Do it.\n-- rows: 2\n\\connect \"d\"\"e\"\nCREATE;\n\n-- role r\n-- no\n-- The backup holds it; it is \
                        not written here.\n\n-- view v\n-- why\nVIEW;\n";
        assert_eq!(text(Dialect::Postgres), expected);
        assert_eq!(text(Dialect::Mysql), expected.replace("\\connect \"d\"\"e\"\n", ""));
    }
}
