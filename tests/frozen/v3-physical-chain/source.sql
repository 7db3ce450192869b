CREATE TABLE kept (id int PRIMARY KEY, line text);
INSERT INTO kept SELECT g, 'row ' || g || ' ção' FROM generate_series(1, 200) g;
CREATE ROLE clerk LOGIN PASSWORD 'CANARY-frozen';
GRANT SELECT ON kept TO clerk;
