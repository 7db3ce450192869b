SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname IN ('clerk', 'office') ORDER BY 1;
SELECT setrole::regrole, setconfig FROM pg_db_role_setting;
SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE member = 'clerk'::regrole;
SELECT datname, pg_encoding_to_char(encoding), datcollate, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname IN ('erp', 'hr') ORDER BY 1;
