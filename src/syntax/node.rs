//! A cursor over one KDL node: its arguments, its fields in either form, its blocks; all mistakes are collected.
//!
//! Knows the table, not the meaning of any node. Invariant: every entry and every child of a node is either taken or
//! complained about; nothing the user wrote is passed over in silence.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kdl::{KdlEntry, KdlNode};

use crate::base::{Complaint, Glob, SecretRef, Span, Spanned, Text};
use crate::job::Schedule;
use crate::syntax::problem;
use crate::syntax::reference;
use crate::syntax::table::{Argument, Form, Kind};
use crate::syntax::value::{self, Value};

/// A decoded node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name, where its kind has one.
    pub name: Option<Spanned<String>>,
    /// The names it lists.
    pub names: Vec<Spanned<String>>,
    /// Its name in the file (without fields and children).
    pub span: Span,
    /// Its blocks.
    pub blocks: Vec<(&'static Kind, KdlNode)>,
    /// Variables, of a field of that form.
    pub variables: Vec<(Spanned<String>, Variable)>,
    fields: BTreeMap<&'static str, Spanned<Value>>,
}

/// The value of a variable.
#[derive(Debug, Clone)]
pub enum Variable {
    /// As written.
    Plain(String),
    /// By reference.
    Secret(SecretRef),
}

/// The span of a node's own name.
pub fn name_span(text: &Arc<Text>, node: &KdlNode) -> Span {
    let span = node.name().span();
    Span::new(text, span.offset(), span.len())
}

/// Whether the word suggests a secret, so that its value must not be shown even when nobody knows the field.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "pwd", "secret", "token", "senha", "credential", "access-key", "access_key", "apikey", "api-key"]
        .iter()
        .any(|word| name.contains(word))
        || crate::base::suggest(&name, ["password", "secret-key", "access-key", "session-token"]).is_some()
}

impl Node {
    /// Decodes `node` as `kind`. Required fields are asked for later, since defaults may hold them.
    pub fn decode(text: &Arc<Text>, node: &KdlNode, kind: &'static Kind, complaints: &mut Vec<Complaint>) -> Node {
        let mut decoded = Node {
            kind,
            name: None,
            names: Vec::new(),
            span: name_span(text, node),
            blocks: Vec::new(),
            variables: Vec::new(),
            fields: BTreeMap::new(),
        };
        for entry in node.entries() {
            match entry.name() {
                Some(name) => decoded.property(text, name.value(), entry, complaints),
                None => decoded.argument(text, entry, complaints),
            }
        }
        decoded.expect_arguments(complaints);
        for child in node.iter_children() {
            decoded.child(text, child, complaints);
        }
        decoded
    }

    fn argument(&mut self, text: &Arc<Text>, entry: &KdlEntry, complaints: &mut Vec<Complaint>) {
        let span = value::value_span(text, entry);
        let Some(word) = entry.value().as_string() else {
            complaints.push(problem::argument_extra(self.kind, &span));
            return;
        };
        let word = Spanned::new(word.to_owned(), span.clone());
        match self.kind.argument {
            Argument::Name(_) if self.name.is_none() => {
                if !is_name(&word.value) {
                    complaints.push(problem::bad_name(&word.value, &span));
                }
                self.name = Some(word);
            }
            Argument::One(_) if self.name.is_none() => self.name = Some(word),
            Argument::Names(_) => match self.names.iter().find(|n| n.value == word.value) {
                Some(first) => complaints.push(problem::field_twice(&word.value, &first.span, &span)),
                None => self.names.push(word),
            },
            Argument::None | Argument::Name(_) | Argument::One(_) => {
                if sounds_secret(self.kind.name) {
                    text.mask(span.range());
                }
                complaints.push(problem::argument_extra(self.kind, &span));
            }
        }
    }

    fn expect_arguments(&self, complaints: &mut Vec<Complaint>) {
        match self.kind.argument {
            Argument::Name(false) if self.name.is_none() => {
                complaints.push(problem::name_missing(self.kind, &self.span))
            }
            Argument::One(what) if self.name.is_none() => {
                complaints.push(problem::names_missing(self.kind, what, &self.span));
            }
            Argument::Names(what) if self.names.is_empty() => {
                complaints.push(problem::names_missing(self.kind, what, &self.span));
            }
            Argument::None | Argument::Name(_) | Argument::One(_) | Argument::Names(_) => {}
        }
    }

    fn property(&mut self, text: &Arc<Text>, name: &str, entry: &KdlEntry, complaints: &mut Vec<Complaint>) {
        let span = entry
            .name()
            .map_or_else(|| value::value_span(text, entry), |n| Span::new(text, n.span().offset(), n.span().len()));
        let Some(field) = self.kind.field(name) else {
            if sounds_secret(name) {
                text.mask(value::value_span(text, entry).range());
            }
            if self.kind.ready {
                complaints.push(problem::unknown_field(name, &span, self.kind));
            }
            return;
        };
        // One word is a list of one; only a real list needs a child.
        if field.form == Form::Variables {
            complaints.push(problem::list_as_property(name, &span));
            return;
        }
        let value = value::read(text, name, field.form, &[entry], &span, complaints);
        self.insert(field.name, value, span, complaints);
    }

    fn child(&mut self, text: &Arc<Text>, child: &KdlNode, complaints: &mut Vec<Complaint>) {
        let (name, span) = (child.name().value(), name_span(text, child));
        if let Some(field) = self.kind.field(name) {
            if field.form == Form::Variables {
                self.read_variables(text, child, complaints);
                return;
            }
            let entries: Vec<&KdlEntry> = child.entries().iter().filter(|e| e.name().is_none()).collect();
            for extra in child.entries().iter().filter(|e| e.name().is_some()) {
                let place = value::value_span(text, extra);
                if sounds_secret(name) || extra.name().is_some_and(|n| sounds_secret(n.value())) {
                    text.mask(place.range());
                }
                complaints.push(problem::value_count(name, "values, not properties", &place));
            }
            if let Some(first) = child.iter_children().next() {
                complaints.push(problem::value_count(name, "values, not a block", &name_span(text, first)));
            }
            let value = value::read(text, name, field.form, &entries, &span, complaints);
            self.insert(field.name, value, span, complaints);
            return;
        }
        match reference::kind(self.kind.name, name) {
            Some(kind) => self.blocks.push((kind, child.clone())),
            None => {
                if sounds_secret(name) {
                    for entry in child.entries() {
                        text.mask(value::value_span(text, entry).range());
                    }
                }
                if !self.kind.ready {
                    return;
                }
                let has_blocks = reference::within(self.kind.name).next().is_some();
                complaints.push(match has_blocks {
                    true => problem::unknown_node(name, &span, self.kind.name),
                    false => problem::unknown_field(name, &span, self.kind),
                });
            }
        }
    }

    /// `env NAME="value" OTHER=(file)"x"`, or the same as children.
    fn read_variables(&mut self, text: &Arc<Text>, node: &KdlNode, complaints: &mut Vec<Complaint>) {
        let mut take = |name: Spanned<String>, entries: &[&KdlEntry], complaints: &mut Vec<Complaint>| {
            let plain = entries.len() == 1 && entries[0].ty().is_none();
            if !plain {
                let secret = value::secret(text, &name.value, entries, &name.span, complaints);
                self.variables.extend(secret.map(|s| (name, Variable::Secret(s))));
            } else if sounds_secret(&name.value) {
                text.mask(value::value_span(text, entries[0]).range());
                complaints.push(problem::secret_in_clear(&name.value, &value::value_span(text, entries[0])));
            } else if let Some(word) = entries[0].value().as_string() {
                self.variables.push((name, Variable::Plain(word.to_owned())));
            } else {
                let span = value::value_span(text, entries[0]);
                complaints.push(problem::value_form(&name.value, "a text", "that", &span));
            }
        };
        for entry in node.entries() {
            match entry.name() {
                Some(n) => {
                    let span = Span::new(text, n.span().offset(), n.span().len());
                    take(Spanned::new(n.value().to_owned(), span), &[entry], complaints);
                }
                None => complaints.push(problem::value_count(
                    "env",
                    "variables: `env NAME=\"value\"`",
                    &value::value_span(text, entry),
                )),
            }
        }
        for child in node.iter_children() {
            let entries: Vec<&KdlEntry> = child.entries().iter().collect();
            take(Spanned::new(child.name().value().to_owned(), name_span(text, child)), &entries, complaints);
        }
    }

    fn insert(&mut self, name: &'static str, value: Option<Value>, span: Span, complaints: &mut Vec<Complaint>) {
        if let Some(first) = self.fields.get(name) {
            complaints.push(problem::field_twice(name, &first.span, &span));
        } else if let Some(value) = value {
            self.fields.insert(name, Spanned::new(value, span));
        } else {
            // Complained about already; a second complaint that it is missing would be noise.
            self.fields.insert(name, Spanned::new(Value::List(Vec::new()), span));
        }
    }

    /// Takes from `defaults` what is not given here.
    pub fn inherit(&mut self, defaults: &Node) {
        for (name, value) in &defaults.fields {
            self.fields.entry(name).or_insert_with(|| value.clone());
        }
    }

    /// Complains about required fields that neither it nor its defaults hold.
    pub fn require(&self, complaints: &mut Vec<Complaint>) {
        for field in self.kind.fields.iter().filter(|f| f.required && !self.fields.contains_key(f.name)) {
            complaints.push(problem::field_missing(field, self.kind, &self.span));
        }
    }

    /// Where a field was given.
    pub fn place(&self, name: &str) -> Option<&Span> {
        self.fields.get(name).map(|f| &f.span)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// A text with its place.
    pub fn word(&self, name: &str) -> Option<Spanned<String>> {
        Some(Spanned::new(self.text(name)?, self.place(name)?.clone()))
    }

    /// A path, joined to the folder of its file.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A number.
    pub fn number<T: TryFrom<i128>>(&self, name: &str) -> Option<T> {
        match self.value(name) {
            Some(Value::Number(n)) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A switch.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(Value::Switch(b)) => Some(*b),
            _ => None,
        }
    }

    /// A size.
    pub fn size(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Size(n)) => Some(*n),
            _ => None,
        }
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.value(name) {
            Some(Value::Duration(d)) => Some(*d),
            _ => None,
        }
    }

    /// A reference to a secret.
    pub fn secret(&self, name: &str) -> Option<SecretRef> {
        match self.value(name) {
            Some(Value::Secret(s)) => Some(s.clone()),
            _ => None,
        }
    }

    /// A list of texts.
    pub fn list(&self, name: &str) -> Vec<Spanned<String>> {
        match self.value(name) {
            Some(Value::List(words)) => words.clone(),
            _ => Vec::new(),
        }
    }

    /// A list of patterns.
    pub fn globs(&self, name: &str) -> Vec<Glob> {
        match self.value(name) {
            Some(Value::Globs(globs)) => globs.clone(),
            _ => Vec::new(),
        }
    }

    /// A schedule.
    pub fn schedule(&self, name: &str) -> Option<Schedule> {
        match self.value(name) {
            Some(Value::Schedule(schedule)) => Some(schedule.clone()),
            _ => None,
        }
    }

    /// Whether it takes part.
    pub fn enabled(&self) -> bool {
        self.switch("enabled").unwrap_or(true)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).map(|f| &f.value)
    }
}

/// A name that may become part of a key and of an address.
pub fn is_name(word: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&word.len()) && word.bytes().all(ok) && word.as_bytes()[0].is_ascii_alphanumeric()
}
