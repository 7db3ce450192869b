//! The wording of every complaint about a value, in one place; `problem.rs` has those about nodes,
//! names and files.
//!
//! Does not decide anything. No function is given the text of a secret.

use crate::base::{Complaint, Span, suggest};
use crate::syntax::table::Form;

/// A private key of age where a public one is wanted.
pub fn private_key(span: &Span) -> Complaint {
    Complaint::error(
        "vex::secret::clear",
        "a private key of age stands where a recipient is wanted",
    )
    .label(span, "it opens every archive that is sealed for it")
    .help("Write its public key, as `age-keygen -y` prints it, and treat this one as lost.")
}

/// The ways to find a secret.
pub const WAYS: [&str; 4] = ["env", "file", "command", "credential"];

/// A value of another form than the field has.
pub fn form(field: &str, wanted: &str, found: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::form", format!("`{field}` can't be {found}"))
        .label(span, format!("wanted: {wanted}"))
        .help_if(form_help(wanted, found))
}

fn form_help(wanted: &str, found: &str) -> Option<String> {
    let help = match found {
        "`#null`" => "Leave the field out.",
        "a number" if wanted.contains("duration") => {
            "Write it between quotes and with its unit, such as `\"30s\"`."
        }
        "a number" if wanted.contains("size") => {
            "Write it between quotes and with its unit, such as `\"4MiB\"`."
        }
        "a number" if wanted.contains("text") => "Write it between quotes.",
        "a text" if wanted.starts_with("number") => "Write the number without quotes.",
        _ => return None,
    };
    Some(help.into())
}

/// A switch written as a word.
pub fn switch_word(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::switch", format!("`{field}` is a switch"))
        .label(span, "a word is not a switch")
        .help("Write `#true` or `#false`.")
}

/// A word that is not one of the choices.
pub fn choice(field: &str, found: &str, words: &[&str], span: &Span) -> Complaint {
    let near = suggest(found, words.iter().copied());
    Complaint::error("vex::value::choice", format!("`{field}` can't be `{}`", found.escape_debug()))
        .label(span, format!("one of: {}", words.join(", ")))
        .help_if(near.map(|n| format!("Did you mean `{n}`?")))
}

/// A number out of bounds.
pub fn bounds(field: &str, found: i128, low: i128, high: i128, span: &Span) -> Complaint {
    Complaint::error("vex::value::bounds", format!("`{field}` can't be {found}"))
        .label(span, format!("between {low} and {high}"))
}

/// No value at all.
pub fn none(field: &str, form: Form, span: &Span) -> Complaint {
    Complaint::error("vex::value::count", format!("`{field}` has no value"))
        .label(span, format!("wanted: {}", form.show()))
}

/// A value too many.
pub fn extra(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::count", format!("`{field}` takes one value"))
        .label(span, "one too many")
}

/// Something else than values after a field.
pub fn only_values(field: &str, found: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::count", format!("`{field}` takes values, not {found}"))
        .label(span, "not taken")
        .help(format!("Write it as `{field} \"…\"`."))
}

/// A value where variables are wanted.
pub fn only_variables(span: &Span) -> Complaint {
    Complaint::error("vex::value::count", "`env` takes variables, not values")
        .label(span, "a name and a value are wanted")
        .help("Write `env NAME=\"value\"`; what is in vex's own environment is there already.")
}

/// A reference that names nothing.
pub fn empty_reference(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::count", format!("the reference of `{field}` is empty"))
        .label(span, "wanted: a text that is not empty")
}

/// The value of a variable where its name is wanted; its bytes are masked.
pub fn not_a_variable(field: &str, sign: &str, span: &Span) -> Complaint {
    Complaint::error(
        "vex::value::form",
        format!("`(env)` of `{field}` is not the name of a variable"),
    )
    .label(span, format!("a name has no `{sign}`"))
    .help("Write the name only: `(env)\"NAME\"`.")
}

/// An address where the path of a file is wanted; its bytes are masked.
pub fn not_a_file(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::form", format!("`(file)` of `{field}` is not the path of a file"))
        .label(span, "an address is no path")
        .help("Write the path of the file that holds it: `(file)\"path\"`.")
}

/// A path where the name of a credential is wanted; its bytes are masked.
pub fn not_a_credential(field: &str, span: &Span) -> Complaint {
    let message = format!("`(credential)` of `{field}` is not the name of a credential");
    Complaint::error("vex::value::form", message)
        .label(span, "a name is one word without `/`")
        .help("Write the name that stands in the unit, `LoadCredential=NAME:…`: `(credential)\"NAME\"`. A file is `(file)\"path\"`.")
}

/// Variables as a property.
pub fn list_as_property(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::list", format!("`{field}` holds several values"))
        .label(span, "a property holds one only")
        .help(format!("Write it inside the braces: `{field} NAME=\"value\"`."))
}

/// An address with a password, or a key, in it; its bytes are masked.
pub fn login(field: &str, span: &Span) -> Complaint {
    Complaint::error("vex::secret::clear", format!("`{field}` holds a user and a password or key"))
        .label(span, "a secret must not stand in a file")
        .help("Leave them out: users, passwords and keys have fields of their own, and a variable may be a reference.")
}

/// A secret in clear text; its bytes are masked. `quoted` is a reference that slipped between the
/// quotes.
pub fn secret_in_clear(field: &str, quoted: bool, span: &Span) -> Complaint {
    let complaint =
        Complaint::error("vex::secret::clear", format!("`{field}` is written in clear text"))
            .label(span, "a secret must not stand in a file");
    if quoted {
        return complaint
            .help(format!("The way stands before the quotes: `{field} (env)\"NAME\"`."));
    }
    complaint.help(format!(
        "Write where it is found: `{field} (env)\"NAME\"`, `(file)\"path\"` or `(command)\"prog\" \"arg\"`. If this \
         file was shared, change the secret."
    ))
}

/// A reference whose way stands without parentheses, or a variable of a shell; its bytes are masked.
pub fn way_without_parens(field: &str, way: &str, span: &Span) -> Complaint {
    Complaint::error("vex::secret::clear", format!("`{field}` is written in clear text"))
        .label(span, "taken as the secret itself")
        .help(format!("Did you mean `{field} ({way})\"…\"`? The way stands between parentheses."))
}

/// A secret among the arguments of a program; its bytes are masked.
pub fn secret_in_command(span: &Span) -> Complaint {
    Complaint::warning("vex::secret::argument", "an argument looks like a secret")
        .label(span, "every user of the machine can read it")
        .help("Give it to the program by `env NAME=(env)\"NAME\"`, or by a file.")
}

/// An annotation nobody knows; `name` is given only where it can't be the secret itself.
pub fn annotation(name: Option<&str>, field: &str, span: &Span) -> Complaint {
    let known = "known: (env), (file), (command), (credential)";
    let near = name.and_then(|n| suggest(n, WAYS));
    let what = name.map_or_else(|| "this".to_owned(), |n| format!("`({n})`"));
    Complaint::error("vex::value::annotation", format!("{what} is not a way to find `{field}`"))
        .label(span, known)
        .help_if(near.map(|n| format!("Did you mean `({n})`?")))
}

/// An annotation on a value that is no secret.
pub fn no_secret(field: &str, name: &str, span: &Span) -> Complaint {
    let name = name.escape_debug();
    Complaint::error(
        "vex::value::annotation",
        format!("`{field}` is no secret and can't be read by `({name})`"),
    )
    .label(span, "not taken here")
    .help("Write the value itself. Only passwords, keys and addresses of notices are references.")
}

/// An annotation on the name of a node.
pub fn node_annotation(node: &str, secret: bool, span: &Span) -> Complaint {
    let complaint = Complaint::error(
        "vex::value::annotation",
        format!("`{node}` takes no annotation before its name"),
    )
    .label(span, "not taken here");
    if secret {
        complaint.help(format!("It stands before the value: `{node} (env)\"NAME\"`."))
    } else {
        complaint
    }
}

/// A pattern that can't be read.
pub fn glob(text: &str, span: &Span) -> Complaint {
    Complaint::error("vex::value::glob", format!("`{}` is not a pattern", text.escape_debug()))
        .label(span, "a `[` without `]`, or a `\\` at the end")
}

/// A schedule that can't be read, or whose day never comes.
pub fn schedule(why: &str, span: &Span) -> Complaint {
    Complaint::error("vex::schedule::impossible", format!("the schedule can't be met: {why}"))
        .label(span, "minute hour day month weekday")
        .help("`0 1 * * *` is every night at one, `30 22 * * 5` every Friday at half past ten in the evening.")
}

/// A zone nobody knows.
pub fn zone(name: &str, near: Option<&str>, span: &Span) -> Complaint {
    Complaint::error("vex::value::zone", format!("`{}` is not a time zone", name.escape_debug()))
        .label(span, "wanted: a name such as `America/Porto_Velho`")
        .help_if(near.map(|n| format!("Did you mean `{n}`?")))
}

/// A template of keys that lets two artifacts meet.
pub fn key(why: &str, span: &Span) -> Complaint {
    Complaint::error("vex::key::template", format!("the key template {why}"))
        .label(span, "parts: {prefix} {job} {source} {date} {name}")
        .help("`{name}` must be the last part; without `{job}` and `{source}` only one chain may use the store.")
}
