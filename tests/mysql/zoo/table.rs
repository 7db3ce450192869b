//! One random table: its definition, and rows for it.

use crate::common::servers::Brand;
use crate::mysql::zoo::dice::{Dice, NASTY, literal, quote};
use crate::mysql::zoo::kind::{Key, Kind};

/// A table that others may refer to by an integer key.
#[derive(Debug, Clone)]
pub struct Parent {
    pub table: String,
    pub column: String,
    pub sql: String,
}

/// A column; a generated one takes no values.
struct Column {
    name: String,
    kind: Kind,
    sql: String,
    generated: bool,
    nullable: bool,
}

/// A drawn table.
pub struct Table {
    pub name: String,
    /// What makes it, settings of the session first.
    pub create: Vec<String>,
    /// Set if its key is one integer column.
    pub parent: Option<Parent>,
    pub versioned: bool,
    /// Whether it has rows so wide that even a few of them are many bytes.
    pub wide: bool,
    columns: Vec<Column>,
}

/// A table while it is drawn.
struct Draft<'a> {
    dice: &'a mut Dice,
    brand: Brand,
    columns: Vec<Column>,
    clauses: Vec<String>,
    partition: Option<String>,
    plain_key: Option<usize>,
}

impl Table {
    /// Draws a table; `earlier` may be referred to.
    pub fn draw(dice: &mut Dice, brand: Brand, number: usize, earlier: &[Parent]) -> Table {
        let name = dice.name(number);
        let mut draft = Draft {
            dice,
            brand,
            columns: Vec::new(),
            clauses: Vec::new(),
            partition: None,
            plain_key: None,
        };
        let versioned = brand.is_mariadb() && draft.dice.one_in(12);
        let wide = draft.dice.one_in(15);
        let keyless = if draft.dice.one_in(25) {
            draft.only_generated()
        } else {
            draft.body(wide, versioned)
        };
        if !versioned && draft.partition.is_none() {
            draft.references(&name, earlier);
        }
        let parent = draft.plain_key.filter(|_| draft.partition.is_none() && !versioned).map(|i| {
            let column = &draft.columns[i];
            Parent {
                table: name.clone(),
                column: column.name.clone(),
                sql: column.kind.sql.clone(),
            }
        });
        let options = draft.options(versioned);
        let lines: Vec<String> =
            draft.columns.iter().map(|c| c.sql.clone()).chain(draft.clauses.clone()).collect();
        let partition = draft.partition.clone().unwrap_or_default();
        let create = format!(
            "CREATE TABLE {} (\n  {}\n){options}{partition}",
            quote(&name),
            lines.join(",\n  ")
        );
        let mut statements = Vec::new();
        if brand == Brand::Mysql9 {
            let generated = keyless && draft.dice.one_in(2);
            statements
                .push(format!("SET sql_generate_invisible_primary_key={}", u8::from(generated)));
        }
        statements.push(create);
        Table { name, create: statements, parent, versioned, wide, columns: draft.columns }
    }

    /// A row for it: an INSERT of as many rows as asked for.
    pub fn insert(&self, dice: &mut Dice, rows: u64) -> Vec<String> {
        let taking: Vec<&Column> = self.columns.iter().filter(|c| !c.generated).collect();
        let names: Vec<String> = taking.iter().map(|c| quote(&c.name)).collect();
        let head =
            format!("INSERT IGNORE INTO {} ({}) VALUES ", quote(&self.name), names.join(","));
        let row = |dice: &mut Dice| {
            let values: Vec<String> = taking.iter().map(|c| c.value(dice)).collect();
            format!("{head}({})", values.join(","))
        };
        (0..rows).map(|_| row(dice)).collect()
    }

    /// Changes that leave a past behind: gaps, marks, history.
    pub fn changes(&self, dice: &mut Dice) -> Vec<String> {
        let name = quote(&self.name);
        let mut all = Vec::new();
        if let Some(column) = self.columns.iter().find(|c| !c.generated && dice.one_in(2)) {
            all.push(format!(
                "UPDATE IGNORE {name} SET {}={} LIMIT 3",
                quote(&column.name),
                column.value(dice)
            ));
        }
        if dice.one_in(2) {
            all.push(format!("DELETE FROM {name} LIMIT {}", dice.between(1, 3)));
        }
        all
    }
}

impl Column {
    fn value(&self, dice: &mut Dice) -> String {
        if self.nullable && dice.one_in(6) {
            return "NULL".to_owned();
        }
        if self.sql.contains(" FILLER ") {
            return format!("REPEAT(x'{}', {})", dice.hex(1), dice.between(5_000, 12_000));
        }
        self.kind.value(dice)
    }
}

impl Draft<'_> {
    /// Key, columns, indexes, partitions; returns whether there is no primary key.
    fn body(&mut self, wide: bool, versioned: bool) -> bool {
        let keyless = self.primary();
        let count = self.dice.between(u64::from(keyless), 11);
        for _ in 0..count {
            self.column();
        }
        if wide {
            let kind = Kind::binary(self.dice);
            self.push(kind, "LONGBLOB /* FILLER */ NULL", false, true);
        }
        for _ in 0..self.dice.below(4) {
            self.index();
        }
        if !versioned && self.dice.one_in(8) {
            self.partitions();
        }
        keyless
    }

    fn push(&mut self, kind: Kind, sql: &str, generated: bool, nullable: bool) -> usize {
        let name = self.dice.name(self.columns.len());
        let sql = format!("{} {sql}", quote(&name));
        self.columns.push(Column { name, kind, sql, generated, nullable });
        self.columns.len() - 1
    }

    /// The primary key, of any shape; returns whether there is none.
    fn primary(&mut self) -> bool {
        let keyed = |draft: &mut Self| loop {
            let kind = Kind::draw(draft.dice, draft.brand);
            if matches!(kind.key, Key::Whole | Key::Prefix) {
                return kind;
            }
        };
        let count = match self.dice.below(9) {
            0 => return true,
            1..=3 => {
                let kind = Kind::plain_integer(*self.dice.pick(&[32, 64]), self.dice.one_in(2));
                let auto = if self.dice.one_in(3) { "" } else { " AUTO_INCREMENT" };
                let sql = format!("{} NOT NULL{auto}", kind.sql);
                self.plain_key = Some(self.push(kind, &sql, false, !auto.is_empty()));
                1
            }
            4 => {
                let kind = Kind::plain_integer(64, true);
                let sql = format!("{} NOT NULL", kind.sql);
                self.plain_key = Some(self.push(kind, &sql, false, false));
                1
            }
            5 => self.dice.between(2, 3),
            6 => {
                let kind = Kind::text(self.dice);
                let sql = format!("{} NOT NULL", kind.sql);
                self.push(kind, &sql, false, false);
                1
            }
            _ => 1,
        };
        while self.columns.len() < count as usize {
            let kind = keyed(self);
            let sql = format!("{} NOT NULL", kind.sql);
            self.push(kind, &sql, false, false);
        }
        let parts: Vec<String> = (0..count as usize).map(|i| self.part(i)).collect();
        self.clauses.push(format!("PRIMARY KEY ({})", parts.join(", ")));
        false
    }

    /// A column as part of a key.
    fn part(&mut self, column: usize) -> String {
        let column = &self.columns[column];
        let prefix = match column.kind.key {
            Key::Prefix => format!("({})", self.dice.between(1, 5)),
            _ => String::new(),
        };
        format!("{}{prefix}", quote(&column.name))
    }

    fn column(&mut self) {
        if !self.columns.is_empty() && self.dice.one_in(8) {
            return self.generated();
        }
        let kind = Kind::draw(self.dice, self.brand);
        let nullable = !self.dice.one_in(3);
        let mut sql = format!("{} {}", kind.sql, if nullable { "NULL" } else { "NOT NULL" });
        if kind.default && self.dice.one_in(6) {
            // MySQL shows the default -0 of an unsigned column so that it does not take it back
            // itself.
            let value = kind.value(self.dice);
            sql += &format!(" DEFAULT {}", if value == "-0e0" { "0" } else { &value });
        } else if (kind.sql == "TIMESTAMP" || kind.sql == "DATETIME") && self.dice.one_in(2) {
            sql += " DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP";
        } else if kind.integer && self.dice.one_in(8) {
            sql += " DEFAULT (1 + 1)";
        }
        if nullable && self.dice.one_in(8) {
            sql += " INVISIBLE";
        }
        if self.dice.one_in(8) {
            sql += &format!(" COMMENT {}", literal(&self.dice.word(&NASTY)));
        }
        let index = self.push(kind, &sql, false, nullable);
        if self.dice.one_in(10) {
            let name = quote(&self.columns[index].name);
            let own = quote(&format!("check {}{}", self.columns.len(), self.dice.below(1_000_000)));
            let rule = *self.dice.pick(&["IS NULL OR 1 = 1", "IS NOT NULL"]);
            let lax =
                if self.brand.is_mariadb() || self.dice.one_in(2) { "" } else { " NOT ENFORCED" };
            self.clauses.push(format!("CONSTRAINT {own} CHECK ({name} {rule}){lax}"));
        }
    }

    fn generated(&mut self) {
        let from = self.dice.below(self.columns.len() as u64) as usize;
        let name = quote(&self.columns[from].name);
        let (form, expression) = match self.dice.below(4) {
            0 => ("INT", format!("{name} IS NULL")),
            1 => ("INT", format!("LENGTH({name})")),
            2 => ("VARCHAR(20)", format!("LEFT(HEX({name}), 20)")),
            _ => ("TEXT", format!("CONCAT('it''s \\\\ ', COALESCE({name}, 'ç'))")),
        };
        let kept = *self.dice.pick(&["VIRTUAL", "STORED"]);
        let mut kind =
            if form == "INT" { Kind::plain_integer(32, false) } else { Kind::binary(self.dice) };
        kind.key = if form == "TEXT" { Key::Prefix } else { Key::Whole };
        self.push(kind, &format!("{form} AS ({expression}) {kept}"), true, true);
    }

    /// A table of which no column takes a value.
    fn only_generated(&mut self) -> bool {
        self.push(Kind::plain_integer(32, false), "INT AS (1 + 1) STORED", true, true);
        if self.dice.one_in(2) {
            self.push(Kind::plain_integer(32, false), "INT AS (7) VIRTUAL", true, true);
        }
        true
    }

    fn index(&mut self) {
        if self.columns.is_empty() {
            return;
        }
        let at = self.dice.below(self.columns.len() as u64) as usize;
        let name = quote(&format!("{}{}", self.dice.pick(&NASTY), self.clauses.len() + 100));
        let (key, words, column) =
            (self.columns[at].kind.key, self.columns[at].kind.words, quote(&self.columns[at].name));
        let clause = match key {
            Key::Never => return,
            Key::Spatial if self.columns[at].nullable => return,
            Key::Spatial => format!("SPATIAL KEY {name} ({column})"),
            _ if words && self.dice.one_in(4) => format!("FULLTEXT KEY {name} ({column})"),
            _ if self.brand == Brand::Mysql9 && self.dice.one_in(6) => {
                format!("KEY {name} ((LENGTH({column})))")
            }
            _ => {
                let unique =
                    if self.columns[at].nullable && self.dice.one_in(3) { "UNIQUE " } else { "" };
                let order = *self.dice.pick(&["", "", " DESC"]);
                let hidden = match (self.dice.one_in(5), self.brand.is_mariadb()) {
                    (false, _) => "",
                    (true, true) => " IGNORED",
                    (true, false) => " INVISIBLE",
                };
                format!("{unique}KEY {name} ({}{order}){hidden}", self.part(at))
            }
        };
        self.clauses.push(clause);
    }

    fn partitions(&mut self) {
        let Some(key) = self.plain_key else { return };
        // The mark of a partitioned table counts wrong above 2^63 on MariaDB.
        if self.columns[key].sql.contains("BIGINT UNSIGNED NOT NULL AUTO_INCREMENT") {
            return;
        }
        let key = quote(&self.columns[key].name);
        let part = |n: usize, rule: &str| {
            format!("PARTITION {} VALUES {rule}", quote(&format!("p {n}'`")))
        };
        self.partition = Some(match self.dice.below(4) {
            0 => format!(" PARTITION BY HASH({key}) PARTITIONS 3"),
            1 => format!(" PARTITION BY KEY({key}) PARTITIONS 2"),
            2 => format!(
                " PARTITION BY RANGE ({key}) ({}, {}, {})",
                part(1, "LESS THAN (10)"),
                part(2, "LESS THAN (1000)"),
                part(3, "LESS THAN MAXVALUE")
            ),
            _ => format!(
                " PARTITION BY RANGE ({key}) SUBPARTITION BY HASH({key}) SUBPARTITIONS 2 ({}, {})",
                part(1, "LESS THAN (50)"),
                part(2, "LESS THAN MAXVALUE")
            ),
        });
    }

    /// Foreign keys to earlier tables, or to itself.
    fn references(&mut self, itself: &str, earlier: &[Parent]) {
        let own = self.plain_key.map(|i| Parent {
            table: itself.to_owned(),
            column: self.columns[i].name.clone(),
            sql: self.columns[i].kind.sql.clone(),
        });
        let candidates: Vec<Parent> = earlier.iter().cloned().chain(own).collect();
        if candidates.is_empty() || !self.dice.one_in(3) {
            return;
        }
        let to = self.dice.pick(&candidates).clone();
        let kind = Kind::plain_integer(
            if to.sql.starts_with("BIG") { 64 } else { 32 },
            to.sql.ends_with("UNSIGNED"),
        );
        let at = self.push(kind, &format!("{} NULL", to.sql), false, true);
        let act = *self.dice.pick(&[
            "",
            " ON DELETE CASCADE",
            " ON UPDATE CASCADE ON DELETE SET NULL",
            " ON DELETE NO ACTION",
        ]);
        let name =
            format!("fk {} {}", self.dice.pick(&["`", "'", "表", "x"]), self.dice.below(1_000_000));
        self.clauses.push(format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){act}",
            quote(&name),
            quote(&self.columns[at].name),
            quote(&to.table),
            quote(&to.column)
        ));
    }

    fn options(&mut self, versioned: bool) -> String {
        let mut all = " ENGINE=InnoDB".to_owned();
        if self.dice.one_in(3) {
            all += *self.dice.pick(&[
                " ROW_FORMAT=COMPACT",
                " ROW_FORMAT=REDUNDANT",
                " ROW_FORMAT=DYNAMIC",
            ]);
        }
        if self.dice.one_in(3) {
            all += *self.dice.pick(&[
                " CHARSET=latin1",
                " CHARSET=utf8mb3",
                " CHARSET=sjis",
                " COLLATE=utf8mb4_bin",
            ]);
        }
        if self.columns.iter().any(|c| c.sql.contains("AUTO_INCREMENT")) && self.dice.one_in(3) {
            all += &format!(" AUTO_INCREMENT={}", self.dice.between(1, 100_000));
        }
        if self.dice.one_in(5) {
            all += &format!(" COMMENT={}", literal(&self.dice.word(&NASTY)));
        }
        if versioned {
            all += " WITH SYSTEM VERSIONING";
        }
        all
    }
}
