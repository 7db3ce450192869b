//! Where pages are: one table for the dashboard's routes and the report's files.
//!
//! Knows no page. Invariant: what is put into an address is a number, or an ID that is escaped, so
//! that no name of a catalog leads elsewhere.

/// What pages stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// A server.
    Server,
    /// A folder, of files that are so many folders below it.
    Folder(usize),
}

/// A place that a page leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The overview.
    Home,
    /// The list of backups.
    Backups,
    /// One backup, by its number.
    Backup(i64),
    /// The list of runs.
    Runs,
    /// One run, by its ID.
    Run(String),
    /// Sources.
    Sources,
    /// Restore drills.
    Drills,
    /// Users.
    Users,
    /// The form of a new user.
    UserNew,
    /// One user, by its number: the form, or the question whether to remove it.
    User(i64, &'static str),
    /// The audit.
    Audit,
    /// The login.
    Login,
    /// The way out.
    Logout,
    /// Sets the theme.
    Theme,
    /// The style.
    Style,
    /// The script.
    Script,
}

/// Short digest of an asset's text, for its name: one that changes has another name.
pub fn hashed(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    digest[..5].iter().map(|b| format!("{b:02x}")).collect()
}

/// The style of every page.
pub const STYLE: &str = include_str!("../../templates/html/vex.css");

/// The script of every page.
pub const SCRIPT: &str = include_str!("../../templates/html/vex.js");

impl Address {
    /// The place that templates call `name`.
    pub fn named(name: &str) -> Option<Address> {
        Some(match name {
            "home" => Address::Home,
            "backups" => Address::Backups,
            "runs" => Address::Runs,
            "sources" => Address::Sources,
            "drills" => Address::Drills,
            "users" => Address::Users,
            "user-new" => Address::UserNew,
            "audit" => Address::Audit,
            "login" => Address::Login,
            "logout" => Address::Logout,
            "theme" => Address::Theme,
            "css" => Address::Style,
            "js" => Address::Script,
            _ => return None,
        })
    }

    /// Its path on a server, without the first slash.
    fn route(&self) -> String {
        match self {
            Address::Home => String::new(),
            Address::Backups => "backups".into(),
            Address::Backup(number) => format!("backups/{number}"),
            Address::Runs => "execucoes".into(),
            Address::Run(id) => format!("execucoes/{}", segment(id)),
            Address::Sources => "fontes".into(),
            Address::Drills => "restauracoes".into(),
            Address::Users => "usuarios".into(),
            Address::UserNew => "usuarios/novo".into(),
            Address::User(number, what) => format!("usuarios/{number}/{what}"),
            Address::Audit => "auditoria".into(),
            Address::Login => "entrar".into(),
            Address::Logout => "sair".into(),
            Address::Theme => "tema".into(),
            Address::Style => format!("vex-{}.css", hashed(STYLE)),
            Address::Script => format!("vex-{}.js", hashed(SCRIPT)),
        }
    }

    /// Its file in a report.
    pub fn file(&self) -> String {
        match self {
            Address::Home => "index.html".into(),
            Address::Backup(number) => format!("b/{number}.html"),
            Address::Run(id) => format!("r/{}.html", segment(id)),
            Address::Style | Address::Script => self.route(),
            other => format!("{}.html", other.route()),
        }
    }
}

impl Base {
    /// The address of a place, as a page here writes it.
    pub fn to(&self, address: &Address) -> String {
        match self {
            Base::Server => format!("/{}", address.route()),
            Base::Folder(depth) => "../".repeat(*depth) + &address.file(),
        }
    }
}

/// An ID as one part of a path: anything but letters, digits and `-` is escaped.
fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' => out.push(byte as char),
            other => out += &format!("_{other:02x}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_never_leads_elsewhere() {
        let file = Address::Run("../../etc/passwd?x#y".into()).file();
        assert_eq!(file, "r/_2e_2e_2f_2e_2e_2fetc_2fpasswd_3fx_23y.html");
        assert_eq!(Base::Folder(1).to(&Address::Backup(9)), "../b/9.html");
        assert_eq!(Base::Server.to(&Address::Backup(9)), "/backups/9");
        assert_eq!(Base::Server.to(&Address::Home), "/");
    }
}
