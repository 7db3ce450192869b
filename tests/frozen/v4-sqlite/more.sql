UPDATE person SET born = '1991-12-31' WHERE name = 'João d''Água';
DELETE FROM loan WHERE book % 2 = 0;
INSERT INTO vacant VALUES ('no more');
