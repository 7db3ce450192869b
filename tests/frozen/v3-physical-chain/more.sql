UPDATE kept SET line = 'later' WHERE id <= 10;
DELETE FROM kept WHERE id > 150;
CREATE TABLE late (id int);
INSERT INTO late VALUES (1), (NULL);
