-- For pages and for many hosts: heartbeat and progress of runs, what files declare, accounts, drills, leases. From here on
-- steps only add; the tables of MySQL and PostgreSQL begin with this one. New moments have a fixed width:
-- 2026-01-31T09:05:00.000000Z.

CREATE TABLE meta (
    name       TEXT PRIMARY KEY,
    value_text TEXT NOT NULL
);
-- The oldest version whose programs can still use these tables.
INSERT INTO meta (name, value_text) VALUES ('reads_from', '4');

ALTER TABLE run ADD COLUMN beat TEXT;                             -- last sign of life, by the clock of the catalog
ALTER TABLE run ADD COLUMN progress TEXT NOT NULL DEFAULT '';     -- {"STEP": {"raw":…,"rows":…,"stored":…,"sent":…,"estimate":…}}
CREATE INDEX run_started ON run (started);
CREATE INDEX run_open ON run (finished, host);

ALTER TABLE backup ADD COLUMN shown TEXT NOT NULL DEFAULT '';     -- no longer used: a dashboard makes the text that it searches itself
ALTER TABLE backup ADD COLUMN upload INTEGER;                     -- worst verdict of its copies; 0: it has none
UPDATE backup SET upload = (SELECT coalesce(max(c.verdict), 0) FROM copy c WHERE c.id = backup.id AND c.source = backup.source);
CREATE INDEX backup_shown ON backup (shown) WHERE shown = '';
CREATE INDEX backup_upload ON backup (upload);
-- Pages sort, count and cut lists by an index alone: what decides whether a row is listed stands in it.
DROP INDEX backup_host;
DROP INDEX backup_verdict;
DROP INDEX backup_started;
DROP INDEX backup_finished;
CREATE INDEX backup_host ON backup (host, number, verdict, finished);
CREATE INDEX backup_verdict ON backup (verdict, started, number, finished);
CREATE INDEX backup_size ON backup (raw_bytes, number, verdict, finished);
CREATE INDEX backup_started ON backup (started, number, verdict, finished);
CREATE INDEX backup_finished ON backup (finished, number, verdict);
CREATE INDEX backup_chain ON backup (source, job, started);
CREATE INDEX copy_chain ON copy (source, id);
CREATE INDEX copy_removed ON copy (removed, verdict);
CREATE INDEX proof_chain ON proof (source, id);

-- The program numbers uploads itself, on all databases alike.
DROP TRIGGER copy_is_numbered;

-- Moments of earlier versions have as many digits as they need; the order of texts is that of time once all have six.
UPDATE run SET started = substr(started, 1, 19) || '.' || substr(replace(substr(started, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE started LIKE '____-__-__T%Z';
UPDATE run SET finished = substr(finished, 1, 19) || '.' || substr(replace(substr(finished, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE finished LIKE '____-__-__T%Z';
UPDATE step SET started = substr(started, 1, 19) || '.' || substr(replace(substr(started, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE started LIKE '____-__-__T%Z';
UPDATE step SET finished = substr(finished, 1, 19) || '.' || substr(replace(substr(finished, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE finished LIKE '____-__-__T%Z';
UPDATE artifact SET started = substr(started, 1, 19) || '.' || substr(replace(substr(started, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE started LIKE '____-__-__T%Z';
UPDATE artifact SET finished = substr(finished, 1, 19) || '.' || substr(replace(substr(finished, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE finished LIKE '____-__-__T%Z';
UPDATE copy SET started = substr(started, 1, 19) || '.' || substr(replace(substr(started, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE started LIKE '____-__-__T%Z';
UPDATE copy SET finished = substr(finished, 1, 19) || '.' || substr(replace(substr(finished, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE finished LIKE '____-__-__T%Z';
UPDATE copy SET removed = substr(removed, 1, 19) || '.' || substr(replace(substr(removed, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE removed LIKE '____-__-__T%Z';
UPDATE backup SET started = substr(started, 1, 19) || '.' || substr(replace(substr(started, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE started LIKE '____-__-__T%Z';
UPDATE backup SET finished = substr(finished, 1, 19) || '.' || substr(replace(substr(finished, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE finished LIKE '____-__-__T%Z';
UPDATE backup SET created = substr(created, 1, 19) || '.' || substr(replace(substr(created, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE created LIKE '____-__-__T%Z';
UPDATE upload SET created = substr(created, 1, 19) || '.' || substr(replace(substr(created, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE created LIKE '____-__-__T%Z';
UPDATE place SET seen = substr(seen, 1, 19) || '.' || substr(replace(substr(seen, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE seen LIKE '____-__-__T%Z';
UPDATE OR IGNORE proof SET at = substr(at, 1, 19) || '.' || substr(replace(substr(at, 21), 'Z', '') || '000000', 1, 6) || 'Z' WHERE at LIKE '____-__-__T%Z';

CREATE TABLE declared_job (
    host            TEXT NOT NULL,
    file            TEXT NOT NULL,
    job             TEXT NOT NULL,
    schedule        TEXT NOT NULL,       -- cron fields; empty: none
    zone            TEXT NOT NULL,
    within_s        INTEGER,
    parallel_chains INTEGER NOT NULL,    -- PARALLEL is reserved in MySQL
    enabled         INTEGER NOT NULL,
    seen            TEXT NOT NULL,
    PRIMARY KEY (host, file, job)
);

CREATE TABLE declared_source (
    host             TEXT NOT NULL,
    file             TEXT NOT NULL,
    source           TEXT NOT NULL,
    kind             TEXT NOT NULL,
    address          TEXT NOT NULL,      -- for people, without secrets
    site             TEXT NOT NULL,
    scratch          INTEGER NOT NULL,
    restore_within_s INTEGER,
    seen             TEXT NOT NULL,
    PRIMARY KEY (host, file, source)
);

CREATE TABLE declared_chain (
    host   TEXT NOT NULL,
    file   TEXT NOT NULL,
    job    TEXT NOT NULL,
    verb   TEXT NOT NULL,
    source TEXT NOT NULL,
    chain  TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    number INTEGER NOT NULL,             -- order in the file
    seen   TEXT NOT NULL,
    PRIMARY KEY (host, file, job, chain)
);

CREATE TABLE declared_copy (
    host      TEXT NOT NULL,
    file      TEXT NOT NULL,
    job       TEXT NOT NULL,
    chain     TEXT NOT NULL,
    store     TEXT NOT NULL,
    place     TEXT NOT NULL,
    keep_text TEXT NOT NULL,
    optional  INTEGER NOT NULL,
    verified  INTEGER NOT NULL,          -- whether the chain proves this copy
    site      TEXT NOT NULL,
    seen      TEXT NOT NULL,
    PRIMARY KEY (host, file, job, chain, store)
);

CREATE TABLE account (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL,
    login     TEXT NOT NULL UNIQUE,
    password  TEXT NOT NULL,             -- a hash, never the password
    created   TEXT NOT NULL,
    last_seen TEXT,
    language  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX account_created ON account (created);

CREATE TABLE privilege (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created     TEXT NOT NULL
);
INSERT INTO privilege (id, name, description, created) VALUES
    (1, 'Administrador', 'Gere os usuários e executa backups.', '2026-01-01T00:00:00.000000Z'),
    (2, 'Cliente', 'Consulta o dashboard e os backups.', '2026-01-01T00:00:00.000000Z');

CREATE TABLE account_privilege (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    account   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    privilege INTEGER NOT NULL REFERENCES privilege (id),
    created   TEXT NOT NULL,
    UNIQUE (account, privilege)
);
CREATE INDEX account_privilege_created ON account_privilege (created);

CREATE TABLE session (
    token_hash TEXT PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created    TEXT NOT NULL,
    seen       TEXT NOT NULL,
    peer       TEXT NOT NULL
);

CREATE TABLE audit (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    who         TEXT NOT NULL,
    peer        TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    before_text TEXT NOT NULL,
    after_text  TEXT NOT NULL,
    previous    TEXT NOT NULL,           -- digest of the row before
    digest      TEXT NOT NULL
);

CREATE TABLE drill (
    id          TEXT PRIMARY KEY,
    run         TEXT NOT NULL,
    at          TEXT NOT NULL,
    source      TEXT NOT NULL,
    backup      TEXT NOT NULL,           -- the artifact
    store       TEXT NOT NULL,
    target      TEXT NOT NULL,
    verdict     INTEGER NOT NULL,
    table_count INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    rto_s       INTEGER,
    who         TEXT NOT NULL,
    message     TEXT NOT NULL
);
CREATE INDEX drill_at ON drill (at);

CREATE TABLE remark (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    who    TEXT NOT NULL,
    kind   TEXT NOT NULL,                -- correction, exception
    drill  TEXT NOT NULL,
    source TEXT NOT NULL,
    body   TEXT NOT NULL,
    owner  TEXT NOT NULL,
    open   INTEGER NOT NULL
);

CREATE TABLE schedule_override (
    host     TEXT NOT NULL,
    file     TEXT NOT NULL,
    job      TEXT NOT NULL,
    state    TEXT NOT NULL,              -- on, off
    schedule TEXT NOT NULL,
    who      TEXT NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (host, file, job)
);

CREATE TABLE run_request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    host   TEXT NOT NULL,
    file   TEXT NOT NULL,
    job    TEXT NOT NULL,
    step   TEXT NOT NULL,
    who    TEXT NOT NULL,
    at     TEXT NOT NULL,
    taken  TEXT,
    run    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX run_request_taken ON run_request (host, taken);

CREATE TABLE host (
    name     TEXT PRIMARY KEY,
    due_seen TEXT,
    seen     TEXT NOT NULL,
    version  TEXT NOT NULL
);

-- The log of a run, so that pages of other hosts can show it; at most some thousand lines of each.
CREATE TABLE run_log (
    run    TEXT NOT NULL,
    number INTEGER NOT NULL,
    at     TEXT NOT NULL,
    level  INTEGER NOT NULL,             -- 1 for the log, 2 an alert, 3 an error
    step   INTEGER,                      -- NULL: of the run itself
    line   TEXT NOT NULL,
    PRIMARY KEY (run, number)
);

CREATE TABLE lease (
    job     TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    process TEXT NOT NULL,               -- which one it is, so that its own machine sees when it is gone
    token   INTEGER NOT NULL,            -- counts its holders
    expires TEXT NOT NULL                -- by the clock of the catalog
);

CREATE VIEW usuario AS
    SELECT id,
           substr(name, 1, 100) AS nome,
           substr(login, 1, 50) AS login,
           password AS senha,
           strftime('%Y-%m-%d %H:%M:%S', last_seen) AS ultimo_acesso,
           strftime('%Y-%m-%d %H:%M:%S', created) AS data_criacao
    FROM account;

CREATE VIEW privilegio AS
    SELECT id,
           substr(name, 1, 13) AS nome,
           substr(description, 1, 90) AS descricao,
           strftime('%Y-%m-%d %H:%M:%S', created) AS data_criacao
    FROM privilege;

CREATE VIEW usuario_privilegio AS
    SELECT id,
           account AS usuario_id,
           privilege AS privilegio_id,
           strftime('%Y-%m-%d %H:%M:%S', created) AS data_criacao
    FROM account_privilege;
