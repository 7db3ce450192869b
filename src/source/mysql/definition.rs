//! A table's definition, cut: what is made before the rows, and the keys that are cheaper to make
//! after them.
//!
//! Reads only the text of SHOW CREATE TABLE, in a session without ANSI_QUOTES and
//! NO_BACKSLASH_ESCAPES; knows no server. Invariants: what is cut and what is kept make the very
//! text again; what is not understood is not cut. The server sorts the keys of a table by kind and
//! then by age, so only keys behind the last one that is kept are cut, and their order comes back.

/// A definition in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The table without the keys below.
    pub create: String,
    /// Secondary keys, as in `ADD KEY …`.
    pub keys: Vec<String>,
    /// Foreign keys, as in `ADD CONSTRAINT …`.
    pub references: Vec<String>,
}

/// What an element of a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Column,
    Primary,
    Unique,
    Key,
    Reference,
    Check,
}

/// Cuts a definition; nothing if it must be made whole.
pub fn cut(text: &str) -> Option<Cut> {
    let open = text.find("(\n")?;
    // The name of the table may hold anything, this too.
    if plain(&text[..open]).contains('(')
        || !text.starts_with("CREATE TABLE `")
        || !is_closed(&text[..open])
    {
        return None;
    }
    let (elements, tail) = elements(&text[open + 2..])?;
    let kinds: Vec<Option<Element>> = elements.iter().map(|e| kind(e)).collect();
    // A key that a foreign key needs may itself come late, so every foreign key does.
    let later: &[Element] = match keys_may_wait(&elements, &kinds, tail) {
        true => &[Element::Unique, Element::Key, Element::Reference],
        false => &[Element::Reference],
    };
    let take = |wanted: &[Element]| -> Vec<String> {
        let waits =
            |k: &Option<Element>| k.is_some_and(|k| wanted.contains(&k) && later.contains(&k));
        let chosen = elements.iter().zip(&kinds).filter(|(_, k)| waits(k));
        chosen.map(|(e, _)| e.trim_start().to_owned()).collect()
    };
    let stays = |k: &Option<Element>| k.is_none_or(|k| !later.contains(&k));
    let kept: Vec<&str> =
        elements.iter().zip(&kinds).filter(|(_, k)| stays(k)).map(|(e, _)| *e).collect();
    let cut = Cut {
        create: format!("{}(\n{}\n{tail}", &text[..open], kept.join(",\n")),
        keys: take(&[Element::Unique, Element::Key]),
        references: take(&[Element::Reference]),
    };
    (!cut.keys.is_empty() || !cut.references.is_empty()).then_some(cut)
}

/// Whether the secondary keys of a table can be made after its rows.
fn keys_may_wait(elements: &[&str], kinds: &[Option<Element>], tail: &str) -> bool {
    let options = plain(tail);
    if !options.contains(") ENGINE=InnoDB")
        || options.contains("SYSTEM VERSIONING")
        || kinds.contains(&None)
    {
        return false;
    }
    let of = |wanted: Element| {
        elements.iter().zip(kinds).filter(move |(_, k)| **k == Some(wanted)).map(|(e, _)| *e)
    };
    let primary = of(Element::Primary).next();
    // Without a primary key, rows are kept in the order of a unique one.
    if primary.is_none() && of(Element::Unique).next().is_some() {
        return false;
    }
    let Some(counted) = of(Element::Column).find(|e| plain(e).contains(" AUTO_INCREMENT")) else {
        return true;
    };
    name(counted.trim_start()).is_some_and(|name| {
        primary.is_some_and(|p| p.starts_with(&format!("  PRIMARY KEY ({name}")))
    })
}

/// A definition without the clauses that name what the server keeps for itself and lacks: the
/// tablespaces of a table, or the spatial reference systems of its columns. Nothing if it has none.
pub fn without(text: &str, clause: &str) -> Option<String> {
    let (mut out, mut at, mut left) = (String::new(), 0, false);
    while let Some(found) = text[at..].find(['`', '\'', '"', '/']) {
        out.push_str(&text[at..at + found]);
        at += found;
        let length = quoted_length(&text[at..])?;
        let words = text[at..at + length].trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        if text[at..].starts_with("/*!") && words.starts_with(&format!("{clause} ")) {
            left = true;
            out.truncate(out.trim_end_matches(' ').len());
        } else {
            out.push_str(&text[at..at + length]);
        }
        at += length;
    }
    out.push_str(&text[at..]);
    left.then_some(out)
}

/// What a table that is there lacks of its definition, if it is that table up to keys that [`cut`]
/// takes away.
pub fn lacks(there: &str, wanted: &str) -> Option<Cut> {
    let nothing =
        |create: &str| Cut { create: create.to_owned(), keys: Vec::new(), references: Vec::new() };
    if settled(there) == settled(wanted) {
        return Some(nothing(wanted));
    }
    let mut missing = cut(wanted)?;
    let own = cut(there).unwrap_or_else(|| nothing(there));
    // The keys of a table come all at once, and in order.
    if settled(&own.create) != settled(&missing.create) || !missing.keys.starts_with(&own.keys) {
        return None;
    }
    if !own.references.iter().all(|r| missing.references.contains(r)) {
        return None;
    }
    missing.keys.drain(..own.keys.len());
    missing.references.retain(|r| !own.references.contains(r));
    Some(missing)
}

/// The text as it is for comparison: without the next AUTO_INCREMENT value, which moves, and
/// without the character set before a collation, which MySQL shows or not for what is the same.
pub fn settled(text: &str) -> String {
    const COUNTER: &str = " AUTO_INCREMENT=";
    const CHARSET: &str = " CHARACTER SET ";
    let mut out = text.to_owned();
    if let Some(at) =
        text.rfind("\n) ENGINE=").and_then(|from| Some(from + text[from..].find(COUNTER)?))
    {
        let digits = text[at + COUNTER.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        out = format!("{}{digits}", &text[..at]);
    }
    let mut from = 0;
    while let Some(at) = out[from..].find(CHARSET).map(|n| n + from) {
        let rest = &out[at + CHARSET.len()..];
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        from = at + CHARSET.len();
        if rest[word..].starts_with(&format!(" COLLATE {}_", &rest[..word])) {
            out.replace_range(at..from + word, "");
            from = at;
        }
    }
    out
}

/// The name of a key or constraint, quoted, for messages: ``UNIQUE KEY `a` (`b`)`` has `` `a` ``.
pub fn name(clause: &str) -> Option<&str> {
    let from = clause.find('`')?;
    let end = from + quoted_length(&clause[from..])?;
    Some(&clause[from..end])
}

/// Columns and the words of their types, as far as the definition is understood.
pub fn column_types(text: &str) -> Vec<(String, String)> {
    let body = text.find("(\n").and_then(|open| elements(&text[open + 2..]));
    let column = |element: &str| {
        let element = element.trim_start();
        let name = if element.starts_with('`') { name(element)? } else { return None };
        let rest = element[name.len()..].trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        Some((name.to_owned(), rest[..end].to_lowercase()))
    };
    body.map(|(elements, _)| elements.into_iter().filter_map(column).collect()).unwrap_or_default()
}

/// The elements of a definition, and what follows them; nothing if it is not understood.
pub fn elements_of(text: &str) -> Option<(Vec<String>, String)> {
    let open = text.find("(\n").or_else(|| text.find('('))?;
    let (elements, tail) = elements(text[open..].strip_prefix("(\n")?)?;
    Some((elements.into_iter().map(str::to_owned).collect(), tail.to_owned()))
}

/// Splits the elements of a definition; the rest begins at the `)` that ends them.
fn elements(body: &str) -> Option<(Vec<&str>, &str)> {
    let (mut found, mut from, mut at, mut depth) = (Vec::new(), 0, 0, 0_usize);
    let bytes = body.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'`' | b'\'' | b'"' | b'/' => at += quoted_length(&body[at..])?,
            b'(' => (at, depth) = (at + 1, depth + 1),
            b')' if depth == 0 => {
                let last = body[from..at].strip_suffix('\n')?;
                found.push(last);
                return found.iter().all(|e| e.starts_with("  ")).then_some((found, &body[at..]));
            }
            b')' => (at, depth) = (at + 1, depth - 1),
            b',' if depth == 0 && body[at + 1..].starts_with('\n') => {
                found.push(&body[from..at]);
                (at, from) = (at + 2, at + 2);
            }
            b',' if depth == 0 => return None,
            _ => at += 1,
        }
    }
    None
}

fn kind(element: &str) -> Option<Element> {
    let element = element.strip_prefix("  ")?;
    let words = plain(element);
    if element.starts_with('`') {
        return Some(Element::Column);
    }
    if element.starts_with("PRIMARY KEY (") {
        return Some(Element::Primary);
    }
    // A key over a hash brings a column of its own; a period is part of the table.
    if words.contains("USING HASH") || words.contains("WITHOUT OVERLAPS") {
        return None;
    }
    if element.starts_with("UNIQUE KEY `") {
        return Some(Element::Unique);
    }
    if element.starts_with("KEY `") {
        return Some(Element::Key);
    }
    let constraint = element.strip_prefix("CONSTRAINT ")?;
    let rest = &constraint[name(constraint)?.len()..];
    if rest.starts_with(" FOREIGN KEY (") {
        Some(Element::Reference)
    } else if rest.starts_with(" CHECK (") {
        Some(Element::Check)
    } else {
        None
    }
}

/// The text with `n` for all that stands in quotes.
pub fn plain(text: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = text[at..].find(['`', '\'', '"', '/']) {
        out.push_str(&text[at..at + found]);
        at += found;
        match quoted_length(&text[at..]) {
            Some(length) if text.as_bytes()[at] == b'/' => {
                // A comment with a version is part of the text.
                out.push_str(&text[at..at + length]);
                at += length;
            }
            Some(length) => {
                out.push('n');
                at += length;
            }
            None => break,
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Whether every quote that opens is closed.
fn is_closed(text: &str) -> bool {
    let mut at = 0;
    while let Some(found) = text[at..].find(['`', '\'', '"']) {
        match quoted_length(&text[at + found..]) {
            Some(length) => at += found + length,
            None => return false,
        }
    }
    true
}

/// Length of the quoted stretch that begins the text; one byte where none does.
pub fn quoted_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes[0];
    if quote == b'/' {
        return if text.starts_with("/*") { text.find("*/").map(|n| n + 2) } else { Some(1) };
    }
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote != b'`' => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRIMARY: &str = "  PRIMARY KEY (`id`)";

    fn table(elements: &[&str], options: &str) -> String {
        format!("CREATE TABLE `t` (\n{}\n) ENGINE=InnoDB{options}", elements.join(",\n"))
    }

    #[test]
    fn secondary_and_foreign_keys_are_cut_and_all_else_is_kept() {
        let check = "  CONSTRAINT `c` CHECK (`a` in ('x, KEY',')'))";
        let id = "  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'it''s, \\' (\\n  KEY'";
        let unique = "  UNIQUE KEY `u,``(` (`a`(10),`b` DESC)";
        let key = "  KEY `k` ((lower(`a`))) COMMENT ','";
        let reference =
            "  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`) ON DELETE CASCADE";
        let options = " AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT=')'\n/*!50100 PARTITION BY KEY (id) */";
        let text = table(&[id, PRIMARY, unique, key, reference, check], options);
        let found = cut(&text).expect("it is understood");
        assert_eq!(found.create, table(&[id, PRIMARY, check], options));
        assert_eq!(found.keys, [unique.trim(), key.trim()]);
        assert_eq!(found.references, [reference.trim()]);
        assert_eq!(name(&found.keys[0]), Some("`u,``(`"));
        assert_eq!(column_types(&text), [("`id`".to_owned(), "int".to_owned())]);
    }

    #[test]
    fn a_foreign_key_waits_wherever_its_table_is_made_whole() {
        let reference = "  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`b`)";
        let (id, key) = ("  `id` int", "  KEY `f` (`a`)");
        for (more, options) in [
            ("  FULLTEXT KEY `x` (`t`)", ""),
            ("  PERIOD FOR SYSTEM_TIME (`a`, `b`)", ""),
            ("  KEY `k` (`b`)", " WITH SYSTEM VERSIONING"),
        ] {
            let found = cut(&table(&[id, key, more, reference], options)).expect("it is cut");
            assert_eq!(found.create, table(&[id, key, more], options));
            assert_eq!(
                (found.keys.len(), &found.references[..]),
                (0, &[reference.trim().into()][..])
            );
        }
    }

    #[test]
    fn only_the_clause_of_the_server_is_left_out() {
        let text = "CREATE TABLE `t` (\n  `g` geometry NOT NULL /*!80003 SRID 4711 */ COMMENT '/*!80003 SRID 1 */'\n) /*!50100 \
                    TABLESPACE `s` */ ENGINE=InnoDB";
        assert_eq!(
            without(text, "TABLESPACE").as_deref(),
            Some(
                "CREATE TABLE `t` (\n  `g` geometry NOT NULL /*!80003 SRID 4711 */ COMMENT '/*!80003 SRID 1 */'\n) ENGINE=InnoDB"
            )
        );
        assert_eq!(
            without(text, "SRID").as_deref(),
            Some(
                "CREATE TABLE `t` (\n  `g` geometry NOT NULL COMMENT '/*!80003 SRID 1 */'\n) /*!50100 TABLESPACE `s` */ ENGINE=InnoDB"
            )
        );
        assert_eq!(without("CREATE TABLE `t` (\n  `a` int\n)", "SRID"), None);
    }

    #[test]
    fn what_must_stay_with_the_table_makes_it_whole() {
        let id = "  `id` int NOT NULL AUTO_INCREMENT";
        let key = "  KEY `k` (`a`)";
        for (elements, options) in [
            (&["  `id` int", PRIMARY][..], ""),
            (&["  `id` int NOT NULL", "  UNIQUE KEY `u` (`id`)"], ""),
            (&[id, "  PRIMARY KEY (`a`,`id`)", "  KEY `id` (`id`)"], ""),
            (&[id, "  KEY `id` (`id`)"], ""),
            (&[id, PRIMARY, "  FULLTEXT KEY `f` (`a`)", key], ""),
            (&[id, PRIMARY, "  SPATIAL KEY `s` (`a`)", key], ""),
            (&[id, PRIMARY, "  VECTOR KEY `s` (`a`)", key], ""),
            (&[id, PRIMARY, "  UNIQUE KEY `u` (`a`) USING HASH"], ""),
            (&[id, PRIMARY, "  PERIOD FOR SYSTEM_TIME (`a`, `b`)", key], ""),
            (&[id, PRIMARY, key], " WITH SYSTEM VERSIONING"),
            (&[id, PRIMARY, "  SOMETHING NEW `k`", key], ""),
        ] {
            assert_eq!(cut(&table(elements, options)), None, "{elements:?} {options}");
        }
        for text in [
            "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=MyISAM",
            "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) COMMENT=') ENGINE=InnoDB'",
            "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`",
            "CREATE TABLE `t(\n  KEY` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=InnoDB",
            "",
        ] {
            assert_eq!(cut(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_without_its_keys_is_told_what_it_lacks() {
        let (id, key, other) =
            ("  `id` int COLLATE a_b NOT NULL", "  KEY `k` (`a`)", "  KEY `l` (`a`)");
        let reference = "  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)";
        let whole = table(&[id, PRIMARY, key, other, reference], " AUTO_INCREMENT=7 COMMENT='x'");
        for (there, keys, references) in [
            (table(&[id, PRIMARY, key, other, reference], " COMMENT='x'"), 0, 0),
            (table(&[id, PRIMARY], " AUTO_INCREMENT=9 COMMENT='x'"), 2, 1),
            (
                table(
                    &["  `id` int CHARACTER SET a COLLATE a_b NOT NULL", PRIMARY],
                    " COMMENT='x'",
                ),
                2,
                1,
            ),
            (table(&[id, PRIMARY, key], " COMMENT='x'"), 1, 1),
            (table(&[id, PRIMARY, key, other], " COMMENT='x'"), 0, 1),
        ] {
            let found = lacks(&there, &whole).map(|c| (c.keys.len(), c.references.len()));
            assert_eq!(found, Some((keys, references)), "{there}");
        }
        for there in [
            table(&[id, PRIMARY], ""),
            table(&[id, PRIMARY, other], " COMMENT='x'"),
            table(&["  `id` bigint NOT NULL", PRIMARY], " COMMENT='x'"),
            table(&[id, PRIMARY, key, other, "  KEY `m` (`a`)"], " COMMENT='x'"),
        ] {
            assert_eq!(lacks(&there, &whole), None, "{there}");
        }
    }

    proptest! {
        #[test]
        fn kept_and_cut_make_the_text_again(
            names in prop::collection::vec("[a-c`,()\n' \\\\/*-]{1,6}", 1..6),
            comment in "[a-c`,()\n \\*/-]{0,8}",
            kinds in prop::collection::vec(0_u8..3, 6),
        ) {
            let quoted = |n: &str| format!("`{}`", n.replace('`', "``"));
            let comment = comment.replace('\\', "\\\\").replace('\n', "\\n");
            let mut kept = vec![format!("  `id` int COMMENT '{comment}'"), PRIMARY.to_owned()];
            let (mut keys, mut references) = (Vec::new(), Vec::new());
            for (name, kind) in names.iter().zip(&kinds) {
                match kind {
                    0 => kept.insert(1, format!("  {} int DEFAULT '{comment}'", quoted(name))),
                    1 => keys.push(format!("KEY {} ({})", quoted(name), quoted(name))),
                    _ => references.push(format!("CONSTRAINT {} FOREIGN KEY ({}) REFERENCES `p` (`a`)", quoted(name), quoted(name))),
                }
            }
            let later: Vec<String> = keys.iter().chain(&references).map(|c| format!("  {c}")).collect();
            let all: Vec<&str> = kept.iter().chain(&later).map(String::as_str).collect();
            let found = cut(&table(&all, ""));
            let create = table(&kept.iter().map(String::as_str).collect::<Vec<_>>(), "");
            let expected = (!later.is_empty()).then_some(Cut { create, keys, references });
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[a-z`'\"(),\n /*\\\\]{0,60}") {
            drop(cut(&text));
            drop(cut(&format!("CREATE TABLE `t` (\n{text}\n) ENGINE=InnoDB")));
        }
    }
}
