//! From KDL entries to the value of a field.
//!
//! Does not know nodes. A secret in clear text is masked here, the moment it is seen, before anything can show it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kdl::{KdlEntry, KdlValue};

use crate::base::{Complaint, Glob, SecretRef, Size, Span, Spanned, Text};
use crate::job::Schedule;
use crate::syntax::problem;
use crate::syntax::table::Form;

/// The value of a field.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text, path, choice, zone.
    Text(String),
    /// A number.
    Number(i128),
    /// A switch.
    Switch(bool),
    /// Bytes.
    Size(u64),
    /// Time.
    Duration(Duration),
    /// A reference to a secret.
    Secret(SecretRef),
    /// Strings.
    List(Vec<Spanned<String>>),
    /// Patterns.
    Globs(Vec<Glob>),
    /// A schedule.
    Schedule(Schedule),
}

/// The span of an entry's value: the entry without name and annotation.
pub fn value_span(text: &Arc<Text>, entry: &KdlEntry) -> Span {
    let whole = entry.span();
    let repr = entry.format().map_or(0, |f| f.value_repr.trim_end().len());
    let end = whole.offset() + whole.len();
    if repr == 0 || repr > whole.len() {
        Span::new(text, whole.offset(), whole.len())
    } else {
        Span::new(text, end - repr, repr)
    }
}

/// What a value is, in words.
fn kind_word(value: &KdlValue) -> &'static str {
    match value {
        KdlValue::String(_) => "a text",
        KdlValue::Integer(_) => "a number",
        KdlValue::Float(_) => "a number with a point",
        KdlValue::Bool(_) => "a switch",
        KdlValue::Null => "`#null`",
    }
}

/// Reads the entries of field `name` as `form`; complaints go to `complaints`.
pub fn read(
    text: &Arc<Text>,
    name: &str,
    form: Form,
    entries: &[&KdlEntry],
    whole: &Span,
    complaints: &mut Vec<Complaint>,
) -> Option<Value> {
    if form == Form::Secret {
        return secret(text, name, entries, whole, complaints).map(Value::Secret);
    }
    for entry in entries {
        if let Some(annotation) = entry.ty() {
            complaints.push(problem::no_secret(name, annotation.value(), &value_span(text, entry)));
            return None;
        }
    }
    if form.many() {
        return many(text, name, form, entries, whole, complaints);
    }
    let [entry] = entries else {
        complaints.push(problem::value_count(name, "exactly one value", whole));
        return None;
    };
    one(name, form, entry.value(), &value_span(text, entry)).map_err(|c| complaints.push(*c)).ok()
}

fn many(
    text: &Arc<Text>,
    name: &str,
    form: Form,
    entries: &[&KdlEntry],
    whole: &Span,
    complaints: &mut Vec<Complaint>,
) -> Option<Value> {
    if entries.is_empty() {
        complaints.push(problem::value_count(name, "one value at least", whole));
        return None;
    }
    let (mut words, mut globs) = (Vec::new(), Vec::new());
    for entry in entries {
        let span = value_span(text, entry);
        match entry.value() {
            KdlValue::String(word) if form == Form::Globs => match Glob::parse(word) {
                Some(glob) => globs.push(glob),
                None => complaints.push(problem::bad_glob(word, &span)),
            },
            KdlValue::String(word) => words.push(Spanned::new(word.clone(), span)),
            other => complaints.push(problem::value_form(name, "a text", kind_word(other), &span)),
        }
    }
    Some(if form == Form::Globs { Value::Globs(globs) } else { Value::List(words) })
}

fn one(name: &str, form: Form, value: &KdlValue, span: &Span) -> Result<Value, Box<Complaint>> {
    let wrong = |wanted: &str| Box::new(problem::value_form(name, wanted, kind_word(value), span));
    match (form, value) {
        (Form::Text, KdlValue::String(s)) => Ok(Value::Text(s.clone())),
        (Form::Path, KdlValue::String(s)) if s.is_empty() || s.contains('\0') => {
            Err(Box::new(problem::value_form(name, "a path", "an empty text", span)))
        }
        (Form::Path, KdlValue::String(s)) => {
            Ok(Value::Text(span.text.folder().join(expand_home(s)).to_string_lossy().into_owned()))
        }
        (Form::Number(low, high), KdlValue::Integer(n)) if (low..=high).contains(n) => Ok(Value::Number(*n)),
        (Form::Number(low, high), KdlValue::Integer(n)) => {
            Err(Box::new(problem::value_bounds(name, *n, low, high, span)))
        }
        (Form::Switch, KdlValue::Bool(b)) => Ok(Value::Switch(*b)),
        (Form::Switch, KdlValue::String(_)) => Err(Box::new(problem::switch_word(name, span))),
        (Form::Size, KdlValue::String(s)) => {
            let size = Size::parse(s).ok_or_else(|| wrong("a size such as `64MiB` (B, KiB, MiB, GiB, TiB)"))?;
            Ok(Value::Size(size.0))
        }
        (Form::Duration, KdlValue::String(s)) => {
            parse_duration(s).map(Value::Duration).ok_or_else(|| wrong("a duration such as `90s`, `15m`, `6h`, `30d`"))
        }
        (Form::Choice(words), KdlValue::String(s)) if words.contains(&s.as_str()) => Ok(Value::Text(s.clone())),
        (Form::Choice(words), KdlValue::String(s)) => Err(Box::new(problem::value_choice(name, s, words, span))),
        (Form::Zone, KdlValue::String(s)) => match jiff::tz::TimeZone::get(s) {
            Ok(_) => Ok(Value::Text(s.clone())),
            Err(_) => Err(Box::new(problem::bad_zone(s, span))),
        },
        (Form::Schedule, KdlValue::String(s)) => {
            let schedule = Schedule::parse(s).map_err(|why| Box::new(problem::bad_schedule(&why, span)))?;
            // Any moment will do: a day that never comes does not come after this one either.
            match schedule.next(jiff::Timestamp::UNIX_EPOCH, &jiff::tz::TimeZone::UTC) {
                Some(_) => Ok(Value::Schedule(schedule)),
                None => Err(Box::new(problem::bad_schedule("no calendar has such a day", span))),
            }
        }
        (form, _) => Err(wrong(&form.show())),
    }
}

/// Reads a secret reference; masks and refuses a literal.
pub fn secret(
    text: &Arc<Text>,
    name: &str,
    entries: &[&KdlEntry],
    whole: &Span,
    complaints: &mut Vec<Complaint>,
) -> Option<SecretRef> {
    let Some(first) = entries.first() else {
        complaints.push(problem::value_count(name, "a reference such as `(env)\"NAME\"`", whole));
        return None;
    };
    let span = value_span(text, first);
    let Some(way) = first.ty().map(|ty| ty.value()) else {
        for entry in entries {
            text.mask(value_span(text, entry).range());
        }
        complaints.push(problem::secret_in_clear(name, &span));
        return None;
    };
    let words: Option<Vec<String>> = entries.iter().map(|e| e.value().as_string().map(str::to_owned)).collect();
    let Some(words) = words.filter(|w| w.iter().all(|w| !w.is_empty() && !w.contains('\0'))) else {
        complaints.push(problem::value_count(name, "texts that are not empty", &span));
        return None;
    };
    match (way, words.as_slice()) {
        ("command", _) => Some(SecretRef::Command(words)),
        ("env", [one]) if !one.contains('=') => Some(SecretRef::Env(one.clone())),
        ("file", [one]) => Some(SecretRef::File(text.folder().join(expand_home(one)))),
        ("env" | "file", _) => {
            complaints.push(problem::value_count(name, "one name after `(env)` or `(file)`", whole));
            None
        }
        (other, _) => {
            // Whatever stands here may be the secret itself.
            text.mask(span.range());
            complaints.push(problem::annotation(other, name, &span));
            None
        }
    }
}

fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Reads `90s`, `15m`, `6h`, `30d`, `2w`, or several together (`1h30m`); above zero, below a thousand years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (1..=31_536_000_000).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_units_in_a_row() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("30d", 2_592_000), ("2w", 1_209_600)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "90", "s", "-1s", "1.5h", "0s", "1y", "99999999999w", "1é"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
