PRAGMA user_version = 7;
CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE, born TEXT, upper_name TEXT AS (upper(name)) STORED);
CREATE TABLE value (what TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE loan (person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE, book INTEGER NOT NULL, days REAL DEFAULT 14.5);
CREATE TABLE vacant (x);
CREATE TABLE page (number INTEGER PRIMARY KEY, body TEXT);
CREATE TABLE "a ""quoted"" name" ("select" INT, "größe" TEXT);
CREATE TABLE log (at INTEGER PRIMARY KEY, line TEXT);
CREATE UNIQUE INDEX person_name ON person (name) WHERE born IS NOT NULL;
CREATE INDEX loan_book ON loan (book, days DESC);
CREATE VIEW lent AS SELECT p.name, count(*) AS books FROM person p JOIN loan l ON l.person = p.id GROUP BY p.id;
CREATE TRIGGER loan_told AFTER INSERT ON loan BEGIN INSERT INTO log (line) VALUES ('lent; ' || NEW.book); END;
INSERT INTO person (name, born) VALUES ('Ana', '1990-02-28'), ('João d''Água', NULL), ('日本 🦀', '2000-01-01'), ('gone', NULL);
DELETE FROM person WHERE name = 'gone';
INSERT INTO value VALUES ('null', NULL), ('least', -9223372036854775808), ('most', 9223372036854775807), ('tenth', 0.1), ('third', 1.0 / 3),
    ('tiny', 5e-324), ('infinite', 9e999), ('empty', ''), ('lines', 'a' || char(10) || 'b' || char(13) || char(9) || 'c'), ('empty bytes', x''),
    ('bytes', x'00ff27225c0a1a80'), ('nul', CAST(x'610062' AS TEXT)), ('latin', CAST(x'e9' AS TEXT)), ('large', zeroblob(3000));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
    INSERT INTO loan SELECT 1 + i % 3, i, i / 8.0 FROM n;
INSERT INTO "a ""quoted"" name" VALUES (1, 'ção;'), (NULL, '-- no comment');
INSERT INTO page SELECT book, replace(hex(zeroblob(300)), '00', 'page ' || book || '; ') FROM loan WHERE book <= 30;
