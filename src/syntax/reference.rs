//! Looks nodes up in the table, and prints it as the reference of the language.
//!
//! `vex schema` prints it, `schema/job.md` is that print, and a test holds the two together.

use serde_json::{Value, json};

use crate::syntax::kinds::kinds;
use crate::syntax::table::{Argument, Form, Kind};

/// All nodes that may stand within `parent`; `""` is the top level.
pub fn within(parent: &str) -> impl Iterator<Item = &'static Kind> {
    kinds().filter(
        move |k| {
            if k.within.is_empty() { parent.is_empty() } else { k.within.contains(&parent) }
        },
    )
}

/// The node called `name` within `parent`.
pub fn kind(parent: &str, name: &str) -> Option<&'static Kind> {
    within(parent).find(|k| k.name == name)
}

/// The reference of the language as Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# The job language\n\nGenerated from the table that decodes it: `vex schema > schema/job.md`. KDL v2. Every \
         field may be a property (`host=\"x\"`) or a child (`host \"x\"`), lists are a child with several arguments, \
         and every node of `sources`, `stores`, `job` and `notify` takes `enabled=#false`.\n",
    );
    for kind in kinds() {
        let inner: Vec<&str> = kind.within.iter().copied().filter(|w| !w.is_empty()).collect();
        let top = kind.within.len() > inner.len() || kind.within.is_empty();
        let mut place = if top { "top level".to_owned() } else { String::new() };
        if !inner.is_empty() {
            place += &format!("{}in `{}`", if top { ", " } else { "" }, inner.join("`, `"));
        }
        let argument = match kind.argument {
            Argument::None => String::new(),
            Argument::Name(true) => " [NAME]".into(),
            Argument::Name(false) => " NAME".into(),
            Argument::Names(what) => format!(" {what}…"),
            Argument::One(what) => format!(" {what}"),
        };
        out += &format!("\n## `{}{argument}` ({place})\n\n{}\n", kind.name, kind.doc);
        if kind.fields.is_empty() {
            continue;
        }
        out += "\n| field | form | default | |\n|---|---|---|---|\n";
        for field in kind.fields {
            let default = match (field.required, field.default) {
                (true, _) => "*required*".into(),
                (false, "") => String::new(),
                (false, text) if text.contains([' ', '\'', '`']) => text.to_owned(),
                (false, text) => format!("`{text}`"),
            };
            out += &format!(
                "| `{}` | {} | {default} | {} |\n",
                field.name,
                field.form.show(),
                field.doc
            );
        }
    }
    out
}

/// The same as one JSON document, version 1, for editors and programs.
pub fn reference_json() -> String {
    let nodes: Vec<Value> = kinds().map(described).collect();
    let document = json!({ "version": 1, "language": "KDL v2", "nodes": nodes });
    serde_json::to_string_pretty(&document).expect("BUG: a table that is not JSON")
}

fn described(kind: &Kind) -> Value {
    let (argument, what, required) = match kind.argument {
        Argument::None => ("none", None, false),
        Argument::Name(optional) => ("name", None, !optional),
        Argument::Names(what) => ("names", Some(what), true),
        Argument::One(what) => ("one", Some(what), true),
    };
    let fields: Vec<Value> = kind
        .fields
        .iter()
        .map(|field| {
            let mut described = json!({
                "name": field.name, "form": field.form.show(), "required": field.required, "doc": field.doc,
            });
            if !field.default.is_empty() {
                described["default"] = field.default.into();
            }
            if let Form::Choice(words) | Form::SwitchOr(words) = field.form {
                described["values"] = words.into();
            }
            described
        })
        .collect();
    json!({
        "name": kind.name,
        "within": if kind.within.is_empty() { &[""][..] } else { kind.within },
        "argument": { "form": argument, "of": what, "required": required },
        "doc": kind.doc,
        "fields": fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Text;
    use crate::syntax::read::read_one;

    /// A node with its parents around it.
    fn placed(kind: &Kind, body: &str) -> String {
        let name = |kind: &Kind| match kind.argument {
            Argument::None => "",
            Argument::Name(_) | Argument::Names(_) | Argument::One(_) => " \"a\"",
        };
        let mut text = body.to_owned();
        let mut parent = kind.within.iter().find(|w| !w.is_empty()).copied();
        while let Some(name_of) = parent {
            let kind = kinds().find(|k| k.name == name_of).expect("a kind");
            text = format!("{name_of}{} {{ {text} }}", name(kind));
            parent = kind.within.iter().find(|w| !w.is_empty()).copied();
        }
        text
    }

    /// An address in the place of a variable or a file is refused, and not repeated.
    fn no_reference(source: &str, address: &str) {
        for way in ["(env)", "(file)"] {
            let source = source.replace(address, &format!("{way}{address}"));
            let said = said(&source);
            let told = said.contains(&format!("`{way}` of"));
            assert!(told && !said.contains("CANARY"), "{source}\n{said}");
        }
    }

    /// All that `check` would say, and the lines it would show.
    fn said(source: &str) -> String {
        let text = Text::new("x.kdl", source);
        let reading = read_one(&text);
        let said: Vec<String> = reading
            .complaints
            .iter()
            .map(|c| {
                let labels: Vec<&str> = c.places().map(|(_, label)| label).collect();
                format!("{}\n{:?}\n{}\n", c.message, c.help, labels.join("\n"))
            })
            .collect();
        format!("{}{}", said.concat(), text.shown())
    }

    #[test]
    fn no_field_takes_or_repeats_an_address_with_a_password() {
        let address = "\"x://u:CANARY@h\"";
        for kind in kinds() {
            let argument = said(&placed(kind, &format!("{} {address}", kind.name)));
            assert!(!argument.contains("CANARY"), "{argument}");
            for field in kind.fields.iter().filter(|f| f.form != Form::Variables) {
                let source =
                    placed(kind, &format!("{} \"a\" {{ {} {address} }}", kind.name, field.name));
                let said = said(&source);
                assert!(!said.contains("CANARY"), "{source}\n{said}");
                let clear = format!("`{}` holds a user and a password or key", field.name);
                let other = matches!(field.form, Form::Secret) || field.name == "command";
                assert!(other || said.contains(&clear), "{source}\n{said}");
                if field.form == Form::Secret {
                    no_reference(&source, address);
                }
            }
        }
    }
}
