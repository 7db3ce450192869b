-- What runs, steps and artifacts are, as columns: nobody takes an address apart any more. `key` and `rows` are reserved
-- words in MySQL. The file as it was before stays beside the catalog.

ALTER TABLE run ADD COLUMN kind TEXT NOT NULL DEFAULT 'job';      -- job

ALTER TABLE step ADD COLUMN verb TEXT NOT NULL DEFAULT '';        -- vacuum, dump, physical, verify, keep, exec
ALTER TABLE step ADD COLUMN source TEXT NOT NULL DEFAULT '';      -- as the job file names it
ALTER TABLE step ADD COLUMN chain TEXT NOT NULL DEFAULT '';       -- what its artifacts are of
ALTER TABLE step ADD COLUMN store TEXT NOT NULL DEFAULT '';
ALTER TABLE step ADD COLUMN code TEXT NOT NULL DEFAULT '';        -- of its failure

ALTER TABLE artifact RENAME COLUMN rows TO row_count;
ALTER TABLE artifact ADD COLUMN file TEXT NOT NULL DEFAULT '';    -- the job file, absolute; empty if unknown
ALTER TABLE artifact ADD COLUMN origin TEXT NOT NULL DEFAULT '';  -- which database; empty if unknown
ALTER TABLE artifact ADD COLUMN sign TEXT NOT NULL DEFAULT '';    -- where it ran; empty if unknown
ALTER TABLE artifact ADD COLUMN parent TEXT;                      -- what it adds to

ALTER TABLE backup ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE backup ADD COLUMN chain TEXT NOT NULL DEFAULT '';     -- the source as the job file names it

DROP VIEW upload_s3_log;
ALTER TABLE copy RENAME COLUMN key TO object_key;
ALTER TABLE copy ADD COLUMN code TEXT NOT NULL DEFAULT '';        -- of its failure

-- The ID that a store had when it was last seen.
CREATE TABLE place (
    place TEXT PRIMARY KEY,
    id    TEXT NOT NULL,
    seen  TEXT NOT NULL
);

-- Steps of earlier versions, whose addresses are `job/verb/source` and `job/verb/source/store`.
UPDATE step SET
    verb = CASE instr(rest, '/') WHEN 0 THEN rest ELSE substr(rest, 1, instr(rest, '/') - 1) END
    FROM (SELECT s.run AS r, s.number AS n, substr(s.address, length(j.job) + 2) AS rest
          FROM step s JOIN run j ON j.id = s.run WHERE substr(s.address, 1, length(j.job) + 1) = j.job || '/')
    WHERE step.run = r AND step.number = n;

CREATE VIEW upload_s3_log AS
    SELECT u.number AS id,
           b.number AS backup_id,
           b.name AS nome_arquivo,
           round(c.bytes / 1048576.0, 2) AS tamanho_arquivo,
           c.object_key AS caminho_arquivo,
           c.bucket AS bucket,
           c.verdict AS status_upload,
           strftime('%Y-%m-%d %H:%M:%S', c.started) AS data_inicio,
           strftime('%Y-%m-%d %H:%M:%S', c.finished) AS data_encerramento,
           strftime('%Y-%m-%d %H:%M:%S', u.created) AS data_criacao
    FROM upload u
    JOIN copy c ON c.id = u.id AND c.source = u.source AND c.store = u.store
    JOIN backup b ON b.id = u.id AND b.source = u.source
    WHERE c.bucket <> '' AND b.verdict IS NOT NULL;
