//! Complaints in the forms that other programs read: JSON lines, annotations of a GitHub workflow,
//! SARIF. Does not know what a complaint means.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{Complaint, Severity, Span};

/// A complaint as JSON, version 1.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    file: String,
    code: &'a str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    file: String,
    line: usize,
    column: usize,
    offset: usize,
    length: usize,
    text: &'a str,
}

/// One line of JSON.
pub fn json(path: &Path, complaint: &Complaint) -> String {
    let labels = complaint.places().map(|(span, text)| {
        let (line, column) = span.text.position(span.start);
        let file = span.text.path().display().to_string();
        Label { file, line, column, offset: span.start, length: span.len, text }
    });
    let line = Line {
        version: 1,
        file: path.display().to_string(),
        code: complaint.code,
        severity: word(complaint.severity),
        message: &complaint.message,
        help: complaint.help.as_deref(),
        labels: labels.collect(),
    };
    serde_json::to_string(&line).expect("BUG: a complaint that is not JSON")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A workflow command, which GitHub shows at its line:
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
pub fn github(complaint: &Complaint) -> String {
    let mut properties = Vec::new();
    if let Some(span) = complaint.span() {
        let (line, column) = span.text.position(span.start);
        let (end_line, end_column) = span.text.position(span.start + span.len);
        properties.push(format!("file={}", property(&span.text.path().display().to_string())));
        properties.push(format!("line={line},endLine={end_line}"));
        // Columns are taken only of what stands on one line.
        if line == end_line {
            properties.push(format!("col={column},endColumn={end_column}"));
        }
    }
    properties.push(format!("title={}", property(complaint.code)));
    let help = complaint.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    let text = data(&format!("{}{help}", complaint.message));
    format!("::{} {}::{text}", word(complaint.severity), properties.join(","))
}

/// What ends or cuts a workflow command is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// One document for all files, version 2.1.0 of
/// <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
pub fn sarif(complaints: &[Complaint]) -> String {
    let mut rules: Vec<&str> = complaints.iter().map(|c| c.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<Value> = complaints.iter().map(result).collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "vex", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).expect("BUG: a document that is not JSON")
}

fn result(complaint: &Complaint) -> Value {
    let help = complaint.help.as_ref().map_or(String::new(), |help| format!(". {help}"));
    let mut places = complaint.places().map(|(span, text)| location(span, text));
    let main: Vec<Value> = places.next().into_iter().collect();
    json!({
        "ruleId": complaint.code,
        "level": word(complaint.severity),
        "message": { "text": format!("{}{help}", complaint.message) },
        "locations": main,
        "relatedLocations": places.collect::<Vec<Value>>(),
    })
}

fn location(span: &Span, text: &str) -> Value {
    let (line, column) = span.text.position(span.start);
    let (end_line, end_column) = span.text.position(span.start + span.len);
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(span.text.path()) },
            "region": {
                "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
            },
        },
        "message": { "text": text },
    })
}

/// A path as a reference of RFC 3986, relative where the path is.
fn uri(path: &Path) -> String {
    let mut out = String::from(if path.is_absolute() { "file://" } else { "" });
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(*byte));
            }
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Text;

    fn complaint() -> Complaint {
        let text = Text::new("a b/ção.kdl", "job \"é\" {\n  dmup\n}\n");
        Complaint::error("vex::node::unknown", "100% wrong: dmup")
            .label(&Span::new(&text, 13, 4), "here")
            .label(&Span::new(&text, 0, 3), "in this job")
            .help("Write `dump`,\nor nothing.")
    }

    #[test]
    fn a_workflow_command_is_one_line_whatever_is_in_it() {
        assert_eq!(
            github(&complaint()),
            "::error file=a b/ção.kdl,line=2,endLine=2,col=3,endColumn=7,title=vex%3A%3Anode%3A%3Aunknown\
             ::100%25 wrong: dmup%0AWrite `dump`,%0Aor nothing."
        );
    }

    #[test]
    fn sarif_names_rule_level_and_places() {
        let document: Value = serde_json::from_str(&sarif(&[complaint()])).unwrap();
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "vex::node::unknown");
        let result = &run["results"][0];
        assert_eq!(result["level"], "error");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%A7%C3%A3o.kdl");
        assert_eq!(place["region"]["startLine"], 2);
        assert_eq!(place["region"]["endColumn"], 7);
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "in this job");
    }
}
