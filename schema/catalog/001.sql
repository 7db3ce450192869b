-- The catalog: history and index, never the truth. Moments are RFC 3339 UTC; verdicts are 1 Sucesso, 2 Alerta, 3 Erro.

CREATE TABLE run (
    id       TEXT PRIMARY KEY,
    job      TEXT NOT NULL,
    file     TEXT NOT NULL,
    host     TEXT NOT NULL,
    pid      INTEGER NOT NULL,
    started  TEXT NOT NULL,
    finished TEXT,                -- NULL while it runs
    verdict  INTEGER,             -- NULL while it runs
    note     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX run_job ON run (job, started);

CREATE TABLE step (
    run      TEXT NOT NULL REFERENCES run (id),
    number   INTEGER NOT NULL,
    address  TEXT NOT NULL,
    started  TEXT,
    finished TEXT,
    state    TEXT NOT NULL,       -- waiting, running, done, failed, skipped, interrupted
    verdict  INTEGER,
    message  TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, number)
);

CREATE TABLE artifact (
    id           TEXT NOT NULL,   -- of the run that made it
    source       TEXT NOT NULL,
    job          TEXT NOT NULL,
    kind         TEXT NOT NULL,
    server       TEXT NOT NULL,
    units        TEXT NOT NULL,   -- comma-joined
    name         TEXT NOT NULL,
    raw_bytes    INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    rows         INTEGER NOT NULL,
    started      TEXT NOT NULL,
    finished     TEXT NOT NULL,
    position     TEXT,
    inconsistent TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id, source)
);

CREATE TABLE copy (
    id        TEXT NOT NULL,
    source    TEXT NOT NULL,
    store     TEXT NOT NULL,
    place     TEXT NOT NULL,
    key       TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    started   TEXT NOT NULL,
    finished  TEXT NOT NULL,
    verdict   INTEGER NOT NULL,
    message   TEXT NOT NULL DEFAULT '',
    removed   TEXT,
    PRIMARY KEY (id, source, store)
);

CREATE TABLE proof (
    id     TEXT NOT NULL,
    source TEXT NOT NULL,
    store  TEXT NOT NULL,
    level  TEXT NOT NULL,         -- read, restored
    at     TEXT NOT NULL,
    good   INTEGER NOT NULL,
    damage TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id, source, store, at)
);
