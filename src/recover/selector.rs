//! Names of what is in a backup: `DB`, `DB.TABLE`, `DB.SCHEMA.NAME`, and with a kind before them:
//! `view:DB.NAME`, `event:DB`, `trigger:`.
//!
//! Pure. What is chosen brings along what it needs; what is left out takes along only what hangs on
//! it.

use crate::artifact::{Kind, Member, Phase};

/// Whether a name chooses the member: a table brings its rows, indexes and triggers, and its
/// database; a name with a kind brings only what is of that kind, and what it needs.
pub fn selects(selector: &str, member: &Member) -> bool {
    if let Some((kind, name)) = with_kind(selector) {
        let unit = name.split_once('.').map_or(name, |(unit, _)| unit);
        let in_unit = unit.is_empty() || unit == member.unit || begins(name, &member.unit);
        return is_named(kind, name, member) || (in_unit && is_context(member));
    }
    if selector == member.unit {
        return true;
    }
    let Some(name) = below(selector, &member.unit) else { return false };
    if let Some(schema) = &member.schema {
        return name == schema || is_context(member) || is_own(name, schema, member);
    }
    match member.kind {
        Kind::Settings | Kind::File => false,
        _ => is_context(member) || member.table() == Some(name) || member.name == name,
    }
}

/// Whether a name leaves the member out: a table takes its rows, indexes and triggers along.
pub fn excepts(selector: &str, member: &Member) -> bool {
    if let Some((kind, name)) = with_kind(selector) {
        return is_named(kind, name, member);
    }
    if selector == member.unit {
        return true;
    }
    let Some(name) = below(selector, &member.unit) else { return false };
    match (&member.schema, member.kind) {
        (_, Kind::Database | Kind::Settings | Kind::File) => false,
        (Some(schema), _) => name == schema || is_own(name, schema, member),
        (None, _) => member.table() == Some(name) || named(member) == name,
    }
}

/// What may be needed by what is chosen: the database, a schema, an extension, a type. It is kept
/// where it exists.
fn is_context(member: &Member) -> bool {
    match member.kind {
        Kind::Database => true,
        Kind::Object => member.table.is_none() && member.phase == Phase::Before,
        _ => false,
    }
}

/// The kind and the name of `view:DB.NAME`; `None` where no kind of that word is known.
fn with_kind(selector: &str) -> Option<(&str, &str)> {
    let (kind, name) = selector.split_once(':')?;
    let known = kind.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == '-');
    (known && !kind.is_empty()).then_some((kind, name))
}

/// Whether a member is of a kind and has a name: all of the kind for none, all of a database or a
/// schema for theirs.
fn is_named(kind: &str, name: &str, member: &Member) -> bool {
    let is_kind = member.kind.word() == kind || member.class.as_deref() == Some(kind);
    let fits = || {
        let Some(rest) = below(name, &member.unit) else { return false };
        match &member.schema {
            Some(schema) => {
                rest == schema || below(rest, schema).is_some_and(|n| n == named(member))
            }
            None => rest == named(member),
        }
    };
    is_kind && (name.is_empty() || name == member.unit || fits())
}

/// The name of a member; of an object without its class.
fn named(member: &Member) -> &str {
    member.own_name().unwrap_or(&member.name)
}

fn is_own(name: &str, schema: &str, member: &Member) -> bool {
    let own = |n: &str| member.table() == Some(n) || member.name == n || named(member) == n;
    below(name, schema).is_some_and(own)
}

/// What follows `unit.` in a name.
fn below<'n>(name: &'n str, unit: &str) -> Option<&'n str> {
    name.strip_prefix(unit).and_then(|rest| rest.strip_prefix('.'))
}

fn begins(name: &str, unit: &str) -> bool {
    below(name, unit).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(kind: Kind, name: &str, table: Option<&str>) -> Member {
        let member = Member::new("shop", name, kind, Phase::After);
        table.map_or(member.clone(), |table| member.clone().of_table(table))
    }

    #[test]
    fn a_kind_before_a_name_chooses_only_that_kind() {
        let (view, table) = (member(Kind::View, "v", None), member(Kind::Table, "v", None));
        assert!(selects("view:shop.v", &view) && !selects("view:shop.v", &table));
        assert!(excepts("view:shop", &view) && excepts("view:", &view));
        assert!(!excepts("view:other.v", &view) && !excepts("event:shop.v", &view));
    }

    #[test]
    fn a_table_that_is_left_out_takes_its_own_along_and_nothing_else() {
        let trigger = member(Kind::Trigger, "tr", Some("t"));
        assert!(excepts("shop.t", &trigger) && excepts("shop.tr", &trigger));
        assert!(!excepts("shop.u", &trigger));
        let database = Member::new("shop", "", Kind::Database, Phase::Before);
        assert!(!excepts("shop.t", &database) && selects("shop.t", &database));
    }

    #[test]
    fn objects_of_postgresql_go_by_their_class() {
        let mut domain = Member::new("erp", "domain age", Kind::Object, Phase::Before);
        (domain.schema, domain.class) = (Some("public".into()), Some("domain".into()));
        assert!(excepts("domain:erp.public.age", &domain));
        assert!(excepts("erp.public.age", &domain));
        assert!(!excepts("erp.public.other", &domain));
    }
}
