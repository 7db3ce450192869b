//! A cursor over one KDL node: its arguments, its fields in either form, its blocks; all mistakes
//! are collected.
//!
//! Knows the table, not the meaning of any node. Invariant: every entry and every child of a node
//! is either taken or complained about; nothing the user wrote is passed over in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use kdl::{KdlEntry, KdlNode};

use crate::base::{Complaint, SecretRef, Span, Spanned, Text, show_address};
use crate::syntax::fault;
use crate::syntax::mask::is_secret;
use crate::syntax::problem;
use crate::syntax::reference;
use crate::syntax::table::{Argument, Form, Kind};
use crate::syntax::value::{self, Value, value_span};

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
    pub blocks: Vec<Block>,
    /// Variables, of a field of that form.
    pub variables: Vec<(Spanned<String>, Variable)>,
    /// Its fields.
    pub(super) fields: BTreeMap<&'static str, Given>,
}

/// A block inside a node, not yet decoded.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its kind.
    pub kind: &'static Kind,
    /// The block.
    pub raw: KdlNode,
    /// The file it stands in, which may be another than that of a node that inherits it.
    pub text: Arc<Text>,
}

/// A field as given; without value if it was complained about.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// What was given.
    pub value: Option<Value>,
    /// Where its name stands.
    pub name: Span,
    /// Where its value stands.
    pub at: Span,
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

/// The span of an annotation, parentheses included.
fn annotation_span(text: &Arc<Text>, name: &kdl::KdlIdentifier) -> Span {
    let span = name.span();
    Span::new(text, span.offset(), span.len())
}

impl Node {
    /// Decodes `node` as `kind`. Required fields are asked for later, since defaults may hold them.
    pub fn decode(
        text: &Arc<Text>,
        node: &KdlNode,
        kind: &'static Kind,
        complaints: &mut Vec<Complaint>,
    ) -> Node {
        let mut decoded = Node {
            kind,
            name: None,
            names: Vec::new(),
            span: name_span(text, node),
            blocks: Vec::new(),
            variables: Vec::new(),
            fields: BTreeMap::new(),
        };
        if let Some(annotation) = node.ty() {
            complaints.push(fault::node_annotation(
                kind.name,
                false,
                &annotation_span(text, annotation),
            ));
        }
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
        let span = value_span(text, entry);
        if let Some(annotation) = entry.ty()
            && !matches!(self.kind.argument, Argument::One(_))
        {
            let place = annotation_span(text, annotation);
            complaints.push(fault::no_secret(self.kind.name, annotation.value(), &place));
        }
        let Some(word) = entry.value().as_string() else {
            complaints.push(problem::argument_extra(self.kind, &span));
            return;
        };
        // An address in the place of a name may hold a password, and names are repeated.
        let word = Spanned::new(show_address(word), span.clone());
        match self.kind.argument {
            Argument::Name(_) if self.name.is_none() => {
                if !is_name(&word.value) {
                    complaints.push(problem::bad_name(&word.value, &span));
                }
                self.name = Some(word);
            }
            Argument::One(_) if self.name.is_none() => self.name = Some(word),
            Argument::Names(_) => match self.names.iter().find(|n| n.value == word.value) {
                Some(first) => {
                    complaints.push(problem::field_twice(&word.value, &first.span, &span))
                }
                None => self.names.push(word),
            },
            Argument::None | Argument::Name(_) | Argument::One(_) => {
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

    fn property(
        &mut self,
        text: &Arc<Text>,
        name: &str,
        entry: &KdlEntry,
        complaints: &mut Vec<Complaint>,
    ) {
        let span = entry.name().map_or_else(
            || value_span(text, entry),
            |n| Span::new(text, n.span().offset(), n.span().len()),
        );
        let Some(field) = self.kind.field(name) else {
            complaints.push(problem::unknown_field(name, &span, self.kind));
            return;
        };
        // One word is a list of one; only a real list needs a child.
        if field.form == Form::Variables {
            complaints.push(fault::list_as_property(name, &span));
            return;
        }
        let value = value::read(text, name, field.form, &[entry], &span, complaints);
        self.insert(
            field.name,
            Given { value, name: span, at: value_span(text, entry) },
            complaints,
        );
    }

    fn child(&mut self, text: &Arc<Text>, child: &KdlNode, complaints: &mut Vec<Complaint>) {
        let (name, span) = (child.name().value(), name_span(text, child));
        let block = reference::kind(self.kind.name, name);
        // A field that is a block as well is one value, and nothing else.
        let is_block = child.children().is_some()
            || child.entries().is_empty()
            || child.entries().iter().any(|e| e.name().is_some());
        if let Some(field) = self.kind.field(name).filter(|_| block.is_none() || !is_block) {
            if field.form == Form::Variables {
                self.read_variables(text, child, complaints);
                return;
            }
            let given = self.child_value(text, child, field.form, complaints);
            self.insert(field.name, given, complaints);
            return;
        }
        match block {
            Some(kind) => self.blocks.push(Block { kind, raw: child.clone(), text: text.clone() }),
            None if reference::within(self.kind.name).next().is_some() => {
                complaints.push(problem::unknown_node(name, &span, self.kind.name));
            }
            None => complaints.push(problem::unknown_field(name, &span, self.kind)),
        }
    }

    /// A field as a child: `host "x"`.
    fn child_value(
        &self,
        text: &Arc<Text>,
        child: &KdlNode,
        form: Form,
        complaints: &mut Vec<Complaint>,
    ) -> Given {
        let (name, span) = (child.name().value(), name_span(text, child));
        let (named, entries): (Vec<&KdlEntry>, Vec<&KdlEntry>) =
            child.entries().iter().partition(|e| e.name().is_some());
        let at = entries.first().map_or_else(|| span.clone(), |e| value_span(text, e));
        let before = complaints.len();
        if let Some(annotation) = child.ty() {
            let secret = form == Form::Secret;
            complaints.push(fault::node_annotation(
                name,
                secret,
                &annotation_span(text, annotation),
            ));
        }
        for extra in named {
            let whole = Span::new(text, extra.span().offset(), extra.span().len());
            complaints.push(fault::only_values(name, "properties", &whole));
        }
        if let Some(first) = child.iter_children().next() {
            complaints.push(fault::only_values(name, "a block", &name_span(text, first)));
        }
        // One complaint is enough about a value that is somewhere else.
        let told = complaints.len() > before;
        let mut own = Vec::new();
        let value = value::read(text, name, form, &entries, &span, &mut own);
        if !told {
            complaints.append(&mut own);
        }
        Given { value, name: span, at }
    }

    /// `env NAME="value" OTHER=(file)"x"`, or the same as children.
    fn read_variables(
        &mut self,
        text: &Arc<Text>,
        node: &KdlNode,
        complaints: &mut Vec<Complaint>,
    ) {
        for entry in node.entries() {
            match entry.name() {
                Some(n) => {
                    let span = Span::new(text, n.span().offset(), n.span().len());
                    self.variable(
                        text,
                        Spanned::new(n.value().to_owned(), span),
                        &[entry],
                        complaints,
                    );
                }
                None => complaints.push(fault::only_variables(&value_span(text, entry))),
            }
        }
        for child in node.iter_children() {
            let entries: Vec<&KdlEntry> = child.entries().iter().collect();
            let name = Spanned::new(child.name().value().to_owned(), name_span(text, child));
            self.variable(text, name, &entries, complaints);
        }
    }

    fn variable(
        &mut self,
        text: &Arc<Text>,
        name: Spanned<String>,
        entries: &[&KdlEntry],
        complaints: &mut Vec<Complaint>,
    ) {
        if let Some((first, _)) = self.variables.iter().find(|(n, _)| n.value == name.value) {
            complaints.push(problem::field_twice(&name.value, &first.span, &name.span));
            return;
        }
        let span = entries.first().map_or_else(|| name.span.clone(), |e| value_span(text, e));
        let variable = match entries {
            [first, ..] if first.ty().is_some() => {
                value::secret(text, &name.value, entries, &name.span, complaints)
                    .map(Variable::Secret)
            }
            [_] if is_secret(&name.value) => {
                text.mask(span.range());
                complaints.push(fault::secret_in_clear(&name.value, false, &span));
                None
            }
            _ => value::read(text, &name.value, Form::Text, entries, &name.span, complaints)
                .and_then(|v| match v {
                    Value::Text(word) => Some(Variable::Plain(word)),
                    _ => None,
                }),
        };
        self.variables.extend(variable.map(|v| (name, v)));
    }

    fn insert(&mut self, name: &'static str, given: Given, complaints: &mut Vec<Complaint>) {
        match self.fields.get(name) {
            Some(first) => complaints.push(problem::field_twice(name, &first.name, &given.name)),
            None => {
                self.fields.insert(name, given);
            }
        }
    }
}

/// A name that may become part of a key and of an address.
pub fn is_name(word: &str) -> bool {
    let ok = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&word.chars().count())
        // A file name has 255 bytes at most, and a name is only a part of some.
        && word.len() <= 200
        && word.chars().all(ok)
        && word.starts_with(char::is_alphanumeric)
}
