CREATE ROLE clerk LOGIN PASSWORD 'CANARY-frozen';
CREATE ROLE office;
GRANT office TO clerk;
ALTER ROLE clerk SET work_mem = '7MB';
CREATE DATABASE erp;
\c erp
COMMENT ON DATABASE erp IS 'frozen';
CREATE SCHEMA sales AUTHORIZATION office;
CREATE TYPE sales.mood AS ENUM ('sad', 'ok', 'it''s ção');
CREATE TYPE sales.pair AS (a int, b text);
CREATE DOMAIN sales.amount AS numeric(12,2) CHECK (VALUE >= 0);
CREATE SEQUENCE sales.ticket START 1000 INCREMENT 5;
CREATE TABLE sales.person (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL COLLATE "C", mood sales.mood DEFAULT 'ok',
    initial text GENERATED ALWAYS AS ("left"(name, 1)) STORED);
CREATE TABLE sales.orders (id int PRIMARY KEY, person bigint NOT NULL REFERENCES sales.person ON DELETE CASCADE, total sales.amount, made timestamptz NOT NULL,
    ticket bigint DEFAULT nextval('sales.ticket'), CONSTRAINT orders_early CHECK (made < '2100-01-01'));
CREATE INDEX orders_dear ON sales.orders (total DESC NULLS LAST) WHERE total > 100;
CREATE INDEX orders_day ON sales.orders ((made AT TIME ZONE 'UTC'));
CREATE TABLE public.everything (id int PRIMARY KEY, i2 smallint, i8 bigint, n numeric, f4 real, f8 double precision, b bool, t text, v varchar(5), c char(5), by bytea,
    d date, ts timestamp, tz timestamptz, ti time, iv interval, u uuid, j json, jb jsonb, ip inet, m macaddr, r int4range, a int[], ta text[][], p point, bi bit varying(9),
    x xml, pa sales.pair, ts_v tsvector, mo money, o oid);
CREATE TABLE public.measure (at date NOT NULL, place int NOT NULL, v real, PRIMARY KEY (at, place)) PARTITION BY RANGE (at);
CREATE TABLE public.measure_2025 PARTITION OF public.measure FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE public.measure_rest PARTITION OF public.measure DEFAULT PARTITION BY LIST (place);
CREATE TABLE public.measure_rest_1 PARTITION OF public.measure_rest DEFAULT;
CREATE TABLE public."a ""quoted"" Name" ("Select" int, "größe" text);
CREATE TABLE public.vacant ();
CREATE TABLE public.told (line text);
CREATE FUNCTION sales.vat(sales.amount) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round($1 * 0.19, 2)';
CREATE FUNCTION sales.tell() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- a comment; with a semicolon
    INSERT INTO public.told VALUES ('it''s ' || NEW.name);
    RETURN NEW;
END
$body$;
CREATE TRIGGER person_told AFTER INSERT ON sales.person FOR EACH ROW EXECUTE FUNCTION sales.tell();
INSERT INTO sales.person (name, mood) VALUES ('Ana', 'sad'), ('João d''Água', 'it''s ção'), ('日本 🦀', NULL);
INSERT INTO sales.orders (id, person, total, made) SELECT g, 1 + g % 3, g * 1.25, '2026-01-01 00:00:00+00'::timestamptz + g * interval '1 minute' FROM generate_series(1, 3000) g;
INSERT INTO public.everything VALUES
    (1, -32768, 9223372036854775807, 1234567890123456789012345678901234567890.000000000000000000000001, 0.1, 0.1, true, E'a\nb\tc\\d\r\\N', 'é ÿ 🦀', 'ab', '\x00ff27225c0a1a80',
     '4713-01-01 BC', '294276-12-31 23:59:59.999999', '2001-09-09 01:46:40+00', '24:00:00', '1 year -2 mons 3 days -04:05:06.000007', '123e4567-e89b-12d3-a456-426655440000', '{"a" : [1,2.50,null]}', '{"b": "ção \" 🦀", "a": 1.50}',
     '2001:db8::1/64', '08:00:2b:01:02:03', '[1,9)', '{1,NULL,3}', '{{a,"b c"},{"\"",NULL}}', '(1.5,-2)', B'10101', '<a b="c"/>', ROW(1, 'x,"y"'), 'cat:3 fat:2A', '-12.34', 4294967295),
    (2, 0, 0, 'NaN', '-Infinity', '-0', false, '', '', '', '', 'infinity', '-infinity', 'infinity', '00:00:00.000001', '0', NULL, 'null', '[]', '10.0.0.0/8', NULL, 'empty', '{}', '{}', NULL, '', NULL, NULL, '', '0', 0),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.measure SELECT '2025-12-25'::date + g, g % 4, g / 8.0 FROM generate_series(0, 19) g;
INSERT INTO public."a ""quoted"" Name" VALUES (1, 'ção; -- no'), (NULL, NULL);
CREATE VIEW sales.dear AS SELECT p.name, o.total FROM sales.orders o JOIN sales.person p ON p.id = o.person WHERE o.total > 3740;
CREATE MATERIALIZED VIEW sales.heap AS SELECT person, count(*) AS orders, sum(total) AS total FROM sales.orders GROUP BY person;
COMMENT ON TABLE sales.orders IS 'it''s; "orders"';
COMMENT ON COLUMN sales.orders.total IS 'ção';
ALTER TABLE sales.orders OWNER TO office;
GRANT SELECT ON sales.dear TO clerk;
GRANT UPDATE (total) ON sales.orders TO clerk;
ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_dear ON sales.orders FOR SELECT TO clerk USING (total > 100);
SELECT lo_from_bytea(4711, decode(repeat('00ff27', 100), 'hex')), lo_from_bytea(4712, ''), lo_put(4712, 300000, 'far');
COMMENT ON LARGE OBJECT 4711 IS 'a large one';
CREATE DATABASE hr TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C';
\c hr
CREATE TABLE public.staff (id serial PRIMARY KEY, name text);
INSERT INTO public.staff (name) VALUES ('Zoë'), (NULL);
