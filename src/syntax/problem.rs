//! The wording of every complaint about the form of a job file, in one place.
//!
//! Does not decide anything: the decoder calls one function per mistake. No function is given the text of a secret.

use std::path::Path;

use crate::base::{Complaint, Span, Spanned, suggest};
use crate::syntax::reference;
use crate::syntax::table::{Field, Kind};

/// A node nobody knows here.
pub fn unknown_node(name: &str, span: &Span, parent: &str) -> Complaint {
    let place = if parent.is_empty() { "at the top level".into() } else { format!("in `{parent}`") };
    let here: Vec<&str> = reference::within(parent).map(|k| k.name).chain(fields_of(parent)).collect();
    let complaint =
        Complaint::error("vex::node::unknown", format!("there is no `{name}` {place}")).label(span, "unknown");
    if let Some(near) = suggest(name, here.iter().copied()) {
        return complaint.help(format!("Did you mean `{near}`?"));
    }
    let elsewhere = crate::syntax::kinds::KINDS.iter().find(|k| k.name == name);
    match elsewhere.map(|k| k.within.join("` or `")) {
        Some(home) if !home.is_empty() => complaint.help(format!("`{name}` stands in `{home}`.")),
        Some(_) => complaint.help(format!("`{name}` stands at the top level.")),
        None => complaint.help(format!("Known here: {}.", here.join(", "))),
    }
}

fn fields_of(parent: &str) -> impl Iterator<Item = &'static str> {
    crate::syntax::kinds::KINDS.iter().filter(move |k| k.name == parent).flat_map(|k| k.fields).map(|f| f.name)
}

/// A node of a later version.
pub fn later(kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::node::later", format!("`{}` is not in this version yet", kind.name))
        .label(span, "a later version will do this")
        .help("Remove it, or set `enabled=#false` and keep it for later.")
}

/// A field the node does not have.
pub fn unknown_field(name: &str, span: &Span, kind: &Kind) -> Complaint {
    let known: Vec<&str> = kind.fields.iter().map(|f| f.name).collect();
    let inner: Vec<&str> = reference::within(kind.name).map(|k| k.name).collect();
    let complaint = Complaint::error("vex::field::unknown", format!("`{}` has no field `{name}`", kind.name))
        .label(span, "unknown field");
    match suggest(name, known.iter().chain(&inner).copied()) {
        Some(near) => complaint.help(format!("Did you mean `{near}`?")),
        None if inner.contains(&name) => {
            complaint.help(format!("`{name}` is a block: write `{name} …` inside the braces."))
        }
        None if known.is_empty() => complaint.help(format!("`{}` takes no fields.", kind.name)),
        None => complaint.help(format!("Known: {}.", known.join(", "))),
    }
}

/// A field given twice.
pub fn field_twice(name: &str, first: &Span, second: &Span) -> Complaint {
    Complaint::error("vex::field::twice", format!("`{name}` is given twice"))
        .label(second, "given again")
        .label(first, "given first")
        .help("Keep one of the two.")
}

/// A field that must be there.
pub fn field_missing(field: &Field, kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::field::missing", format!("`{}` needs `{}`", kind.name, field.name))
        .label(span, format!("`{}` is missing", field.name))
        .help(format!("{} Form: {}.", field.doc, field.form.show()))
}

/// A value of another form than the field has.
pub fn value_form(field: &str, wanted: &str, found: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::form", format!("`{field}` is not {found}")).label(span, format!("wanted: {wanted}"))
}

/// A switch written as KDL v1 or as a word.
pub fn switch_word(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::switch", format!("`{field}` is a switch"))
        .label(span, "a word is not a switch")
        .help("Write `#true` or `#false`.")
}

/// A word that is not one of the choices.
pub fn value_choice(field: &str, found: &str, words: &[&str], span: &Span) -> Complaint {
    let near = suggest(found, words.iter().copied());
    Complaint::error("vex::value::choice", format!("`{field}` can't be `{found}`"))
        .label(span, format!("one of: {}", words.join(", ")))
        .help_if(near.map(|n| format!("Did you mean `{n}`?")))
}

/// A number out of bounds.
pub fn value_bounds(field: &str, found: i128, low: i128, high: i128, span: &Span) -> Complaint {
    Complaint::error("vex::value::bounds", format!("`{field}` can't be {found}"))
        .label(span, format!("between {low} and {high}"))
}

/// No value, or too many.
pub fn value_count(field: &str, wanted: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::count", format!("`{field}` takes {wanted}")).label(span, "here")
}

/// A list as a property.
pub fn list_as_property(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::list", format!("`{field}` is a list"))
        .label(span, "a property holds one value only")
        .help(format!("Write it as a child: `{field} \"a\" \"b\"`."))
}

/// A secret in clear text; its bytes are masked.
pub fn secret_in_clear(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::secret::clear", format!("`{field}` is written in clear text"))
        .label(span, "a secret must not stand in a file")
        .help(format!(
            "Write where it is found: `{field} (env)\"NAME\"`, `(file)\"path\"` or `(command)\"prog\" \"arg\"`. If this \
             file was shared, change the secret."
        ))
}

/// An annotation nobody knows.
pub fn annotation(name: &str, field: &str, span: &Span) -> Complaint {
    let near = suggest(name, ["env", "file", "command"]);
    Complaint::error("vex::value::annotation", format!("`({name})` is not a way to find `{field}`"))
        .label(span, "known: (env), (file), (command)")
        .help_if(near.map(|n| format!("Did you mean `({n})`?")))
}

/// An annotation on a field that is no secret.
pub fn no_secret(field: &str, name: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::annotation", format!("`{field}` is no secret and can't be read by `({name})`"))
        .label(span, "write the value itself")
}

/// A name that can't be part of a key.
pub fn bad_name(name: &str, span: &Span) -> Complaint {
    Complaint::error("vex::name::form", format!("`{}` is not a name", name.escape_debug()))
        .label(span, "letters, digits, `-`, `_` and `.`; 1 to 64 characters, first a letter or digit")
        .help("Names become parts of keys and addresses.")
}

/// A node without the name it needs.
pub fn name_missing(kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::name::missing", format!("`{}` needs a name", kind.name))
        .label(span, format!("write `{} \"name\"`", kind.name))
}

/// A node without the names it needs.
pub fn names_missing(kind: &Kind, what: &str, span: &Span) -> Complaint {
    Complaint::error("vex::name::missing", format!("`{}` names no {}", kind.name, what.to_lowercase()))
        .label(span, format!("write `{} \"{}\"`", kind.name, what.to_lowercase()))
}

/// An argument too many.
pub fn argument_extra(kind: &Kind, span: &Span) -> Complaint {
    Complaint::error("vex::node::argument", format!("`{}` takes no such argument", kind.name)).label(span, "not taken")
}

/// A name given to two things.
pub fn name_twice(what: &str, first: &Spanned<String>, second: &Spanned<String>) -> Complaint {
    Complaint::error("vex::name::twice", format!("two {what}s are called `{}`", first.value))
        .label(&second.span, "called so again")
        .label(&first.span, "called so first")
        .help("Rename one of the two.")
}

/// A pattern that can't be read.
pub fn bad_glob(text: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::glob", format!("`{}` is not a pattern", text.escape_debug()))
        .label(span, "a `[` without `]`, or a `\\` at the end")
}

/// A schedule that can't be read, or whose day never comes.
pub fn bad_schedule(why: &str, span: &Span) -> Complaint {
    Complaint::error("vex::schedule::impossible", format!("the schedule can't be met: {}", why.trim_end_matches('.')))
        .label(span, "minute hour day month weekday")
}

/// A zone nobody knows.
pub fn bad_zone(name: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::zone", format!("`{}` is not a time zone", name.escape_debug()))
        .label(span, "wanted: a name such as `America/Porto_Velho`")
}

/// A template of keys that lets two artifacts meet.
pub fn bad_key(why: &str, span: &Span) -> Complaint {
    Complaint::error("vex::key::template", format!("the key template {why}"))
        .label(span, "parts: {prefix} {job} {source} {name}")
        .help("`{name}` must be the last part; without `{job}` and `{source}` only one chain may use the store.")
}

/// A file that can't be spliced.
pub fn include_failed(path: &Path, why: &str, span: &Span) -> Complaint {
    Complaint::error("vex::include::unreadable", format!("unable to read {}: {why}", path.display()))
        .label(span, "included here")
}

/// A file that includes itself.
pub fn include_cycle(path: &Path, span: &Span) -> Complaint {
    Complaint::error("vex::include::cycle", format!("{} includes itself", path.display()))
        .label(span, "included again here")
}

/// Weak protection of a connection.
pub fn weak_tls(mode: &str, span: &Span) -> Complaint {
    Complaint::warning("vex::tls::weak", format!("`tls \"{mode}\"` does not check who answers"))
        .label(span, "weaker than verify-full")
        .help("Name the server's authority with `ca=` and leave `tls` out.")
}

/// Fields that contradict each other.
pub fn conflict(message: &str, first: &Span, second: Option<&Span>, help: &str) -> Complaint {
    let complaint = Complaint::error("vex::field::conflict", message).label(first, "this");
    match second {
        Some(second) => complaint.label(second, "and this").help(help),
        None => complaint.help(help),
    }
}

/// A policy without a rule.
pub fn empty_keep(span: &Span) -> Complaint {
    Complaint::error("vex::keep::empty", "`keep` has no rule")
        .label(span, "keeps nothing")
        .help("Say what to keep, such as `keep daily=7 weekly=4`.")
}
