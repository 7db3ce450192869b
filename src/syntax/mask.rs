//! What of a text must not be shown: whatever stands where a secret would stand, in whatever state
//! the text is.
//!
//! Goes by tokens, not by the grammar, so that files that do not parse, unknown blocks, comments
//! and nodes behind `/-` are covered alike. Hides too much rather than too little; a reference such
//! as `(env)"NAME"` stays to be read.

use std::ops::Range;
use std::sync::Arc;

use crate::base::{Text, suggest};
use crate::syntax::fault::WAYS;
use crate::syntax::scan::{Kind, Token, scan};

/// Words that are part of a secret's name.
const WORDS: [&str; 12] = [
    "pass",
    "pasw",
    "psw",
    "pwd",
    "secret",
    "token",
    "senha",
    "credential",
    "access-key",
    "api-key",
    "apikey",
    "private-key",
];

/// Nodes whose address is a secret.
const ADDRESSES: [&str; 2] = ["ping", "webhook"];

/// Whether a name suggests a secret, so that its value must not be shown even when nobody knows the
/// field.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    WORDS.iter().any(|word| name.contains(word))
        || suggest(&name, ["password", "secret-key", "access-key", "session-token"]).is_some()
}

/// Whether a variable of this name holds a secret for certain: `PASSAGE` and `PGPASSFILE` do not.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    let parts: Vec<&str> = name.split('-').collect();
    if parts.len() > 1 && matches!(parts.last(), Some(&("file" | "path" | "command" | "cmd"))) {
        return false;
    }
    let whole = ["pass", "pwd", "token", "secret", "senha", "credential", "credentials", "apikey"];
    let keyed =
        ["api-key", "access-key", "secret-key", "private-key"].iter().any(|k| name.ends_with(k));
    let pwd = name == "pwd" || name == "oldpwd";
    let ends = ["password", "passwd", "passphrase"].iter().any(|w| name.ends_with(w));
    !pwd && (keyed || ends || parts.iter().any(|p| whole.contains(p)))
}

/// Masks all that may be a secret.
pub fn mask(text: &Arc<Text>) {
    let source = text.contents();
    let tokens = scan(source);
    let mut state = State::default();
    for (index, token) in tokens.iter().enumerate() {
        if let Some(range) = state.take(source, &tokens, index, token) {
            text.mask(range);
        }
    }
}

/// What the tokens so far say of the next one.
#[derive(Default)]
struct State {
    /// The name of the node has been seen.
    named: bool,
    /// The arguments of this node are secrets.
    node: bool,
    /// The next value is one, or is not, whatever the node says.
    value: Option<bool>,
    /// A value that is a word of a command.
    flagged: bool,
    /// Text is masked up to here: an open quote may go on over lines.
    until: usize,
}

impl State {
    fn take(
        &mut self,
        source: &str,
        tokens: &[Token],
        index: usize,
        token: &Token,
    ) -> Option<Range<usize>> {
        if token.range.start < self.until {
            return None;
        }
        let word = source[token.range.clone()].trim_matches(['"', '#']);
        match token.kind {
            Kind::Line if index > 0 && tokens[index - 1].kind == Kind::Sign('\\') => None,
            Kind::Line | Kind::Sign(';') => {
                *self = State { until: self.until, ..State::default() };
                None
            }
            Kind::Sign('{') => {
                // A block of a secret node is one of secrets: `password { "x" }`.
                self.named = self.node;
                None
            }
            Kind::Sign('}') => {
                *self = State { until: self.until, ..State::default() };
                None
            }
            Kind::Comment => comment(source, token),
            Kind::Dash | Kind::Sign(_) => None,
            Kind::Word | Kind::Quoted | Kind::Open | Kind::RawV1 => {
                let next = |n: usize| tokens.get(index + n).map(|t| t.kind);
                if index > 0
                    && tokens[index - 1].kind == Kind::Sign('(')
                    && next(1) == Some(Kind::Sign(')'))
                {
                    return self.annotation(word, token);
                }
                if next(1) == Some(Kind::Sign('=')) {
                    self.value = Some(
                        sounds_secret(word) || (self.node && !["on", "enabled"].contains(&word)),
                    );
                    self.named = true;
                    return None;
                }
                if !self.named {
                    // An annotation before the name says nothing of the value.
                    (self.named, self.value) = (true, None);
                    let address = ADDRESSES.contains(&word) || suggest(word, ADDRESSES).is_some();
                    self.node = sounds_secret(word.trim_end_matches(':')) || address;
                    return None;
                }
                self.value(source, token, word)
            }
        }
    }

    /// `(env)` shows where a secret is found; another annotation may be the secret itself.
    fn annotation(&mut self, word: &str, token: &Token) -> Option<Range<usize>> {
        let secret = self.value.unwrap_or(self.node);
        if WAYS.contains(&word) {
            if self.value.is_none() && word == "command" {
                self.node = false;
            }
            self.value = Some(false);
            return None;
        }
        let near = suggest(word, WAYS).is_some();
        (secret && !near).then(|| token.range.clone())
    }

    fn value(&mut self, source: &str, token: &Token, word: &str) -> Option<Range<usize>> {
        let after_flag = std::mem::take(&mut self.flagged);
        let flag = word.starts_with('-') && sounds_secret(word);
        self.flagged = flag && !word.contains('=');
        let login = (word.contains("://") && word.contains('@')) || is_private_key(word);
        let secret = self.value.take().unwrap_or(self.node);
        if !(secret || after_flag || login || (flag && word.contains('='))) {
            return None;
        }
        let mut end = token.range.end;
        if matches!(token.kind, Kind::Open | Kind::RawV1) {
            // KDL v1 lets a string go on over lines.
            end = source[end..].find('"').map_or(source.len(), |n| end + n);
        }
        self.until = end;
        Some(token.range.start..end)
    }
}

/// Whether a word is a private key of age.
fn is_private_key(word: &str) -> bool {
    word.to_uppercase().contains("AGE-SECRET-KEY-")
}

/// `// password "x"`, `// password=x`, `// senha: x`, `// password x`; prose about passwords stays.
fn comment(source: &str, token: &Token) -> Option<Range<usize>> {
    let words = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
    let mut start = token.range.start;
    for line in source[token.range.clone()].split_inclusive('\n') {
        let text = line.trim_end();
        if (text.contains("://") && text.contains('@')) || is_private_key(text) {
            return Some(start..token.range.end);
        }
        for word in text.split(words).filter(|w| sounds_secret(w)) {
            let after = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
            let rest = text[after..].trim_start_matches(['"', ' ', '\t']);
            let said = rest.starts_with(['=', ':']) || text[after..].trim_start().starts_with('"');
            let alone = !rest.is_empty()
                && !rest.trim_end_matches("*/").trim().contains(char::is_whitespace);
            if (said || alone) && !rest.trim_start_matches(['=', ':', ' ']).starts_with('(') {
                return Some(start + text.len() - rest.len()..token.range.end);
            }
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        let text = Text::new("x.kdl", source);
        mask(&text);
        text.shown().to_owned()
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        for source in [
            "srouces { mysql \"a\" password=\"CANARY\" host=\"h\" }",
            "passwrod \"CANARY\"",
            "paswd CANARY",
            "password \\\n  \"CANARY\"",
            "password (env)\"A\" \"CANARY\"",
            "password { \"CANARY\" }",
            "(env)password \"CANARY\"",
            "password=(CANARY)\"CANARY\"",
            "password=\"\"\"\n  CANARY\n  \"\"\"",
            "password \"CAN\nCANARY\" x",
            "password: \"CANARY\"",
            "ping \"CANARY\" on=\"error\"",
            "webhok url=\"CANARY\"",
            "endpoint=\"https://u:CANARY@h\"",
            "recipient \"age1x\" \"AGE-SECRET-KEY-1CANARY\"",
            "// AGE-SECRET-KEY-1CANARY",
            "command \"x\" \"--password=CANARY\" \"--token\" \"CANARY\"",
            "// mysql password=\"CANARY\"",
            "// senha: CANARY",
            "/* password CANARY */",
            "/- mysql \"x\" { password \"CANARY\" }",
            "env MYSQL_PWD=\"CANARY\"",
            "x host=\"h\" password=\"CANARY",
        ] {
            let shown = shown(source);
            assert!(!shown.contains("CANARY"), "{source}\n{shown}");
            assert_eq!(shown.len(), source.len());
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for source in [
            "password (env)\"DB_PASSWORD\"; port 99999",
            "mysql \"a\" password=(env)\"X\" host=\"h\"",
            "password (command)\"pass\" \"show\" \"db\"",
            "exec \"rotate-password\" after=\"dump\"",
            "// The password is in the vault of the team.",
            "ping (env)\"URL\" on=\"error\"",
            "endpoint=\"https://s3.example.com\"",
        ] {
            assert_eq!(shown(source), source);
        }
    }

    #[test]
    fn variables_are_secrets_by_whole_words() {
        for name in ["PGPASSWORD", "API_TOKEN", "DB_PASS", "AWS_SECRET_ACCESS_KEY", "MYSQL_PWD"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PWD", "BYPASS", "PASSIVE", "TOKENIZER", "DB_PASSWORD_FILE", "KEYBOARD"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(source in "[a-z \"#{}()=;,\\\\/*\n\r.-éß]{0,80}") {
            proptest::prop_assert_eq!(shown(&format!("password {source}")).len(), source.len() + 9);
        }
    }
}
