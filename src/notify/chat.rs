//! A letter in short, in the form that a chat or a push service takes.
//!
//! Calls nobody. Invariants: what comes from a server is a string of the JSON, never a part of it,
//! and starts no mention; the query of an address stays.

use url::Url;

use crate::job::Shape;
use crate::notify::letter::Letter;
use crate::record::Verdict;
use crate::report::Summary;
use crate::view::{ChatModel, color, write_chat};

/// Longest text, in characters: Discord takes 2 000, Telegram 4 096.
const LONGEST: usize = 1_500;

/// What is posted where.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The address.
    pub url: Url,
    /// JSON.
    pub body: Vec<u8>,
}

/// The message of a letter.
pub fn message(shape: Shape, url: Url, letter: &Letter, summary: &Summary) -> Message {
    let verdict = summary.verdict.unwrap_or(Verdict::Error);
    let chat = url.query_pairs().find(|(name, _)| name == "chat_id").map(|(_, id)| id.into_owned());
    let (topic, url) = match shape {
        Shape::Ntfy => of_topic(url),
        _ => (String::new(), url),
    };
    let text = short(&letter.short);
    let number = u32::from_str_radix(color(verdict).trim_start_matches('#'), 16);
    let model = ChatModel {
        title: letter.subject.clone(),
        escaped_title: escaped(&letter.subject),
        escaped_text: escaped(&text),
        paragraphs: text.replace('\n', "\n\n"),
        text,
        verdict: word(verdict),
        verdict_word: letter.short.lines().next().unwrap_or_default().to_owned(),
        color: color(verdict),
        color_number: number.unwrap_or_default(),
        page: letter.page.clone(),
        open: letter.open.clone(),
        topic,
        chat,
    };
    Message { url, body: write_chat(template(shape), &model).into_bytes() }
}

/// Its template.
fn template(shape: Shape) -> &'static str {
    match shape {
        // A program reads the summary itself.
        Shape::Vex => unreachable!("BUG: a program is sent no letter"),
        Shape::Ntfy => "ntfy.json",
        Shape::Slack => "slack.json",
        Shape::Discord => "discord.json",
        Shape::Teams => "teams.json",
        Shape::Telegram => "telegram.json",
        Shape::Gotify => "gotify.json",
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Success => "success",
        Verdict::Alert => "alert",
        Verdict::Error => "error",
    }
}

/// The topic that ntfy's address ends in, and the address that takes JSON: the one above it.
fn of_topic(mut url: Url) -> (String, Url) {
    let topic = url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
    let topic = topic.to_owned();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop();
    }
    (topic, url)
}

/// The first lines of a text.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text in which Slack finds no mention and no link.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_json_whatever_a_name_holds() {
        let odd = "a\"b\\c</script>\u{1}<!channel>{{ 7*7 }}é";
        let letter = Letter {
            subject: odd.to_owned(),
            text: String::new(),
            html: String::new(),
            short: format!("Erro (3)\n{}", odd.repeat(200)),
            page: format!("https://h/{odd}"),
            open: "abrir".into(),
        };
        let summary = Summary { verdict: Some(Verdict::Error), ..Summary::default() };
        let own =
            |shape, url: &str| message(shape, url.parse().expect("an address"), &letter, &summary);
        let table = [
            (Shape::Slack, "attachments"),
            (Shape::Discord, "embeds"),
            (Shape::Teams, "attachments"),
            (Shape::Telegram, "text"),
            (Shape::Gotify, "priority"),
            (Shape::Ntfy, "tags"),
        ];
        for (shape, field) in table {
            let sent = own(shape, "https://h/p/KEY?chat_id=-100&a=b");
            let json: serde_json::Value = serde_json::from_slice(&sent.body).expect("JSON");
            assert!(json.get(field).is_some(), "{shape:?}: {json}");
            assert!(!json.to_string().contains("<!channel>") || shape != Shape::Slack, "{json}");
            assert_eq!(sent.url.query(), Some("chat_id=-100&a=b"), "{shape:?}");
        }
        let telegram = own(Shape::Telegram, "https://h/bot1/sendMessage?chat_id=-100");
        let json: serde_json::Value = serde_json::from_slice(&telegram.body).expect("JSON");
        assert_eq!(json["chat_id"], "-100");
        assert!(json["text"].as_str().is_some_and(|t| t.starts_with(odd) && t.len() < 4096));
        let ntfy = own(Shape::Ntfy, "https://ntfy.example/backups?auth=x");
        let json: serde_json::Value = serde_json::from_slice(&ntfy.body).expect("JSON");
        assert_eq!(
            (ntfy.url.as_str(), &json["topic"]),
            ("https://ntfy.example/?auth=x", &"backups".into())
        );
    }
}
