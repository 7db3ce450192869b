SET NAMES utf8mb4;
SHOW CREATE USER ana@'%';
SHOW CREATE USER 'o''neil'@'10.0.0.0/255.0.0.0';
SHOW CREATE USER locked@localhost;
SHOW GRANTS FOR clerk;
SHOW GRANTS FOR `chief clerk`;
SHOW GRANTS FOR ana@'%';
SHOW GRANTS FOR 'o''neil'@'10.0.0.0/255.0.0.0';
SHOW GRANTS FOR locked@localhost;
