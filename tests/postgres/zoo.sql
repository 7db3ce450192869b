-- One of everything that PostgreSQL 15 can hold; run once per server, in a database made for it.
CREATE SCHEMA zoo;
CREATE SCHEMA "Odd ""schema""; --";
COMMENT ON SCHEMA zoo IS 'a comment with ''quotes'', a \backslash
and a second line';
CREATE EXTENSION hstore SCHEMA zoo;
CREATE EXTENSION citext;
CREATE EXTENSION postgres_fdw;
COMMENT ON DATABASE zoo IS '-- owner
a database';

-- Types
CREATE TYPE zoo.mood AS ENUM ('sad', 'it''s ok', 'happy', '-- owner');
CREATE TYPE zoo.pair AS (a int, b text);
CREATE TYPE zoo.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN zoo.positive AS int DEFAULT 7 CHECK (VALUE > 0) CONSTRAINT small CHECK (VALUE < 1000000);
COMMENT ON DOMAIN zoo.positive IS 'above zero';
CREATE COLLATION zoo.binary (provider = libc, locale = 'C');
ALTER TYPE zoo.mood ADD VALUE 'new' BEFORE 'sad';

-- Functions, procedures, operators, casts
CREATE FUNCTION zoo.twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT x * 2 -- owner
$$;
CREATE FUNCTION zoo.twice(x text) RETURNS text LANGUAGE plpgsql AS $body$
-- owner
BEGIN
    RETURN x || '; $$ ' || x; -- COPY t FROM stdin;
END
$body$;
CREATE FUNCTION "Odd ""schema""; --"."f;""(int)"(a int DEFAULT 3, VARIADIC b int[] DEFAULT '{}') RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a; END;
CREATE PROCEDURE zoo.nothing(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE FUNCTION zoo.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := 'by trigger'; RETURN NEW; END $$;
CREATE AGGREGATE zoo.total(int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE FUNCTION zoo.near(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 2';
CREATE OPERATOR zoo.~~~ (leftarg = int, rightarg = int, function = zoo.near, commutator = OPERATOR(zoo.~~~));
CREATE FUNCTION zoo.mood_int(zoo.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (zoo.mood AS int) WITH FUNCTION zoo.mood_int(zoo.mood);
CREATE OPERATOR FAMILY zoo.fam USING btree;
CREATE TEXT SEARCH DICTIONARY zoo.dict (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION zoo.conf (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION zoo.conf ALTER MAPPING FOR word WITH zoo.dict;

-- Values
CREATE TABLE zoo.vals (
    id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY,
    f4 real, f8 double precision, n numeric, n2 numeric(10, 2), i2 smallint, i8 bigint, b boolean,
    t text, vc varchar(30), ch char(5), by bytea, d date, ts timestamp, tz timestamptz, tm time, ttz timetz, iv interval,
    u uuid, j json, jb jsonb, x xml, ip inet, mac macaddr, bits bit varying, m money, r int4range, mr int8multirange,
    arr text[], arr2 int[][], comp zoo.pair, comps zoo.pair[], mood zoo.mood, pos zoo.positive, sp zoo.span, h zoo.hstore, ci citext,
    tsv tsvector, tsq tsquery, pt point, pg polygon, o oid, reg regclass, lsn pg_lsn, "char" "char", nm name
);
INSERT INTO zoo.vals (f4, f8, n, n2, i2, i8, b, t, vc, ch, by, d, ts, tz, tm, ttz, iv, u, j, jb, x, ip, mac, bits, m, r, mr, arr, arr2,
    comp, comps, mood, pos, sp, h, ci, tsv, tsq, pt, pg, o, reg, lsn, "char", nm) VALUES
    (16777216, 0.1 + 0.2, 'NaN', 1.10, -32768, -9223372036854775808, true, E'tab\tline\nreturn\rback\\slash \\N \\. é 漢 😀', '', 'ab', '\x00ff5c0a09',
     'infinity', '-infinity', '2026-10-25 02:30:00+02', '24:00:00', '12:00:00+05:30', '1 year -2 mons +3 days 04:05:06.789',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1,  "a":2}', '{"b":1,"a":null}', '<a>&amp;</a>', '10.0.0.0/8', '08:00:2b:01:02:03', B'101',
     '1234.56', '[1,5)', '{[1,3),[7,9)}', ARRAY['a', NULL, '', 'NULL', '"q"', 'c,d'], '{{1,2},{3,4}}', ROW(1, 'x,"y"'), ARRAY[ROW(1,NULL)::zoo.pair],
     'happy', 5, '[1.5,2.5]', 'a=>1, b=>NULL', 'CaSe', 'a fat cat:3A', 'fat & !rat', '(1.5,-2)', '((0,0),(1,1),(2,0))', 4294967295, 'zoo.vals', '16/B374D848', 'x', 'name'),
    ('-Infinity', 'NaN', '-0.000', -99999999.99, 0, 9223372036854775807, false, '', NULL, NULL, '', '4713-01-01 BC', '0001-01-01', '294276-12-31 23:59:59.999999+00',
     NULL, NULL, '-178000000 years', NULL, 'null', '"\u00e9"', NULL, '::1', NULL, '', '-0.01', 'empty', '{}', '{}', NULL, ROW(NULL, NULL), '{}', NULL, NULL, 'empty', '', '', '', '', NULL, NULL, 0, NULL, NULL, '', ''),
    (1.17549435e-38, 5e-324, 123456789012345678901234567890.123456789, NULL, NULL, NULL, NULL, '\.', E'\\N', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO zoo.vals (t) SELECT repeat('long ', 300000);

-- Tables of every kind
CREATE TABLE zoo.nothing ();
INSERT INTO zoo.nothing SELECT FROM generate_series(1, 7);
CREATE TABLE zoo.made (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, gone int, c text COLLATE zoo.binary DEFAULT 'x;y' NOT NULL);
ALTER TABLE zoo.made DROP COLUMN gone;
INSERT INTO zoo.made (a) SELECT generate_series(1, 500);
CREATE TABLE zoo.only_made (a int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO zoo.only_made DEFAULT VALUES;
CREATE UNLOGGED TABLE zoo.unlogged (a int);
INSERT INTO zoo.unlogged VALUES (1), (1), (NULL);
CREATE TABLE zoo.big (id int, pad text);
INSERT INTO zoo.big SELECT g, md5(g::text) || repeat('x', g % 200) FROM generate_series(1, 60000) g;
DELETE FROM zoo.big WHERE id % 7 = 0;
ALTER TABLE zoo.big ADD PRIMARY KEY (id);
CREATE INDEX big_pad ON zoo.big USING hash (pad) WITH (fillfactor = 50);
CREATE INDEX big_part ON zoo.big (lower(pad) DESC NULLS LAST) INCLUDE (id) WHERE id > 100;
ALTER TABLE zoo.big CLUSTER ON big_pkey;
ALTER TABLE zoo.big ALTER pad SET STATISTICS 500, ALTER pad SET STORAGE external;
CREATE STATISTICS zoo.big_stats (dependencies) ON id, pad FROM zoo.big;
CREATE TABLE zoo."Odd ""t""; --
line" ("Select" int, "é 漢" text, "a""b" text DEFAULT $$it's$$, PRIMARY KEY ("Select"));
INSERT INTO zoo."Odd ""t""; --
line" VALUES (1, 'x', E'\\.'), (2, NULL, '');
CREATE TABLE "Odd ""schema""; --".t (a serial, b bigserial);
INSERT INTO "Odd ""schema""; --".t SELECT FROM generate_series(1, 3);
SELECT setval('"Odd ""schema""; --".t_b_seq', 500, false);
CREATE SEQUENCE zoo.alone AS smallint START 5 MINVALUE -9 MAXVALUE 99 INCREMENT -2 CACHE 3 CYCLE;
SELECT nextval('zoo.alone');

-- Partitions and inheritance
CREATE TABLE zoo.part (a int NOT NULL, b text, PRIMARY KEY (a)) PARTITION BY RANGE (a);
CREATE TABLE zoo.part_1 PARTITION OF zoo.part FOR VALUES FROM (0) TO (100);
CREATE TABLE zoo.part_2 (b text, a int NOT NULL);
ALTER TABLE zoo.part ATTACH PARTITION zoo.part_2 FOR VALUES FROM (100) TO (200);
CREATE TABLE zoo.part_d PARTITION OF zoo.part DEFAULT PARTITION BY LIST (a);
CREATE TABLE zoo.part_d1 PARTITION OF zoo.part_d FOR VALUES IN (500, 600);
CREATE INDEX part_b ON zoo.part (b);
INSERT INTO zoo.part SELECT g, 'p' || g FROM generate_series(0, 199) g;
INSERT INTO zoo.part VALUES (500, 'd');
CREATE TABLE zoo.hashed (a zoo.mood, b int) PARTITION BY HASH (b);
CREATE TABLE zoo.hashed_0 PARTITION OF zoo.hashed FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE zoo.hashed_1 PARTITION OF zoo.hashed FOR VALUES WITH (modulus 2, remainder 1);
INSERT INTO zoo.hashed SELECT 'happy', g FROM generate_series(1, 100) g;
CREATE TABLE zoo.parent (a int, note text);
CREATE TABLE zoo.child (c int) INHERITS (zoo.parent);
INSERT INTO zoo.parent VALUES (1, 'parent');
INSERT INTO zoo.child VALUES (2, 'child', 3);

-- Constraints
CREATE TABLE zoo.a (id int PRIMARY KEY, other int, note text CHECK (note <> 'bad'));
CREATE TABLE zoo.b (id int PRIMARY KEY, a int REFERENCES zoo.a ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, self int REFERENCES zoo.b);
ALTER TABLE zoo.a ADD FOREIGN KEY (other) REFERENCES zoo.b ON UPDATE SET NULL;
INSERT INTO zoo.a SELECT g, NULL, 'n' FROM generate_series(1, 50) g;
INSERT INTO zoo.b SELECT g, g, greatest(g - 1, 1) FROM generate_series(1, 50) g;
UPDATE zoo.a SET other = id;
ALTER TABLE zoo.a ADD CONSTRAINT late CHECK (id < 40) NOT VALID;
CREATE TABLE zoo.booking (room int, during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO zoo.booking VALUES (1, '[1,5)'), (2, '[5,9)');
ALTER TABLE zoo.b REPLICA IDENTITY FULL;

-- Views, triggers, rules, policies
CREATE TABLE zoo.watched (id int, changed text);
INSERT INTO zoo.watched VALUES (1, 'as it was');
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON zoo.watched FOR EACH ROW EXECUTE FUNCTION zoo.stamp();
CREATE TRIGGER off AFTER DELETE ON zoo.watched FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER TABLE zoo.watched DISABLE TRIGGER off;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON zoo.a DEFERRABLE FOR EACH ROW EXECUTE FUNCTION zoo.stamp();
CREATE VIEW zoo.v1 AS SELECT id, pad FROM zoo.big WHERE id < 10;
CREATE VIEW zoo.a_v2 WITH (security_barrier) AS SELECT * FROM zoo.v1 WITH LOCAL CHECK OPTION;
CREATE VIEW zoo.grouped AS SELECT id, pad FROM zoo.big GROUP BY id;
CREATE MATERIALIZED VIEW zoo.m1 AS SELECT count(*) AS n FROM zoo.big;
CREATE MATERIALIZED VIEW zoo.a_m2 AS SELECT n + 1 AS n FROM zoo.m1;
CREATE UNIQUE INDEX ON zoo.a_m2 (n);
CREATE MATERIALIZED VIEW zoo.empty_m AS SELECT 1 AS one WITH NO DATA;
CREATE RULE no_delete AS ON DELETE TO zoo.watched DO INSTEAD NOTHING;
CREATE TABLE zoo.guarded (id int, who text);
INSERT INTO zoo.guarded VALUES (1, 'me'), (2, 'you');
ALTER TABLE zoo.guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE zoo.guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON zoo.guarded FOR SELECT TO PUBLIC USING (who = current_user);

-- Other servers, publications, event triggers
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', dbname 'x');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'CANARY-mapping');
CREATE FOREIGN TABLE zoo.far_table (a int, b text) SERVER far OPTIONS (table_name 't');
CREATE PUBLICATION pub FOR TABLE zoo.a (id), zoo.b WHERE (id > 5) WITH (publish = 'insert');
CREATE PUBLICATION pub_all FOR TABLES IN SCHEMA zoo;
CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION far WITH (connect = false, slot_name = NONE);
CREATE FUNCTION zoo.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER on_ddl ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION zoo.on_ddl();
COMMENT ON EVENT TRIGGER on_ddl IS 'looks on';

-- Owners and rights
GRANT USAGE ON SCHEMA zoo TO zoo_reader;
GRANT SELECT ON zoo.a, zoo.v1, zoo.m1 TO zoo_reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (note) ON zoo.a TO zoo_writer;
REVOKE EXECUTE ON FUNCTION zoo.twice(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION zoo.twice(int) TO zoo_reader;
GRANT USAGE ON SEQUENCE zoo.alone TO zoo_writer;
GRANT USAGE ON TYPE zoo.mood TO zoo_writer;
GRANT CONNECT, TEMPORARY ON DATABASE zoo TO zoo_reader;
REVOKE ALL ON zoo.unlogged FROM postgres;
ALTER DEFAULT PRIVILEGES IN SCHEMA zoo GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_writer REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER TABLE zoo.parent OWNER TO zoo_writer;
ALTER FUNCTION zoo.twice(text) OWNER TO zoo_writer;
ALTER TYPE zoo.pair OWNER TO zoo_writer;
ALTER SCHEMA "Odd ""schema""; --" OWNER TO "zoo odd""role";
ALTER MATERIALIZED VIEW zoo.m1 OWNER TO zoo_writer;
GRANT SELECT ON zoo.big TO zoo_writer;
ALTER DATABASE zoo SET work_mem = '5MB';
ALTER ROLE zoo_reader IN DATABASE zoo SET search_path = 'zoo', 'public';

-- Large objects
SELECT lo_from_bytea(4242, decode(repeat('00ff5c', 200000), 'hex'));
SELECT lo_create(4243);
SELECT lo_from_bytea(4244, '\x00000000');
SELECT lo_create(4245), lo_put(4245, 1000000, '\x01');
COMMENT ON LARGE OBJECT 4242 IS 'it''s large';
GRANT SELECT ON LARGE OBJECT 4242 TO zoo_reader;
ALTER LARGE OBJECT 4243 OWNER TO zoo_writer;
COMMENT ON TABLE zoo.a IS '-- owner
two lines';
COMMENT ON COLUMN zoo.a.id IS 'key';
COMMENT ON INDEX zoo.big_pad IS 'hash';
COMMENT ON CONSTRAINT late ON zoo.a IS 'not valid';
COMMENT ON TRIGGER stamp ON zoo.watched IS 'stamps';
COMMENT ON FUNCTION zoo.twice(int) IS 'doubles';
