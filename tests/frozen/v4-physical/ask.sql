SELECT count(*), sum(id), md5(string_agg(line, '|' ORDER BY id)) FROM kept;
SELECT * FROM kept ORDER BY id LIMIT 3;
SELECT relname, relkind, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname;
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = 'clerk';
SELECT spcname, pg_tablespace_location(oid) <> '' AS elsewhere FROM pg_tablespace ORDER BY spcname;
SELECT count(*), sum(q.id), max(t.spcname) FROM quick q, pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.relname = 'quick';
SHOW work_mem;
