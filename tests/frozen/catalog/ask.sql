SELECT * FROM backup_log WHERE id <= 12 ORDER BY id;
SELECT * FROM upload_s3_log WHERE id <= 7 ORDER BY id;
