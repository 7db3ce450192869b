\c erp
SET timezone = 'UTC';
SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner, c.relacl FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'sales') ORDER BY 1, 2;
SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ('{sales.person,sales.orders,measure,measure_rest_1}'::regclass[]) ORDER BY a.attrelid::regclass::text, a.attnum;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ANY ('{sales.person,sales.orders,measure}'::regclass[]) AND contype <> 'n' ORDER BY conrelid::regclass::text, conname;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ANY ('{sales.orders,measure}'::regclass[]) ORDER BY 1;
SELECT pg_get_partkeydef('measure'::regclass), pg_get_partkeydef('measure_rest'::regclass), pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'measure_2025';
SELECT pg_get_viewdef('sales.dear'), pg_get_viewdef('sales.heap');
SELECT pg_get_functiondef('sales.vat'::regproc), pg_get_functiondef('sales.tell'::regproc);
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'person_told';
SELECT policyname, roles, cmd, qual FROM pg_policies;
SELECT enumlabel FROM pg_enum ORDER BY enumsortorder;
SELECT obj_description('sales.orders'::regclass), col_description('sales.orders'::regclass, 3), obj_description(4711, 'pg_largeobject');
SELECT * FROM sales.person ORDER BY id;
SELECT count(*), sum(id), sum(person), sum(total), min(made), max(made), sum(ticket), md5(string_agg(o::text, '|' ORDER BY id)) FROM sales.orders o;
SELECT * FROM sales.orders ORDER BY id LIMIT 3;
SELECT id, i2, i8, n, f4, f8, b, t, v, c, by, d, ts, tz, ti, iv, u, j, jb, ip, m, r, a, ta, p, bi, x, pa, ts_v, mo, o FROM everything ORDER BY id;
SELECT tableoid::regclass, * FROM measure ORDER BY at;
SELECT * FROM "a ""quoted"" Name" ORDER BY "Select";
SELECT count(*) FROM vacant;
SELECT * FROM told ORDER BY line;
SELECT * FROM sales.dear ORDER BY total;
SELECT * FROM sales.heap ORDER BY person;
SELECT sales.vat(100);
SELECT last_value, is_called FROM sales.ticket;
SELECT last_value, is_called FROM sales.person_id_seq;
SELECT oid, length(lo_get(oid)), md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
\c hr
SELECT * FROM staff ORDER BY id;
