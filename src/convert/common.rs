//! What all converters do alike: fields of servers, globs of exact names, words that hold variables.

use crate::convert::draft::{Block, Draft, Source, quoted};
use crate::convert::secret::secret;
use crate::convert::tree::Node;

/// How a program names the fields of a server.
pub struct Words {
    /// Host.
    pub host: &'static str,
    /// User.
    pub user: &'static str,
}

/// The fields of a server: address, user, password. `name` makes the variable of a password that
/// stands in clear.
pub fn server(at: &Node, words: &Words, name: &str, draft: &mut Draft) -> Vec<Block> {
    let mut fields = Vec::new();
    match (at.text("socket"), plain(at, words.host, draft)) {
        (Some(socket), _) => fields.push(Block::line(format!("socket {}", quoted(socket)))),
        // The libraries of clients take a folder for a host.
        (None, Some(host)) if host.starts_with('/') => {
            fields.push(Block::line(format!("socket {}", quoted(&host))));
        }
        (None, Some(host)) => fields.push(Block::line(format!("host {}", quoted(&host)))),
        (None, None) => {}
    }
    if let Some(port) = number(at, "port", draft) {
        fields.push(Block::line(format!("port {port}")));
    }
    if let Some(user) = plain(at, words.user, draft) {
        fields.push(Block::line(format!("user {}", quoted(&user))));
    }
    if let Some(place) =
        at.get("password").and_then(|node| secret(&node, &format!("{name}_PASSWORD"), draft))
    {
        fields.push(Block::line(format!("password {}", place.0)));
    }
    fields
}

/// A SQLite file.
pub fn sqlite(name: &str, path: &str) -> Source {
    let fields = vec![Block::line(format!("path {}", quoted(path)))];
    Source {
        of: String::new(),
        kind: "sqlite",
        name: name.to_owned(),
        fields,
        all: true,
        lists: Vec::new(),
    }
}

/// A word that is no secret; what holds a variable is noted, since nothing fills it in.
pub fn plain(at: &Node, name: &str, draft: &mut Draft) -> Option<String> {
    let word = at.text(name)?;
    if word.contains("${") || word.contains("<%") || word.starts_with('$') {
        draft.note(format!("`{}.{name}` holds a variable: write what it stands for", at.path()));
    }
    Some(word.to_owned())
}

/// A number.
pub fn number(at: &Node, name: &str, draft: &mut Draft) -> Option<u64> {
    let word = at.text(name)?;
    let number = word.trim().parse().ok();
    if number.is_none() {
        draft.note(format!("`{}.{name}` is no number", at.path()));
    }
    number
}

/// A glob that fits one name only.
pub fn exact(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if ['*', '?', '[', '\\'].contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a word means yes.
pub fn is_yes(word: Option<&str>) -> bool {
    matches!(word, Some("true" | "yes" | "on" | "1"))
}

/// The rule of a store: `keep last=3 daily=7`.
pub fn keep(rules: &[String]) -> Vec<Block> {
    match rules {
        [] => Vec::new(),
        rules => vec![Block::line(format!("keep {}", rules.join(" ")))],
    }
}
