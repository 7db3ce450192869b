//! Tables of mixed types for the benches, made on the server itself.

use mysql::prelude::Queryable;

use crate::common::servers::Server;

/// Tables of mixed types, about a gigabyte of SQL for each `gigabytes`.
pub fn fill(server: &Server, gigabytes: u64) {
    let mut connection = server.conn();
    let mut run = |sql: &str| connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    run("CREATE DATABASE big");
    run("USE big");
    run("CREATE TABLE seq (n INT PRIMARY KEY)");
    let numbers: Vec<String> = (0..1000).map(|n| format!("({n})")).collect();
    run(&format!("INSERT INTO seq VALUES {}", numbers.join(",")));
    run(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INT NOT NULL, state ENUM('new','paid','sent','back') NOT NULL, \
         price DECIMAL(10,2) NOT NULL, weight FLOAT, made DATETIME(6) NOT NULL, note VARCHAR(200), KEY (customer))",
    );
    run(
        "CREATE TABLE events (id BIGINT UNSIGNED PRIMARY KEY, at TIMESTAMP NOT NULL, body JSON, text TEXT)",
    );
    run("CREATE TABLE blobs (id INT PRIMARY KEY, body VARBINARY(1100) NOT NULL)");
    run("CREATE TABLE visits (who INT NOT NULL, url VARCHAR(120) NOT NULL, ms DOUBLE NOT NULL)");
    for part in 0..gigabytes * 2 {
        run(&format!(
            "INSERT INTO orders SELECT {part} * 1200000 + a.n * 1200 + b.n, (a.n * 7919 + b.n * 104729) % 50000, 1 + (a.n + b.n) % 4, \
             (a.n * b.n % 100000) / 7, a.n / 3 + b.n, '2020-01-01' + INTERVAL (a.n * 1000 + b.n) MINUTE, \
             CONCAT('order ', a.n, ' of customer ', b.n, ' ', LEFT(SHA2(a.n * b.n, 256), 24)) FROM seq a JOIN (SELECT n FROM seq UNION \
             ALL SELECT n + 1000 FROM seq WHERE n < 200) b"
        ));
        run(&format!(
            "INSERT INTO events SELECT {part} * 350000 + a.n * 350 + b.n, '2021-01-01' + INTERVAL (a.n * 350 + b.n) SECOND, \
             JSON_OBJECT('kind', ELT(1 + b.n % 3, 'view', 'click', 'buy'), 'n', a.n * b.n, 'tags', JSON_ARRAY('a', b.n, 'ção')), \
             CONCAT(REPEAT(CONCAT('the visitor looked at page ', b.n, ' of shelf ', a.n, '; '), 5), SHA2(a.n * 350 + b.n, 256)) \
             FROM seq a JOIN seq b WHERE b.n < 350"
        ));
        run(&format!(
            "INSERT INTO blobs SELECT {part} * 50000 + a.n * 50 + b.n, UNHEX(REPEAT(SHA2(a.n * 50 + b.n + {part}, 256), 30)) FROM seq a \
             JOIN seq b WHERE b.n < 50"
        ));
        run(
            "INSERT INTO visits SELECT a.n, CONCAT('/shelf/', b.n, '/book/', a.n * b.n, '?from=mail'), (a.n + 1) / (b.n + 1) FROM seq a \
             JOIN seq b WHERE b.n < 500",
        );
    }
    run("DROP TABLE seq");
    run("ANALYZE TABLE orders, events, blobs, visits");
}

/// Whether both servers hold the same.
pub fn compare(source: &Server, target: &Server) {
    for table in ["orders", "events", "blobs", "visits"] {
        let sum = |server: &Server| -> Option<(String, u64)> {
            server.conn().query_first(format!("CHECKSUM TABLE big.{table}")).expect("it answers")
        };
        assert_eq!(sum(source), sum(target), "{table}");
    }
}
