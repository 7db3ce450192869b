//! The shape of the table that decodes the language and documents it: a node, its arguments, its
//! fields, their forms.
//!
//! Does not know the rows (`kinds.rs`) nor how a value is read (`value.rs`).

/// What stands between the name of a node and its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A name of its own; `true` if it may be left out.
    Name(bool),
    /// Names of other things, one at least; the word says of what.
    Names(&'static str),
    /// Exactly one value.
    One(&'static str),
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A string.
    Text,
    /// A path; relative ones start at the file they stand in.
    Path,
    /// A whole number between two bounds.
    Number(i128, i128),
    /// `#true` or `#false`.
    Switch,
    /// A switch, or one of these words.
    SwitchOr(&'static [&'static str]),
    /// A number of bytes.
    Size,
    /// A length of time.
    Duration,
    /// A reference to a secret.
    Secret,
    /// Strings.
    List,
    /// Patterns of names.
    Globs,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A time zone.
    Zone,
    /// Five cron fields.
    Schedule,
    /// A time of day.
    Clock,
    /// A day.
    Date,
    /// Variables, each a node of its own with one value.
    Variables,
}

impl Form {
    /// How the reference shows it.
    pub fn show(self) -> String {
        match self {
            Form::Text => "text".into(),
            Form::Path => "path".into(),
            Form::Number(low, high) if high >= i128::from(i64::MAX) => format!("number ≥ {low}"),
            Form::Number(low, high) => format!("number {low} to {high}"),
            Form::Switch => "`#true` or `#false`".into(),
            Form::SwitchOr(words) => {
                format!("`#true` or `#false` or {}", Form::Choice(words).show())
            }
            Form::Size => "size (`64MiB`)".into(),
            Form::Duration => "duration (`90s` `15m` `6h` `30d`)".into(),
            Form::Secret => "secret (`(env)`, `(file)`, `(command)` or `(credential)`)".into(),
            Form::List => "texts".into(),
            Form::Globs => "globs".into(),
            Form::Choice(words) => {
                words.iter().map(|w| format!("`\"{w}\"`")).collect::<Vec<_>>().join(" or ")
            }
            Form::Zone => "time zone (`America/Porto_Velho`)".into(),
            Form::Schedule => "cron fields (`0 1 * * *`)".into(),
            Form::Clock => "time of day (`06:00`)".into(),
            Form::Date => "day (`2027-01-31`)".into(),
            Form::Variables => "a block of variables".into(),
        }
    }

    /// Whether it takes several values, and so can't be a property.
    pub fn many(self) -> bool {
        matches!(self, Form::List | Form::Globs | Form::Variables)
    }
}

/// A field of a node.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// What holds when it is not given; empty for none.
    pub default: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Whether it must be given.
    pub required: bool,
}

/// A node of the language.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand; empty for the top level.
    pub within: &'static [&'static str],
    /// What follows its name.
    pub argument: Argument,
    /// Its fields.
    pub fields: &'static [Field],
    /// One sentence.
    pub doc: &'static str,
}

impl Kind {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}
