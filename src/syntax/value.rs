//! From KDL entries to the value of a field.
//!
//! Does not know nodes. A secret in clear text is masked here, the moment it is seen, before
//! anything can show it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil;
use kdl::{KdlEntry, KdlValue};

use crate::base::{
    Complaint, Glob, SecretRef, Size, Span, Spanned, Text, beside, holds_login, suggest,
};
use crate::job::Schedule;
use crate::syntax::table::Form;
use crate::syntax::{fault, odd};

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
    Schedule(Box<Schedule>),
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
            let span = Span::new(text, annotation.span().offset(), annotation.span().len());
            complaints.push(fault::no_secret(name, annotation.value(), &span));
            return None;
        }
    }
    // The words of a program are its own; whatever else is an address may be dialled and named in
    // messages.
    let is_login = |e: &&&KdlEntry| e.value().as_string().is_some_and(holds_login);
    if let Some(entry) = entries.iter().find(is_login).filter(|_| name != "command") {
        let span = value_span(text, entry);
        text.mask(span.range());
        complaints.push(fault::login(name, &span));
        return None;
    }
    if form.many() {
        return many(text, name, form, entries, whole, complaints);
    }
    let [entry] = entries else {
        complaints.push(match entries.get(1) {
            Some(second) => fault::extra(name, &value_span(text, second)),
            None => fault::none(name, form, whole),
        });
        return None;
    };
    let (value, span) = (entry.value(), value_span(text, entry));
    if form == Form::Path {
        complaints.extend(value.as_string().and_then(|path| odd::variable(name, path, &span)));
    }
    one(name, form, value, &span).map_err(|c| complaints.push(*c)).ok()
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
        complaints.push(fault::none(name, form, whole));
        return None;
    }
    let (mut words, mut globs) = (Vec::new(), Vec::new());
    for entry in entries {
        let span = value_span(text, entry);
        match entry.value() {
            KdlValue::String(word) if form == Form::Globs => match Glob::parse(word) {
                Some(glob) => {
                    complaints.extend(odd::comma(name, word, &span));
                    globs.push(glob);
                }
                None => complaints.push(fault::glob(word, &span)),
            },
            KdlValue::String(word) => words.push(Spanned::new(word.clone(), span)),
            other => complaints.push(fault::form(name, "a text", kind_word(other), &span)),
        }
    }
    Some(if form == Form::Globs { Value::Globs(globs) } else { Value::List(words) })
}

fn one(name: &str, form: Form, value: &KdlValue, span: &Span) -> Result<Value, Box<Complaint>> {
    let wrong = |wanted: &str| Box::new(fault::form(name, wanted, kind_word(value), span));
    let unread = |wanted: &str| Box::new(fault::form(name, wanted, "this text", span));
    match (form, value) {
        (Form::Text, KdlValue::String(s)) => Ok(Value::Text(s.clone())),
        (Form::Path, KdlValue::String(s)) if s.is_empty() || s.contains('\0') => {
            Err(Box::new(fault::form(name, "a path", "an empty text", span)))
        }
        (Form::Path, KdlValue::String(s)) => Ok(Value::Text(
            beside(span.text.folder(), expand_home(s)).to_string_lossy().into_owned(),
        )),
        (Form::Number(low, high), KdlValue::Integer(n)) if (low..=high).contains(n) => {
            Ok(Value::Number(*n))
        }
        (Form::Number(low, high), KdlValue::Integer(n)) => {
            Err(Box::new(fault::bounds(name, *n, low, high, span)))
        }
        (Form::Switch | Form::SwitchOr(_), KdlValue::Bool(b)) => Ok(Value::Switch(*b)),
        (Form::Switch, KdlValue::String(_)) => Err(Box::new(fault::switch_word(name, span))),
        (Form::Size, KdlValue::String(s)) => {
            let size = Size::parse(s)
                .ok_or_else(|| unread("a size such as `64MiB` (B, KiB, MiB, GiB, TiB)"))?;
            Ok(Value::Size(size.0))
        }
        (Form::Duration, KdlValue::String(s)) => parse_duration(s)
            .map(Value::Duration)
            .ok_or_else(|| unread("a duration such as `90s`, `15m`, `6h`, `30d`")),
        (Form::Choice(words) | Form::SwitchOr(words), KdlValue::String(s))
            if words.contains(&s.as_str()) =>
        {
            Ok(Value::Text(s.clone()))
        }
        (Form::Choice(words) | Form::SwitchOr(words), KdlValue::String(s)) => {
            Err(Box::new(fault::choice(name, s, words, span)))
        }
        (Form::Zone, KdlValue::String(s)) => match jiff::tz::TimeZone::get(s) {
            Ok(_) => Ok(Value::Text(s.clone())),
            Err(_) => Err(Box::new(fault::zone(s, near_zone(s).as_deref(), span))),
        },
        (Form::Schedule, KdlValue::String(s)) => read_schedule(s)
            .map(|s| Value::Schedule(Box::new(s)))
            .map_err(|why| Box::new(fault::schedule(&why, span))),
        (Form::Clock, KdlValue::String(s)) => match clock_time(s) {
            Some(_) => Ok(Value::Text(s.clone())),
            None => Err(unread("a time of day from `00:00` to `23:59`")),
        },
        (Form::Date, KdlValue::String(s)) => match s.parse::<civil::Date>() {
            Ok(_) => Ok(Value::Text(s.clone())),
            Err(_) => Err(unread("a day such as `2027-01-31`")),
        },
        (form, _) => Err(wrong(&form.show())),
    }
}

/// A time of day: hours and minutes, and seconds if they are there.
pub fn clock_time(text: &str) -> Option<civil::Time> {
    let digits = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(digits) {
        return None;
    }
    let at = |index: usize| parts.get(index).map_or(Some(0), |part| part.parse::<i8>().ok());
    civil::Time::new(at(0)?, at(1)?, at(2)?, 0).ok()
}

/// Reads five cron fields, or `@daily` and its like; the error says which field is wrong.
fn read_schedule(text: &str) -> Result<Schedule, String> {
    const FIELDS: [&str; 5] = ["minute", "hour", "day", "month", "weekday"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    if !text.starts_with('@') && fields.len() != FIELDS.len() {
        return Err(format!("it has {} fields instead of 5", fields.len()));
    }
    let schedule = Schedule::parse(text).map_err(|why| {
        let alone = |at: usize| {
            let mut others = ["*"; 5];
            others[at] = fields[at];
            Schedule::parse(&others.join(" ")).is_err()
        };
        let wrong = (0..fields.len().min(FIELDS.len()))
            .find(|at| fields.len() == FIELDS.len() && alone(*at));
        wrong.map_or(why, |at| format!("`{}` is no {}", fields[at].escape_debug(), FIELDS[at]))
    })?;
    // Any moment will do: a day that never comes does not come after this one either.
    match schedule.next(jiff::Timestamp::UNIX_EPOCH, &jiff::tz::TimeZone::UTC) {
        Some(_) => Ok(schedule),
        None => Err("no calendar has such a day".into()),
    }
}

/// The zone that was most likely meant: a near name, or the one whose city it is.
pub fn near_zone(word: &str) -> Option<String> {
    let zones: Vec<String> = jiff::tz::db().available().map(|z| z.as_str().to_owned()).collect();
    let city = word.replace(' ', "_").to_lowercase();
    let of_city = zones.iter().find(|z| z.to_lowercase().rsplit('/').next() == Some(&city));
    of_city.cloned().or_else(|| suggest(word, zones.iter().map(String::as_str)).map(str::to_owned))
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
        complaints.push(fault::none(name, Form::Secret, whole));
        return None;
    };
    let span = value_span(text, first);
    let hide =
        |entries: &[&KdlEntry]| entries.iter().for_each(|e| text.mask(value_span(text, e).range()));
    let Some(annotation) = first.ty() else {
        hide(entries);
        let word = first.value().as_string().unwrap_or_default();
        complaints.push(match meant_way(word, entries.len()) {
            Some(way) => fault::way_without_parens(name, way, &span),
            None => {
                let quoted = fault::WAYS.iter().any(|way| word.starts_with(&format!("({way})")));
                fault::secret_in_clear(name, quoted, &span)
            }
        });
        return None;
    };
    let way = annotation.value();
    let place = Span::new(text, annotation.span().offset(), annotation.span().len());
    if !fault::WAYS.contains(&way) {
        // Whatever stands here may be the secret itself.
        hide(entries);
        let near = suggest(way, fault::WAYS).is_some();
        if !near {
            text.mask(place.range());
        }
        complaints.push(fault::annotation(near.then_some(way), name, &place));
        return None;
    }
    let words: Option<Vec<String>> =
        entries.iter().map(|e| e.value().as_string().map(str::to_owned)).collect();
    let Some(words) = words.filter(|w| w.iter().all(|w| !w.is_empty() && !w.contains('\0'))) else {
        hide(entries);
        complaints.push(fault::empty_reference(name, &span));
        return None;
    };
    if let Some(second) = entries[1..].iter().find(|e| e.ty().is_some() || way != "command") {
        hide(&entries[1..]);
        complaints.push(fault::extra(name, &value_span(text, second)));
        return None;
    }
    match reference(text, name, way, words, &span) {
        Ok(reference) => Some(reference),
        Err(complaint) => {
            hide(entries);
            complaints.push(complaint);
            None
        }
    }
}

/// The way that was meant by a variable of a shell, or by its word without parentheses.
fn meant_way(word: &str, words: usize) -> Option<&'static str> {
    if words > 1 {
        return fault::WAYS.into_iter().find(|way| *way == word);
    }
    let name = word.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = name.or_else(|| word.strip_prefix('$'))?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some("env")
}

/// What the words behind an annotation refer to.
fn reference(
    text: &Arc<Text>,
    name: &str,
    way: &str,
    words: Vec<String>,
    span: &Span,
) -> Result<SecretRef, Complaint> {
    match (way, words[0].as_str()) {
        ("command", _) => Ok(SecretRef::Command(words)),
        // An address in the place of its variable, or of its file.
        ("env", word) if word.contains("://") => Err(fault::not_a_variable(name, "://", span)),
        ("credential", word) if word.contains('/') || [".", ".."].contains(&word) => {
            Err(fault::not_a_credential(name, span))
        }
        ("credential", word) => Ok(SecretRef::Credential(word.to_owned())),
        (_, word) if word.contains("://") => Err(fault::not_a_file(name, span)),
        ("file", word) => Ok(SecretRef::File(beside(text.folder(), expand_home(word)))),
        (_, word) if word.contains('=') => Err(fault::not_a_variable(name, "=", span)),
        (_, word) if word.contains('$') => Err(fault::not_a_variable(name, "$", span)),
        (_, word) => Ok(SecretRef::Env(word.to_owned())),
    }
}

fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Reads `90s`, `15m`, `6h`, `30d`, `2w`, or several together (`1h30m`); above zero, below a
/// thousand years.
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
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("1h30m", 5400), ("30d", 2_592_000), ("2w", 1_209_600)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "90", "s", "-1s", "1.5h", "0s", "1y", "99999999999w", "1é"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
