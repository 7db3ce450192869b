//! Which backup a person means: by the beginning of its ID, by its date, or by the file name that
//! mails show.
//!
//! Pure. An ID names a run; ID, source and kind name one backup, of which there may be copies.

use crate::artifact::{Head, is_backup_name};
use crate::base::Id;

/// Why a text names no backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unnamed {
    /// There is none of that name.
    None,
    /// There are several; their IDs, the oldest first.
    Ambiguous(Vec<Id>),
}

/// The ID that `text` means among the backups: the whole ID or the beginning of one; a key or the
/// file name of a backup; or its date, `2026-11-29` or `2026-11-29 01:00`, in the zone of its name.
pub fn named<'a>(
    heads: impl IntoIterator<Item = &'a Head> + Clone,
    text: &str,
) -> Result<Id, Unnamed> {
    let file = |head: &Head| file_name(&head.key).to_owned();
    let date = digits_of(text);
    let is_of_date = |head: &Head| {
        date.as_ref().is_some_and(|digits| {
            let name = file(head);
            is_backup_name(&name) && digits_of(&name[7..22]).is_some_and(|d| d.starts_with(digits))
        })
    };
    let ways: [&dyn Fn(&Head) -> bool; 4] = [
        &|head| head.id.as_str() == text,
        &|head| !text.is_empty() && (head.key == text || file(head) == text),
        &|head| !text.is_empty() && head.id.as_str().starts_with(text),
        &is_of_date,
    ];
    for way in ways {
        let mut found: Vec<&Id> =
            heads.clone().into_iter().filter(|head| way(head)).map(|head| &head.id).collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => {}
            [only] => return Ok((*only).clone()),
            several => {
                return Err(Unnamed::Ambiguous(several.iter().map(|id| (*id).clone()).collect()));
            }
        }
    }
    Err(Unnamed::None)
}

fn file_name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// The digits of a date, with or without a time, as far as it goes: at least a day. `None` for what
/// is no date.
fn digits_of(text: &str) -> Option<String> {
    let separators = |c: char| matches!(c, '-' | ':' | ' ' | 'T' | '_');
    let digits: String = text.chars().filter(|c| !separators(*c)).collect();
    let is_date =
        digits.bytes().all(|b| b.is_ascii_digit()) && matches!(digits.len(), 8 | 10 | 12 | 14);
    is_date.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: &str, key: &str) -> Head {
        let bytes = include_bytes!("../../tests/fixtures/head.json");
        let mut head = Head::parse(bytes).expect("a head");
        head.id = Id::parse(id).expect("an ID");
        key.clone_into(&mut head.key);
        head
    }

    #[test]
    fn a_backup_is_named_by_the_beginning_of_its_id_its_date_or_its_file() {
        let heads = [
            head("20261129T040000Z-aa000000", "p/j/s/backup_20261129_000000.zip"),
            head("20261129T040000Z-aa000000", "copy/j/s/backup_20261129_000000.zip"),
            head("20261130T030000Z-ab000000", "p/j/s/backup_20261129_230000.zip"),
            head("20261201T040000Z-ac000000", "p/j/s/2026-12-01_00-00/backup_20261201_000000.zip"),
        ];
        let id = |text: &str| named(&heads, text).map(|id| id.to_string());
        let [first, second, third] = [0, 2, 3].map(|i: usize| Ok(heads[i].id.to_string()));
        for (text, wanted) in [
            ("20261129T040000Z-aa000000", &first),
            ("20261129", &first),
            ("20261130", &second),
            ("202612", &third),
            ("2026-12-01", &third),
            ("2026-11-29 23:00", &second),
            ("20261129_23", &second),
            ("2026-11-29T00:00:00", &first),
            ("backup_20261129_230000.zip", &second),
            ("p/j/s/backup_20261129_000000.zip", &first),
            ("backup_20261201_000000.zip", &third),
        ] {
            assert_eq!(&id(text), wanted, "{text}");
        }
        let ids = |all: &[usize]| all.iter().map(|i| heads[*i].id.clone()).collect::<Vec<_>>();
        for (text, several) in
            [("2026-11-29", ids(&[0, 2])), ("2026", ids(&[0, 2, 3])), ("202611", ids(&[0, 2]))]
        {
            assert_eq!(named(&heads, text), Err(Unnamed::Ambiguous(several)), "{text}");
        }
        for none in ["", "x", "2027-01-01", "backup_20261129_000000", "-", "é2026-11-29"] {
            assert_eq!(named(&heads, none), Err(Unnamed::None), "{none}");
        }
    }
}
