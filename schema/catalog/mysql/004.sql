-- The catalog in MySQL and MariaDB: what 004 of SQLite has. Every statement ends in a line of its own with `;` and can be
-- repeated; where one commits by itself, the number of those that are done is kept in meta. Moments are texts of one
-- width, 2026-01-31T09:05:00.000000Z; verdicts are 1 Sucesso, 2 Alerta, 3 Erro.

CREATE TABLE IF NOT EXISTS meta (
    name       VARCHAR(64) NOT NULL,
    value_text MEDIUMTEXT NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS run (
    id       VARCHAR(64) NOT NULL,
    kind     VARCHAR(32) NOT NULL,
    job      VARCHAR(128) NOT NULL,
    file     VARCHAR(255) NOT NULL,
    host     VARCHAR(64) NOT NULL,
    pid      BIGINT NOT NULL,
    started  VARCHAR(32) NOT NULL,
    finished VARCHAR(32),
    verdict  TINYINT UNSIGNED,
    note     MEDIUMTEXT NOT NULL,
    beat     VARCHAR(32),
    progress MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    INDEX run_job (job, started),
    INDEX run_started (started),
    INDEX run_open (finished, host)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS step (
    run      VARCHAR(64) NOT NULL,
    number   BIGINT NOT NULL,
    address  MEDIUMTEXT NOT NULL,
    verb     VARCHAR(32) NOT NULL,
    source   VARCHAR(128) NOT NULL,
    chain    VARCHAR(128) NOT NULL,
    store    VARCHAR(128) NOT NULL,
    started  VARCHAR(32),
    finished VARCHAR(32),
    state    VARCHAR(32) NOT NULL,
    verdict  TINYINT UNSIGNED,
    code     VARCHAR(64) NOT NULL,
    message  MEDIUMTEXT NOT NULL,
    PRIMARY KEY (run, number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS artifact (
    id           VARCHAR(64) NOT NULL,
    source       VARCHAR(128) NOT NULL,
    job          VARCHAR(128) NOT NULL,
    file         VARCHAR(255) NOT NULL,
    origin       MEDIUMTEXT NOT NULL,
    sign         MEDIUMTEXT NOT NULL,
    parent       VARCHAR(64),
    kind         VARCHAR(32) NOT NULL,
    server       MEDIUMTEXT NOT NULL,
    units        MEDIUMTEXT NOT NULL,
    name         VARCHAR(255) NOT NULL,
    raw_bytes    BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    row_count    BIGINT NOT NULL,
    started      VARCHAR(32) NOT NULL,
    finished     VARCHAR(32) NOT NULL,
    position     MEDIUMTEXT,
    inconsistent MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id, source)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS copy (
    id         VARCHAR(64) NOT NULL,
    source     VARCHAR(128) NOT NULL,
    store      VARCHAR(128) NOT NULL,
    place      MEDIUMTEXT NOT NULL,
    bucket     MEDIUMTEXT NOT NULL,
    object_key MEDIUMTEXT NOT NULL,
    bytes      BIGINT NOT NULL,
    started    VARCHAR(32) NOT NULL,
    finished   VARCHAR(32) NOT NULL,
    verdict    TINYINT UNSIGNED NOT NULL,
    code       VARCHAR(64) NOT NULL,
    message    MEDIUMTEXT NOT NULL,
    removed    VARCHAR(32),
    PRIMARY KEY (id, source, store),
    INDEX copy_verdict (verdict),
    INDEX copy_started (started),
    INDEX copy_finished (finished),
    INDEX copy_chain (source, id),
    INDEX copy_removed (removed, verdict)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS proof (
    id     VARCHAR(64) NOT NULL,
    source VARCHAR(128) NOT NULL,
    store  VARCHAR(128) NOT NULL,
    at     VARCHAR(32) NOT NULL,
    level  VARCHAR(32) NOT NULL,
    good   BIGINT NOT NULL,
    damage MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id, source, store, at),
    INDEX proof_chain (source, id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS backup (
    number    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    id        VARCHAR(64) NOT NULL,
    source    VARCHAR(128) NOT NULL,
    chain     VARCHAR(128) NOT NULL,
    job       VARCHAR(128) NOT NULL,
    file      VARCHAR(255) NOT NULL,
    host      VARCHAR(255) NOT NULL,
    server    MEDIUMTEXT NOT NULL,
    units     MEDIUMTEXT NOT NULL,
    name      VARCHAR(255) NOT NULL,
    raw_bytes BIGINT NOT NULL DEFAULT 0,
    bytes     BIGINT NOT NULL DEFAULT 0,
    started   VARCHAR(32) NOT NULL,
    finished  VARCHAR(32),
    verdict   TINYINT UNSIGNED,
    note      MEDIUMTEXT NOT NULL,
    created   VARCHAR(32) NOT NULL,
    shown     MEDIUMTEXT NOT NULL, -- no longer used
    upload    TINYINT UNSIGNED,
    PRIMARY KEY (number),
    UNIQUE (id, source),
    -- Pages sort, count and cut lists by an index alone: what decides whether a row is listed stands in it.
    INDEX backup_host (host, number, verdict, finished),
    INDEX backup_verdict (verdict, started, number, finished),
    INDEX backup_size (raw_bytes, number, verdict, finished),
    INDEX backup_started (started, number, verdict, finished),
    INDEX backup_finished (finished, number, verdict),
    INDEX backup_chain (source, job, started),
    INDEX backup_upload (upload),
    INDEX backup_shown (shown(1))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS upload (
    number  BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    id      VARCHAR(64) NOT NULL,
    source  VARCHAR(128) NOT NULL,
    store   VARCHAR(128) NOT NULL,
    created VARCHAR(32) NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (id, source, store)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS place (
    place VARCHAR(512) NOT NULL,
    id    VARCHAR(64) NOT NULL,
    seen  VARCHAR(32) NOT NULL,
    PRIMARY KEY (place)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS declared_job (
    host            VARCHAR(64) NOT NULL,
    file            VARCHAR(255) NOT NULL,
    job             VARCHAR(128) NOT NULL,
    schedule        MEDIUMTEXT NOT NULL,
    zone            VARCHAR(64) NOT NULL,
    within_s        BIGINT,
    parallel_chains BIGINT NOT NULL,
    enabled         BIGINT NOT NULL,
    seen            VARCHAR(32) NOT NULL,
    PRIMARY KEY (host, file, job)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS declared_source (
    host             VARCHAR(64) NOT NULL,
    file             VARCHAR(255) NOT NULL,
    source           VARCHAR(128) NOT NULL,
    kind             VARCHAR(32) NOT NULL,
    address          MEDIUMTEXT NOT NULL,
    site             MEDIUMTEXT NOT NULL,
    scratch          BIGINT NOT NULL,
    restore_within_s BIGINT,
    seen             VARCHAR(32) NOT NULL,
    PRIMARY KEY (host, file, source)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS declared_chain (
    host   VARCHAR(64) NOT NULL,
    file   VARCHAR(255) NOT NULL,
    job    VARCHAR(128) NOT NULL,
    verb   VARCHAR(32) NOT NULL,
    source VARCHAR(128) NOT NULL,
    chain  VARCHAR(128) NOT NULL,
    sealed BIGINT NOT NULL,
    number BIGINT NOT NULL,
    seen   VARCHAR(32) NOT NULL,
    PRIMARY KEY (host, file, job, chain)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS declared_copy (
    host      VARCHAR(64) NOT NULL,
    file      VARCHAR(255) NOT NULL,
    job       VARCHAR(128) NOT NULL,
    chain     VARCHAR(128) NOT NULL,
    store     VARCHAR(128) NOT NULL,
    place     MEDIUMTEXT NOT NULL,
    keep_text MEDIUMTEXT NOT NULL,
    optional  BIGINT NOT NULL,
    verified  BIGINT NOT NULL,
    site      MEDIUMTEXT NOT NULL,
    seen      VARCHAR(32) NOT NULL,
    PRIMARY KEY (host, file, job, chain, store)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS account (
    id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name      VARCHAR(100) NOT NULL,
    login     VARCHAR(50) NOT NULL,
    password  VARCHAR(255) NOT NULL,
    created   VARCHAR(32) NOT NULL,
    last_seen VARCHAR(32),
    language  VARCHAR(32) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (login),
    INDEX account_created (created)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS privilege (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name        VARCHAR(13) NOT NULL,
    description VARCHAR(90) NOT NULL,
    created     VARCHAR(32) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS account_privilege (
    id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    account   BIGINT UNSIGNED NOT NULL,
    privilege BIGINT UNSIGNED NOT NULL,
    created   VARCHAR(32) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (account, privilege),
    FOREIGN KEY (account) REFERENCES account (id) ON DELETE CASCADE,
    FOREIGN KEY (privilege) REFERENCES privilege (id),
    INDEX account_privilege_created (created)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS session (
    token_hash VARCHAR(128) NOT NULL,
    account    BIGINT UNSIGNED NOT NULL,
    csrf       VARCHAR(128) NOT NULL,
    created    VARCHAR(32) NOT NULL,
    seen       VARCHAR(32) NOT NULL,
    peer       MEDIUMTEXT NOT NULL,
    PRIMARY KEY (token_hash),
    FOREIGN KEY (account) REFERENCES account (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS audit (
    number      BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    at          VARCHAR(32) NOT NULL,
    who         VARCHAR(255) NOT NULL,
    peer        MEDIUMTEXT NOT NULL,
    action      VARCHAR(128) NOT NULL,
    target      MEDIUMTEXT NOT NULL,
    before_text MEDIUMTEXT NOT NULL,
    after_text  MEDIUMTEXT NOT NULL,
    previous    VARCHAR(128) NOT NULL,
    digest      VARCHAR(128) NOT NULL,
    PRIMARY KEY (number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS drill (
    id          VARCHAR(64) NOT NULL,
    run         VARCHAR(64) NOT NULL,
    at          VARCHAR(32) NOT NULL,
    source      VARCHAR(128) NOT NULL,
    backup      VARCHAR(64) NOT NULL,
    store       VARCHAR(128) NOT NULL,
    target      MEDIUMTEXT NOT NULL,
    verdict     TINYINT UNSIGNED NOT NULL,
    table_count BIGINT NOT NULL,
    row_count   BIGINT NOT NULL,
    rto_s       BIGINT,
    who         VARCHAR(255) NOT NULL,
    message     MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id),
    INDEX drill_at (at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS remark (
    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    at     VARCHAR(32) NOT NULL,
    who    VARCHAR(255) NOT NULL,
    kind   VARCHAR(32) NOT NULL,
    drill  VARCHAR(64) NOT NULL,
    source VARCHAR(128) NOT NULL,
    body   MEDIUMTEXT NOT NULL,
    owner  VARCHAR(255) NOT NULL,
    open   BIGINT NOT NULL,
    PRIMARY KEY (number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS schedule_override (
    host     VARCHAR(64) NOT NULL,
    file     VARCHAR(255) NOT NULL,
    job      VARCHAR(128) NOT NULL,
    state    VARCHAR(32) NOT NULL,
    schedule MEDIUMTEXT NOT NULL,
    who      VARCHAR(255) NOT NULL,
    at       VARCHAR(32) NOT NULL,
    PRIMARY KEY (host, file, job)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS run_request (
    number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    host   VARCHAR(64) NOT NULL,
    file   VARCHAR(255) NOT NULL,
    job    VARCHAR(128) NOT NULL,
    step   MEDIUMTEXT NOT NULL,
    who    VARCHAR(255) NOT NULL,
    at     VARCHAR(32) NOT NULL,
    taken  VARCHAR(32),
    run    VARCHAR(64) NOT NULL,
    PRIMARY KEY (number),
    INDEX run_request_taken (host, taken)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS host (
    name     VARCHAR(64) NOT NULL,
    due_seen VARCHAR(32),
    seen     VARCHAR(32) NOT NULL,
    version  VARCHAR(64) NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS run_log (
    run    VARCHAR(64) NOT NULL,
    number BIGINT NOT NULL,
    at     VARCHAR(32) NOT NULL,
    level  BIGINT NOT NULL,
    step   BIGINT,
    line   MEDIUMTEXT NOT NULL,
    PRIMARY KEY (run, number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS lease (
    job     VARCHAR(255) NOT NULL,
    holder  VARCHAR(255) NOT NULL,
    process MEDIUMTEXT NOT NULL,
    token   BIGINT NOT NULL,
    expires VARCHAR(32) NOT NULL,
    PRIMARY KEY (job)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO privilege (id, name, description, created) VALUES
    (1, 'Administrador', 'Gere os usuários e executa backups.', '2026-01-01T00:00:00.000000Z'),
    (2, 'Cliente', 'Consulta o dashboard e os backups.', '2026-01-01T00:00:00.000000Z');

CREATE OR REPLACE VIEW backup_log AS
    SELECT number AS id,
           cast(left(host, 100) AS CHAR(100)) AS hostname,
           cast(left(CASE units WHEN '' THEN source ELSE units END, 1024) AS CHAR(1024)) AS nome_database,
           name AS nome_arquivo,
           cast(round(raw_bytes / 1048576, 2) AS DECIMAL(18,2)) AS tamanho_arquivo,
           verdict AS status_backup,
           cast(left(server, 50) AS CHAR(50)) AS versao_servidor,
           nullif(cast(left(note, 1024) AS CHAR(1024)), '') AS observacao,
           cast(replace(left(started, 19), 'T', ' ') AS DATETIME) AS data_inicio,
           cast(replace(left(finished, 19), 'T', ' ') AS DATETIME) AS data_encerramento,
           cast(replace(left(created, 19), 'T', ' ') AS DATETIME) AS data_criacao,
           cast(round(bytes / 1048576, 2) AS DECIMAL(18,2)) AS tamanho_compactado
    FROM backup WHERE verdict IS NOT NULL AND finished IS NOT NULL;

CREATE OR REPLACE VIEW upload_s3_log AS
    SELECT u.number AS id,
           b.number AS backup_id,
           b.name AS nome_arquivo,
           cast(round(c.bytes / 1048576, 2) AS DECIMAL(18,2)) AS tamanho_arquivo,
           c.object_key AS caminho_arquivo,
           cast(left(c.bucket, 512) AS CHAR(512)) AS bucket,
           c.verdict AS status_upload,
           cast(replace(left(c.started, 19), 'T', ' ') AS DATETIME) AS data_inicio,
           cast(replace(left(c.finished, 19), 'T', ' ') AS DATETIME) AS data_encerramento,
           cast(replace(left(u.created, 19), 'T', ' ') AS DATETIME) AS data_criacao
    FROM upload u
    JOIN copy c ON c.id = u.id AND c.source = u.source AND c.store = u.store
    JOIN backup b ON b.id = u.id AND b.source = u.source
    WHERE c.bucket <> '' AND b.verdict IS NOT NULL;

CREATE OR REPLACE VIEW usuario AS
    SELECT id,
           cast(left(name, 100) AS CHAR(100)) AS nome,
           cast(left(login, 50) AS CHAR(50)) AS login,
           cast(left(password, 255) AS CHAR(255)) AS senha,
           cast(replace(left(last_seen, 19), 'T', ' ') AS DATETIME) AS ultimo_acesso,
           cast(replace(left(created, 19), 'T', ' ') AS DATETIME) AS data_criacao
    FROM account;

CREATE OR REPLACE VIEW privilegio AS
    SELECT id,
           cast(left(name, 13) AS CHAR(13)) AS nome,
           cast(left(description, 90) AS CHAR(90)) AS descricao,
           cast(replace(left(created, 19), 'T', ' ') AS DATETIME) AS data_criacao
    FROM privilege;

CREATE OR REPLACE VIEW usuario_privilegio AS
    SELECT id,
           account AS usuario_id,
           privilege AS privilegio_id,
           cast(replace(left(created, 19), 'T', ' ') AS DATETIME) AS data_criacao
    FROM account_privilege;
