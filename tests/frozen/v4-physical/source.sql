CREATE TABLE kept (id int PRIMARY KEY, line text);
INSERT INTO kept SELECT g, 'row ' || g || ' ção' FROM generate_series(1, 200) g;
CREATE ROLE clerk LOGIN PASSWORD 'CANARY-frozen';
GRANT SELECT ON kept TO clerk;
CREATE TABLESPACE fast LOCATION '/var/lib/postgresql/fast';
CREATE TABLE quick (id int PRIMARY KEY USING INDEX TABLESPACE fast) TABLESPACE fast;
INSERT INTO quick SELECT generate_series(1, 50);
