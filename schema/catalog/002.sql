-- One row for every dump that was tried, also for those that failed, and the two tables of the seed as views.
-- Numbers stay: they are what the views call id. MB are 2^20 bytes; moments in the views are UTC.

CREATE TABLE backup (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL,             -- of the run
    source    TEXT NOT NULL,
    job       TEXT NOT NULL,
    host      TEXT NOT NULL,             -- name of the machine
    server    TEXT NOT NULL DEFAULT '',  -- its version; empty if it was never reached
    units     TEXT NOT NULL DEFAULT '',  -- databases, comma-joined without blanks
    name      TEXT NOT NULL DEFAULT '',  -- backup_YYYYMMDD_HHMMSS.zip
    raw_bytes INTEGER NOT NULL DEFAULT 0,
    bytes     INTEGER NOT NULL DEFAULT 0,
    started   TEXT NOT NULL,
    finished  TEXT,                      -- NULL while it runs
    verdict   INTEGER,                   -- NULL while it runs
    note      TEXT NOT NULL DEFAULT '',  -- why it failed, or what to look at
    created   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (id, source)
);
CREATE INDEX backup_host ON backup (host);
CREATE INDEX backup_verdict ON backup (verdict);
CREATE INDEX backup_started ON backup (started);
CREATE INDEX backup_finished ON backup (finished);

ALTER TABLE copy ADD COLUMN bucket TEXT NOT NULL DEFAULT '';  -- empty where the store is none

CREATE TABLE upload (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL,
    source  TEXT NOT NULL,
    store   TEXT NOT NULL,
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (id, source, store)
);
CREATE TRIGGER copy_is_numbered AFTER INSERT ON copy BEGIN
    INSERT INTO upload (id, source, store) VALUES (NEW.id, NEW.source, NEW.store) ON CONFLICT DO NOTHING;
END;
CREATE INDEX copy_verdict ON copy (verdict);
CREATE INDEX copy_started ON copy (started);
CREATE INDEX copy_finished ON copy (finished);

-- What earlier versions noted.
INSERT INTO backup (id, source, job, host, server, units, name, raw_bytes, bytes, started, finished, verdict, note)
    SELECT a.id, a.source, a.job, coalesce(r.host, ''), a.server, a.units, a.name, a.raw_bytes, a.bytes, a.started,
           a.finished, CASE a.inconsistent WHEN '' THEN 1 ELSE 2 END, a.inconsistent
    FROM artifact a LEFT JOIN run r ON r.id = a.id ORDER BY a.started, a.id, a.source;
INSERT INTO backup (id, source, job, host, started, finished, verdict, note)
    SELECT r.id, substr(s.address, length(r.job) + 7), r.job, r.host, s.started, s.finished, 3, s.message
    FROM step s JOIN run r ON r.id = s.run
    WHERE s.state IN ('failed', 'interrupted') AND s.started IS NOT NULL AND s.finished IS NOT NULL
      AND substr(s.address, 1, length(r.job) + 6) = r.job || '/dump/'
    ON CONFLICT DO NOTHING;
UPDATE copy SET bucket = substr(place, 6, CASE instr(place, ' at ') WHEN 0 THEN length(place) ELSE instr(place, ' at ') - 6 END)
    WHERE place LIKE 's3://%';
INSERT INTO upload (id, source, store) SELECT id, source, store FROM copy ORDER BY started, id, source, store;

CREATE VIEW backup_log AS
    SELECT number AS id,
           substr(host, 1, 100) AS hostname,
           substr(CASE units WHEN '' THEN source ELSE units END, 1, 1024) AS nome_database,
           name AS nome_arquivo,
           round(raw_bytes / 1048576.0, 2) AS tamanho_arquivo,
           verdict AS status_backup,
           substr(server, 1, 50) AS versao_servidor,
           nullif(substr(note, 1, 1024), '') AS observacao,
           strftime('%Y-%m-%d %H:%M:%S', started) AS data_inicio,
           strftime('%Y-%m-%d %H:%M:%S', finished) AS data_encerramento,
           strftime('%Y-%m-%d %H:%M:%S', created) AS data_criacao,
           round(bytes / 1048576.0, 2) AS tamanho_compactado
    FROM backup WHERE verdict IS NOT NULL AND finished IS NOT NULL;

CREATE VIEW upload_s3_log AS
    SELECT u.number AS id,
           b.number AS backup_id,
           b.name AS nome_arquivo,
           round(c.bytes / 1048576.0, 2) AS tamanho_arquivo,
           c.key AS caminho_arquivo,
           c.bucket AS bucket,
           c.verdict AS status_upload,
           strftime('%Y-%m-%d %H:%M:%S', c.started) AS data_inicio,
           strftime('%Y-%m-%d %H:%M:%S', c.finished) AS data_encerramento,
           strftime('%Y-%m-%d %H:%M:%S', u.created) AS data_criacao
    FROM upload u
    JOIN copy c ON c.id = u.id AND c.source = u.source AND c.store = u.store
    JOIN backup b ON b.id = u.id AND b.source = u.source
    WHERE c.bucket <> '' AND b.verdict IS NOT NULL;
