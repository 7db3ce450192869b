SET NAMES utf8mb4;
SELECT * FROM shop.orders ORDER BY id;
SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = 'shop';
