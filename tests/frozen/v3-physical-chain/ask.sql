SELECT count(*), sum(id), md5(string_agg(line, '|' ORDER BY id)) FROM kept;
SELECT * FROM kept ORDER BY id LIMIT 3;
SELECT relname, relkind, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname;
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = 'clerk';
