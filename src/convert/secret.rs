//! Where a secret will be read from: what stood in clear becomes a variable that a person must set,
//! references of the other program become references of vex.
//!
//! Invariant: the text of a secret is never returned.

use crate::convert::draft::{Draft, Secret, quoted};
use crate::convert::tree::Node;

/// The place of the secret that stands at `node`; `name` is the variable if it stands in clear.
pub fn secret(node: &Node, name: &str, draft: &mut Draft) -> Option<Secret> {
    let word = node.word()?;
    if let Some(variable) = variable(word) {
        return Some(Secret(format!("(env){}", quoted(variable))));
    }
    if let Some(path) = between(word, "{credential file ", "}") {
        return Some(Secret(format!("(file){}", quoted(path.trim()))));
    }
    if let Some(credential) = between(word, "{credential systemd ", "}") {
        let path = format!("/run/credentials/vex.service/{}", credential.trim());
        draft.note(format!(
            "`{}` is a credential of systemd: the path is that of a unit named vex.service",
            node.path()
        ));
        return Some(Secret(format!("(file){}", quoted(&path))));
    }
    let name = upper(name);
    draft.note(format!(
        "`{}` stands there in clear and is not copied: set the variable {name}, or write (file)\"PATH\"",
        node.path()
    ));
    Some(Secret(format!("(env){}", quoted(&name))))
}

/// The variable of an environment that is the whole word: `$NAME`, `${NAME}`.
fn variable(word: &str) -> Option<&str> {
    let name = match word.strip_prefix("${") {
        Some(rest) => rest.strip_suffix('}')?,
        None => match between(word, "<%= ENV[", "] %>") {
            Some(name) => name.trim_matches(['\'', '"']),
            // A password may begin with a dollar; names of variables are written in capitals.
            None => {
                word.strip_prefix('$').filter(|n| !n.contains(|c: char| c.is_ascii_lowercase()))?
            }
        },
    };
    // `${NAME:-default}`: the default may be the secret itself.
    let name = name.split(":-").next().unwrap_or(name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty()
        && name.chars().all(is_name)
        && !name.starts_with(|c: char| c.is_ascii_digit()))
    .then_some(name)
}

fn between<'a>(word: &'a str, before: &str, after: &str) -> Option<&'a str> {
    word.trim().strip_prefix(before)?.strip_suffix(after)
}

/// A name of a variable made of any text.
pub fn upper(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = text.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_references() {
        assert_eq!(variable("$PGPASSWORD"), Some("PGPASSWORD"));
        assert_eq!(variable("${DB_PW:-CANARY-default}"), Some("DB_PW"));
        assert_eq!(variable("<%= ENV['DB_PW'] %>"), Some("DB_PW"));
        // A password may begin with a dollar.
        assert_eq!(variable("$ecr3t!"), None);
        assert_eq!(variable("$ummer2024"), None);
        assert_eq!(variable("$1x"), None);
        assert_eq!(upper("9-shop.password"), "_9_SHOP_PASSWORD");
    }
}
