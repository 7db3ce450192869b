SET NAMES utf8mb4;
SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', character_set_client = utf8mb4;
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE shop;
CREATE TABLE person (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, email VARCHAR(80) CHARACTER SET latin1,
    initial CHAR(1) GENERATED ALWAYS AS (LEFT(name, 1)) STORED, UNIQUE KEY email (email), KEY initial (initial)) COMMENT 'who; \'ção\'' AUTO_INCREMENT=100;
CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, person INT UNSIGNED NOT NULL, state ENUM('new','paid','it''s ção') NOT NULL DEFAULT 'new',
    total DECIMAL(12,2) NOT NULL, made TIMESTAMP(3) NOT NULL DEFAULT '2020-01-01 00:00:00', CONSTRAINT orders_person FOREIGN KEY (person) REFERENCES person (id) ON DELETE CASCADE,
    KEY state (state, made));
CREATE TABLE everything (id INT PRIMARY KEY, ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(65,30), f FLOAT, d DOUBLE, bi BIT(10), da DATE, dt DATETIME(6), ts TIMESTAMP NULL,
    t TIME(3), y YEAR, c CHAR(5), vb VARBINARY(300), tx TEXT, l VARCHAR(20) CHARACTER SET latin1, bl BLOB, s SET('a','b','c'), j JSON, g GEOMETRY);
CREATE TABLE vacant (x INT) ENGINE=InnoDB;
CREATE TABLE `sp ace-ção` (`select` INT, `a.b` VARCHAR(20) DEFAULT 'x;y');
CREATE TABLE parts (id INT NOT NULL, year INT NOT NULL, v VARCHAR(10), PRIMARY KEY (id, year)) PARTITION BY RANGE (year) (PARTITION old VALUES LESS THAN (2000), PARTITION new VALUES LESS THAN MAXVALUE);
CREATE TABLE told (line VARCHAR(100));
INSERT INTO person (id, name, email) VALUES (0, 'Zero', NULL), (1, 'Ana', 'ana@example.com'), (2, 'João d\'Água', 'joão@example.com'), (3, '日本 🦀', '');
INSERT INTO everything VALUES
    (1, -128, 18446744073709551615, 12345678901234567890123456789012345.123456789012345678901234567890, 1.5, 0.1, b'1111111111', '0000-00-00', '2020-02-29 23:59:59.999999', '2001-09-09 01:46:40', '-838:59:59', 2155, 'ab', UNHEX('00FF27225C0A1A80'), 'a\nb\t\\ \'"\r\0', 'é ÿ', UNHEX('1A0A0D00'), 'a,c', '{"a": [1, 2.5, null, "ção \\" 🦀"]}', ST_GeomFromText('POLYGON((0 0,0 4,4 4,4 0,0 0))')),
    (2, 127, 0, -0.000000000000000000000000000001, -3.25, -1.7976931348623157e308, b'0', '9999-12-31', '1000-01-01 00:00:00', NULL, '00:00:00.001', 1901, '', '', '', '', '', '', '[]', ST_GeomFromText('POINT(1.25 -2)')),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO `sp ace-ção` VALUES (1, 'ção; -- no'), (NULL, NULL);
INSERT INTO parts VALUES (1, 1999, 'old'), (2, 2000, 'new'), (1, 2026, NULL);
INSERT INTO orders (person, state, total, made)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000), all_of (i) AS (SELECT 1000 * k + i FROM n, (SELECT 0 AS k UNION SELECT 1 UNION SELECT 2) AS thousands)
    SELECT i % 4, 1 + i % 3, i * 1.25, TIMESTAMPADD(MINUTE, i, '2026-01-01 00:00:00') FROM all_of ORDER BY i;
CREATE DEFINER=root@localhost VIEW paid AS SELECT p.name, o.total FROM orders o JOIN person p ON p.id = o.person WHERE o.state = 'paid';
CREATE DEFINER=root@localhost SQL SECURITY INVOKER VIEW best AS SELECT name, MAX(total) AS total FROM paid GROUP BY name;
DELIMITER //
CREATE DEFINER=root@localhost FUNCTION vat(amount DECIMAL(12,2)) RETURNS DECIMAL(12,2) DETERMINISTIC COMMENT 'in %' RETURN ROUND(amount * 0.19, 2)//
CREATE DEFINER=root@localhost PROCEDURE pay(IN which BIGINT)
BEGIN
    -- a comment; with a semicolon
    UPDATE orders SET state = 'paid' WHERE id = which;
    INSERT INTO told VALUES (CONCAT('paid; ', which));
END//
CREATE DEFINER=root@localhost TRIGGER person_told AFTER INSERT ON person FOR EACH ROW
BEGIN
    INSERT INTO told VALUES (CONCAT('it''s ', NEW.name));
END//
CREATE DEFINER=root@localhost EVENT sweep ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO
BEGIN
    DELETE FROM told;
END//
DELIMITER ;
INSERT INTO person (id, name, email) VALUES (50, 'Eve', 'eve@example.com');
CREATE DATABASE crm CHARACTER SET latin1;
USE crm;
CREATE TABLE note (id INT PRIMARY KEY, body LONGTEXT);
INSERT INTO note VALUES (1, 'olá'), (2, REPEAT('x', 100000));
