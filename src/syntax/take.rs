//! What a decoded node holds, by name and type, with the defaults of its kind.
//!
//! Knows fields by the names that the table gives them; a field that was complained about reads as
//! not given.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Complaint, Glob, SecretRef, Span, Spanned};
use crate::job::Schedule;
use crate::syntax::node::Node;
use crate::syntax::problem;
use crate::syntax::value::Value;

impl Node {
    /// Takes from `defaults` what is not given here.
    pub fn inherit(&mut self, defaults: &Node) {
        for (name, value) in &defaults.fields {
            self.fields.entry(name).or_insert_with(|| value.clone());
        }
        let own: Vec<&str> = self.blocks.iter().map(|b| b.kind.name).collect();
        self.blocks.extend(defaults.blocks.iter().filter(|b| !own.contains(&b.kind.name)).cloned());
    }

    /// Complains about required fields that neither it nor its defaults hold.
    pub fn require(&self, complaints: &mut Vec<Complaint>) {
        for field in
            self.kind.fields.iter().filter(|f| f.required && !self.fields.contains_key(f.name))
        {
            complaints.push(problem::field_missing(field, self.kind, &self.span));
        }
    }

    /// Where the value of a field stands.
    pub fn place(&self, name: &str) -> Option<&Span> {
        self.fields.get(name).map(|f| &f.at)
    }

    /// Where the name of a field stands.
    pub fn label(&self, name: &str) -> Option<&Span> {
        self.fields.get(name).map(|f| &f.name)
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
            Some(Value::Schedule(schedule)) => Some(schedule.as_ref().clone()),
            _ => None,
        }
    }

    /// Whether it takes part.
    pub fn enabled(&self) -> bool {
        self.switch("enabled").unwrap_or(true)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).and_then(|f| f.value.as_ref())
    }
}
