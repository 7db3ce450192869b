//! The language of what people read: as asked, else `VEX_LANG`, else the site's, else the locale's
//! if it names one that is known, else Brazilian Portuguese (`design.md` §3).

use crate::cli::args::Language;
use crate::lang::Lang;

/// Variables of the locale, the strongest first.
const LOCALE: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// The language of a command; `site` is what the site file says.
pub fn language(asked: Option<Language>, site: Option<&str>) -> Lang {
    choose(asked, site, &|name| std::env::var(name).ok())
}

fn choose(
    asked: Option<Language>,
    site: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Lang {
    match asked {
        Some(Language::PtBr) => return Lang::PtBr,
        Some(Language::En) => return Lang::En,
        None => {}
    }
    let locale = || LOCALE.iter().find_map(|name| variable(name).filter(|v| !v.is_empty()));
    variable("VEX_LANG")
        .and_then(|text| known(&text))
        .or_else(|| site.and_then(known))
        .or_else(|| locale().and_then(|text| known(&text)))
        .unwrap_or(Lang::PtBr)
}

/// The language that a word names: `en`, `en_US.UTF-8`, `pt-BR`.
fn known(text: &str) -> Option<Lang> {
    let language: String =
        text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    match language.as_str() {
        "pt" => Some(Lang::PtBr),
        "en" => Some(Lang::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_wins_then_the_variable_the_site_and_the_locale() {
        let with = |pairs: &'static [(&'static str, &'static str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        let all = with(&[("VEX_LANG", "pt-BR"), ("LANG", "en_US.UTF-8")]);
        assert_eq!(choose(Some(Language::En), Some("pt-BR"), &all), Lang::En);
        assert_eq!(choose(None, Some("en"), &all), Lang::PtBr);
        let locale = with(&[("LC_ALL", "en_GB.UTF-8"), ("LANG", "pt_BR.UTF-8")]);
        assert_eq!(choose(None, Some("pt-BR"), &locale), Lang::PtBr);
        assert_eq!(choose(None, None, &locale), Lang::En);
        assert_eq!(choose(None, None, &with(&[("LANG", "C.UTF-8")])), Lang::PtBr);
        assert_eq!(choose(None, None, &with(&[])), Lang::PtBr);
    }
}
