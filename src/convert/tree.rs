//! A configuration as it was read: maps, lists and words, and which of them were looked at.
//!
//! Does not know which program it belongs to. Invariant: what no converter took is named by
//! [`Tree::rest`], so that nothing is left out in silence.

use std::cell::RefCell;
use std::collections::BTreeSet;

use yaml_rust2::{Yaml, YamlLoader};

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// A word: texts, numbers and truth values as they are written.
    Word(String),
    /// One after the other.
    List(Vec<Value>),
    /// By name.
    Map(Vec<(String, Value)>),
}

/// A whole configuration.
pub struct Tree {
    root: Value,
    seen: RefCell<Seen>,
}

/// The paths that were looked at.
#[derive(Default)]
struct Seen {
    entered: BTreeSet<String>,
    /// Those of which the whole is dealt with.
    whole: BTreeSet<String>,
}

/// A place in it.
#[derive(Clone)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
    seen: &'a RefCell<Seen>,
}

impl Tree {
    /// Reads YAML; the `Err` is why it is none.
    pub fn yaml(text: &str) -> Result<Tree, String> {
        let documents = YamlLoader::load_from_str(text).map_err(|e| e.to_string())?;
        match documents.as_slice() {
            [] => Ok(Tree::new(Value::Empty)),
            [one] => Ok(Tree::new(value(one))),
            more => Err(format!("{} documents are in it, and one is read", more.len())),
        }
    }

    /// Reads sections of `name = value`; what stands before the first section is the top level.
    pub fn ini(text: &str) -> Result<Tree, String> {
        let (mut top, mut sections) = (Vec::new(), Vec::<(String, Value)>::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']');
                let name = name.ok_or_else(|| format!("line {number}: a section without `]`"))?;
                sections.push((name.trim().to_owned(), Value::Map(Vec::new())));
                continue;
            }
            let (name, word) = line.split_once('=').unwrap_or((line, ""));
            let entry = (name.trim().to_owned(), word_of(word));
            match sections.last_mut() {
                Some((_, Value::Map(entries))) => entries.push(entry),
                _ => top.push(entry),
            }
        }
        top.extend(sections);
        Ok(Tree::new(Value::Map(top)))
    }

    fn new(root: Value) -> Tree {
        Tree { root, seen: RefCell::default() }
    }

    /// The top level.
    pub fn root(&self) -> Node<'_> {
        Node { value: &self.root, path: String::new(), seen: &self.seen }
    }

    /// The names of its sections.
    pub fn sections(&self) -> Vec<&str> {
        match &self.root {
            Value::Map(entries) => entries
                .iter()
                .filter(|(_, value)| matches!(value, Value::Map(_)))
                .map(|(name, _)| name.as_str())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The places that nobody looked at, by their path.
    pub fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        self.unseen(&self.root, "", &mut rest);
        rest
    }

    fn unseen(&self, value: &Value, path: &str, rest: &mut Vec<String>) {
        let (is_settled, is_entered) = {
            let seen = self.seen.borrow();
            (seen.whole.contains(path), seen.entered.contains(path))
        };
        // What is empty says nothing that could be lost.
        if is_settled || value.is_empty() {
            return;
        }
        if !path.is_empty() && !is_entered {
            rest.push(path.to_owned());
            return;
        }
        match value {
            Value::Map(entries) => {
                entries
                    .iter()
                    .for_each(|(name, value)| self.unseen(value, &join(path, name), rest));
            }
            Value::List(values) => {
                for (number, value) in values.iter().enumerate() {
                    self.unseen(value, &join(path, &number.to_string()), rest);
                }
            }
            Value::Word(_) | Value::Empty => {}
        }
    }
}

impl Value {
    fn is_empty(&self) -> bool {
        match self {
            Value::Empty => true,
            Value::Word(word) => word.is_empty(),
            Value::List(values) => values.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }
}

impl<'a> Node<'a> {
    /// Its path: `databases.shop.host`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last word of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// What stands below it under a name.
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        let Value::Map(entries) = self.value else { return None };
        // Of a name that stands twice, the last one counts, as in the programs that read it.
        let (_, value) = entries.iter().rev().find(|(key, _)| key == name)?;
        (!value.is_empty()).then(|| self.inner(value, name))
    }

    /// All that stands below it.
    pub fn entries(&self) -> Vec<Node<'a>> {
        match self.value {
            Value::Map(entries) => {
                entries.iter().map(|(name, value)| self.inner(value, name)).collect()
            }
            Value::List(values) => (0..)
                .zip(values)
                .map(|(number, value): (usize, _)| self.inner(value, &number.to_string()))
                .collect(),
            Value::Word(_) => vec![self.clone()],
            Value::Empty => Vec::new(),
        }
    }

    /// Its word, where it is one.
    pub fn word(&self) -> Option<&'a str> {
        match self.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The word below it under a name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.word()
    }

    /// The words below it under a name: of a list, or the only one.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        let entries = self.get(name).map(|node| node.entries()).unwrap_or_default();
        entries.iter().filter_map(Node::word).collect()
    }

    /// The names of what stands below it, which are not looked at by that.
    pub fn names(&self) -> Vec<&'a str> {
        match self.value {
            Value::Map(entries) => entries.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// Says that nothing below it needs to be named any more.
    pub fn settle(&self) {
        self.seen.borrow_mut().whole.insert(self.path.clone());
    }

    /// Whether it is a list or a map.
    pub fn is_block(&self) -> bool {
        matches!(self.value, Value::List(_) | Value::Map(_))
    }

    fn inner(&self, value: &'a Value, name: &str) -> Node<'a> {
        let path = join(&self.path, name);
        self.seen.borrow_mut().entered.insert(path.clone());
        Node { value, path, seen: self.seen }
    }
}

fn join(path: &str, name: &str) -> String {
    // It is shown in a comment of one line.
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn word_of(text: &str) -> Value {
    let text = text.trim();
    let inner = ['"', '\''].iter().find_map(|mark| {
        let inner = text.strip_prefix(*mark)?.strip_suffix(*mark)?;
        Some(inner)
    });
    Value::Word(inner.unwrap_or(text).to_owned())
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) | Yaml::String(text) => Value::Word(text.clone()),
        Yaml::Integer(number) => Value::Word(number.to_string()),
        Yaml::Boolean(truth) => Value::Word(truth.to_string()),
        Yaml::Array(values) => Value::List(values.iter().map(value).collect()),
        Yaml::Hash(entries) => {
            let entry = |(name, inner): (&Yaml, &Yaml)| match value(name) {
                Value::Word(name) => Some((name, value(inner))),
                _ => None,
            };
            Value::Map(entries.iter().filter_map(entry).collect())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_took_is_named() {
        let tree = Tree::yaml("a: 1\nb:\n  c: x\n  d: [1, 2]\ne: ''\nf: {g: h}\n").unwrap();
        let root = tree.root();
        assert_eq!(root.text("a"), Some("1"));
        assert_eq!(root.get("b").unwrap().text("c"), Some("x"));
        assert_eq!(tree.rest(), ["b.d", "f"]);
    }

    #[test]
    fn sections_of_names_and_values() {
        let tree = Tree::ini("# c\nhost = 'h'\n\n[db one]\nuser=u\nflag\n").unwrap();
        let root = tree.root();
        assert_eq!(root.text("host"), Some("h"));
        assert_eq!(root.get("db one").unwrap().text("user"), Some("u"));
        assert!(Tree::ini("[open\n").is_err());
    }
}
