//! A made-up estate: five sources, 81 backups in thirty nights, six restore drills; the night of
//! 20 November 2026 in Porto Velho. As SQL, so that every catalog can be filled with it.

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The moment at which pages look at it.
pub const NOW: &str = "2026-11-20T08:00:52-04:00";

/// Its zone.
pub const ZONE: &str = "America/Porto_Velho";

/// Its job file.
pub const FILE: &str = "/etc/vex/jobs/noturno.kdl";

const GB: f64 = (1u64 << 30) as f64;

struct Backup {
    chain: &'static str,
    host: &'static str,
    units: &'static str,
    verb: &'static str,
    started: DateTime,
    seconds: i64,
    gb: f64,
    verdict: u8,
    ratio: f64,
    note: &'static str,
    job: &'static str,
    server: &'static str,
}

/// A small generator: the same sizes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn about(&mut self, spread: f64) -> f64 {
        (self.below(2001) as f64 / 1000.0 - 1.0) * spread
    }
}

fn nights() -> Vec<Date> {
    (0..30).map(|i| date(2026, 10, 22).checked_add(i.days()).expect("a day")).collect()
}

fn backups() -> Vec<Backup> {
    let mut random = Random(7);
    let mut all = Vec::new();
    for (i, night) in nights().into_iter().enumerate() {
        let (day, month) = (night.day(), night.month());
        let (mut gb, mut verdict, mut note) =
            (5.71 + i as f64 * 0.0172 + random.about(0.02), 1, "");
        match (month, day) {
            (11, 17) => {
                (gb, verdict, note) =
                    (3.11, 2, "tamanho 49 % abaixo da mediana das últimas 14 noites");
            }
            (11, 2) => (gb, verdict, note) = (1.02, 3, "servidor encerrou a conexão"),
            (11, 20) => gb = 6.21,
            _ => {}
        }
        all.push(Backup {
            chain: "loja",
            host: "servidor02",
            units: "loja,crm_br,crm_py,estoque",
            verb: "dump",
            started: night.at(1, 0, 4, 0),
            seconds: 150 + random.below(25) as i64,
            gb,
            verdict,
            ratio: 0.29,
            note,
            job: "noturno",
            server: "MySQL 9.1.0",
        });
        if (month, day) == (11, 7) {
            continue;
        }
        let (mut gb, mut verdict, mut note) = (17.9 + i as f64 * 0.021 + random.about(0.03), 1, "");
        let mut seconds = 372 + random.below(41) as i64;
        match (month, day) {
            (11, 18..=20) => (verdict, note) = (2, "cópia em nas: sem espaço no dispositivo"),
            (10, 29) => (gb, verdict, note) = (2.4, 3, "tempo de espera pela trava excedido"),
            _ => {}
        }
        if (month, day) == (11, 20) {
            (gb, seconds) = (18.51, 376);
        }
        all.push(Backup {
            chain: "erp",
            host: "servidor03",
            units: "erp,hr",
            verb: "dump",
            started: night.at(1, 0, 4, 0),
            seconds,
            gb,
            verdict,
            ratio: 0.21,
            note,
            job: "noturno",
            server: "PostgreSQL 17.6",
        });
    }
    let sundays = nights().into_iter().filter(|d| d.weekday() == jiff::civil::Weekday::Sunday);
    for (i, night) in sundays.enumerate() {
        let bad = night.day() == 15;
        all.push(Backup {
            chain: "erp-physical",
            host: "servidor03",
            units: "cluster 17/main",
            verb: "physical",
            started: night.at(3, 0, 2, 0),
            seconds: 851 + random.below(61) as i64,
            gb: 60.1 + i as f64 * 0.4,
            verdict: 1,
            ratio: 0.34,
            note: "",
            job: "semanal",
            server: "PostgreSQL 17.6",
        });
        all.push(Backup {
            chain: "fin",
            host: "servidor05",
            units: "FIN",
            verb: "rman",
            started: night.at(3, 0, 2, 0),
            seconds: 1893 + random.below(91) as i64,
            gb: if bad { 11.3 } else { 42.1 + i as f64 * 0.2 },
            verdict: if bad { 3 } else { 1 },
            ratio: 0.41,
            note: if bad { "RMAN-03009: falha do comando backup no canal c2" } else { "" },
            job: "semanal",
            server: "Oracle 19c",
        });
    }
    let hours = (18..24).map(|h| (19, h)).chain([0, 1, 2, 3, 5, 6, 7, 8].map(|h| (20, h)));
    for (day, hour) in hours {
        let (verdict, note) = match (day, hour) {
            (20, 3) => (3, "muitas conexões no servidor"),
            (20, 2) => (2, "retrato pode não ser consistente"),
            _ => (1, ""),
        };
        all.push(Backup {
            chain: "pagamentos",
            host: "servidor04",
            units: "pagamentos",
            verb: "dump",
            started: date(2026, 11, day).at(hour, 0, 1, 0),
            seconds: 36 + random.below(6) as i64,
            gb: if verdict == 3 { 0.0 } else { 0.845 + random.about(0.012) },
            verdict,
            ratio: 0.33,
            note,
            job: "pagamentos",
            server: "MariaDB 11.8.3",
        });
    }
    all.sort_by_key(|b| b.started);
    assert_eq!(all.len(), 81, "as many as the figures show");
    all
}

fn utc(local: DateTime) -> Timestamp {
    let zone = TimeZone::get(ZONE).expect("a zone");
    local.to_zoned(zone).expect("a moment").timestamp()
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn moment(at: Timestamp) -> String {
    text(&format!("{at:.6}"))
}

/// The stores of a chain: name, place, bucket, rules, optional, verified.
fn stores(chain: &str) -> Vec<(&'static str, &'static str, &'static str, &'static str, u8, u8)> {
    let cloud = ("cloud", "s3://vex-backup", "vex-backup", "last=5 within=30d", 0, 1);
    let nas = ("nas", "dir /mnt/nas/backups", "", "daily=7 weekly=4 monthly=12", 1, 0);
    match chain {
        "fin" => vec![cloud],
        "erp-physical" => {
            vec![("nas", "dir /mnt/nas/backups", "", "daily=7 weekly=4 monthly=12", 0, 1)]
        }
        _ => vec![cloud, nas],
    }
}

/// The statements that fill a catalog with it.
pub fn statements() -> Vec<String> {
    let mut sql = declared();
    for (number, b) in (1..).zip(backups()) {
        sql.extend(of_backup(number, &b));
    }
    sql.extend(drills());
    sql.push("UPDATE backup SET upload = (SELECT coalesce(max(c.verdict), 0) FROM copy c WHERE c.id = backup.id AND c.source = backup.source)".into());
    sql
}

fn declared() -> Vec<String> {
    let mut sql = Vec::new();
    let seen = moment(NOW.parse().expect("a moment"));
    let own = |host: &str, rest: String| format!("{}, {}, {rest}", text(host), text(FILE));
    for (job, host, schedule, within) in [
        ("noturno", "servidor02", "0 1 * * *", 93_600),
        ("semanal", "servidor02", "0 3 * * 0", 691_200),
        ("pagamentos", "servidor02", "0 * * * *", 7200),
    ] {
        let row = own(
            host,
            format!("{}, {}, '{ZONE}', {within}, 2, 1, {seen}", text(job), text(schedule)),
        );
        sql.push(format!("INSERT INTO declared_job (host, file, job, schedule, zone, within_s, parallel_chains, enabled, seen) VALUES ({row})"));
    }
    let chains = [
        ("semanal", "rman", "fin", "fin"),
        ("noturno", "dump", "erp", "erp"),
        ("noturno", "dump", "loja", "loja"),
        ("pagamentos", "dump", "pagamentos", "pagamentos"),
        ("semanal", "physical", "erp", "erp-physical"),
    ];
    for (number, (job, verb, source, chain)) in chains.into_iter().enumerate() {
        let row = own(
            "servidor02",
            format!("'{job}', '{verb}', '{source}', '{chain}', 1, {number}, {seen}"),
        );
        sql.push(format!("INSERT INTO declared_chain (host, file, job, verb, source, chain, sealed, number, seen) VALUES ({row})"));
        for (store, place, _, keep, optional, verified) in stores(chain) {
            let row = own(
                "servidor02",
                format!(
                    "'{job}', '{chain}', '{store}', '{place}', '{keep}', {optional}, {verified}, '', {seen}"
                ),
            );
            sql.push(format!("INSERT INTO declared_copy (host, file, job, chain, store, place, keep_text, optional, verified, site, seen) VALUES ({row})"));
        }
    }
    sql
}

fn of_backup(number: i64, b: &Backup) -> Vec<String> {
    let start = utc(b.started);
    let end = start + b.seconds.seconds();
    let id = format!("{}-{:08x}", start.strftime("%Y%m%dT%H%M%SZ"), job_tail(b.job));
    let name = b.started.strftime("backup_%Y%m%d_%H%M%S.zip").to_string();
    let (raw, zip) = ((b.gb * GB) as u64, (b.gb * b.ratio * GB) as u64);
    let bytes = if b.verdict == 3 { 0 } else { zip };
    let (started, finished) = (moment(start), moment(end));
    let mut sql = vec![
        format!(
            "INSERT INTO run (id, kind, job, file, host, pid, started, finished, verdict, note) SELECT '{id}', 'job', '{}', {}, \
             '{}', 1, {started}, {}, {}, '' WHERE NOT EXISTS (SELECT 1 FROM run WHERE id = '{id}')",
            b.job,
            text(FILE),
            b.host,
            moment(end + 4.seconds()),
            b.verdict
        ),
        format!(
            "UPDATE run SET verdict = {} WHERE id = '{id}' AND verdict < {}",
            b.verdict, b.verdict
        ),
        format!(
            "UPDATE run SET finished = {} WHERE id = '{id}' AND finished < {}",
            moment(end + 4.seconds()),
            moment(end + 4.seconds())
        ),
        format!(
            "INSERT INTO backup (number, id, source, chain, job, file, host, server, units, name, raw_bytes, bytes, started, \
             finished, verdict, note, created) VALUES ({number}, '{id}', '{}', '{}', '{}', {}, '{}', '{}', '{}', '{name}', {raw}, {bytes}, \
             {started}, {finished}, {}, {}, {started})",
            b.chain,
            if b.chain == "erp-physical" { "erp" } else { b.chain },
            b.job,
            text(FILE),
            b.host,
            b.server,
            b.units,
            b.verdict,
            text(b.note)
        ),
    ];
    sql.extend(steps_of(number, &id, b, start, end));
    if b.verdict == 3 {
        return sql;
    }
    for (store, place, bucket, _, _, verified) in stores(b.chain) {
        let full = store == "nas" && b.chain == "erp" && b.verdict == 2;
        let (verdict, message) =
            if full { (2, "gravar: No space left on device (os error 28)") } else { (1, "") };
        sql.push(format!(
            "INSERT INTO copy (id, source, store, place, object_key, bytes, started, finished, verdict, message, bucket, code) \
             VALUES ('{id}', '{}', '{store}', '{place}', 'prod/{}/{}/{name}', {bytes}, {}, {}, {verdict}, {}, '{bucket}', '')",
            b.chain,
            b.job,
            b.chain,
            moment(start + 3.seconds()),
            moment(end + 2.seconds()),
            text(message)
        ));
        if verified == 1 {
            let level =
                if b.chain == "erp-physical" || b.chain == "fin" { "restored" } else { "read" };
            sql.push(format!(
                "INSERT INTO proof (id, source, store, level, at, good, damage) VALUES ('{id}', '{}', '{store}', '{level}', {}, 1, '')",
                b.chain,
                moment(end + 60.seconds())
            ));
        }
    }
    sql
}

fn job_tail(job: &str) -> u32 {
    job.bytes().fold(7, |sum: u32, b| sum.wrapping_mul(31).wrapping_add(u32::from(b)))
}

fn steps_of(number: i64, id: &str, b: &Backup, start: Timestamp, end: Timestamp) -> Vec<String> {
    let source = if b.chain == "erp-physical" { "erp" } else { b.chain };
    let state = if b.verdict == 3 { "failed" } else { "done" };
    let message = if b.verdict == 3 { b.note } else { "" };
    let mut sql = vec![format!(
        "INSERT INTO step (run, number, address, verb, source, chain, store, started, finished, state, verdict, message, code) \
         VALUES ('{id}', {}, '{}/{}/{}', '{}', '{source}', '{}', '', {}, {}, '{state}', {}, {}, '')",
        number * 4,
        b.job,
        b.verb,
        b.chain,
        b.verb,
        b.chain,
        moment(start),
        moment(end),
        if b.verdict == 3 { 3 } else { 1 },
        text(message)
    )];
    let mut lines =
        vec![(1, "begins".to_owned()), (1, format!("reads {} as {}", b.units, b.server))];
    if b.verdict == 3 {
        lines.push((2, "tries again in 5 s".to_owned()));
        lines.push((3, b.note.to_owned()));
    } else {
        sql.push(format!(
            "INSERT INTO step (run, number, address, verb, source, chain, store, started, finished, state, verdict, message, code) \
             VALUES ('{id}', {}, '{}/verify/{}/cloud', 'verify', '{source}', '{}', 'cloud', {}, {}, 'done', 1, '', '')",
            number * 4 + 1,
            b.job,
            b.chain,
            b.chain,
            moment(end + 2.seconds()),
            moment(end + 60.seconds())
        ));
        if b.verdict == 2 {
            lines.push((2, b.note.to_owned()));
        }
        lines.push((1, "Sucesso".to_owned()));
    }
    for (i, (level, line)) in (0..).zip(lines) {
        sql.push(format!(
            "INSERT INTO run_log (run, number, at, level, step, line) VALUES ('{id}', {}, {}, {level}, {}, {})",
            number * 10 + i,
            moment(start + i.seconds()),
            number * 4,
            text(&line)
        ));
    }
    sql
}

fn drills() -> Vec<String> {
    let day = |month: i8, day: i8| utc(date(2026, month, day).at(6, 0, 2, 0));
    let rows = [
        (
            day(11, 16),
            "erp-physical",
            "20261115T070002Z-3f1c",
            "nas",
            "lab-pg",
            1,
            418,
            112_102_441_u64,
            1334,
            "agenda",
            "",
        ),
        (
            day(11, 12),
            "fin",
            "20261108T070002Z-88b0",
            "cloud",
            "lab-ora",
            1,
            906,
            30_112_876,
            6732,
            "operador.dba",
            "",
        ),
        (
            day(11, 1),
            "loja",
            "20261101T050004Z-a9d2",
            "cloud",
            "lab",
            1,
            212,
            47_503_118,
            872,
            "agenda",
            "",
        ),
        (
            day(11, 1) + 900.seconds(),
            "erp",
            "20261101T050004Z-a9d2",
            "cloud",
            "lab-pg",
            3,
            0,
            0,
            0,
            "agenda",
            "lab-pg sem espaço: faltaram 12 GB",
        ),
        (
            day(10, 10),
            "erp",
            "20261010T050004Z-17ce",
            "cloud",
            "lab-pg",
            1,
            417,
            109_880_021,
            2478,
            "agenda",
            "",
        ),
        (
            day(10, 1),
            "loja",
            "20261001T050004Z-c402",
            "nas",
            "lab",
            1,
            210,
            45_990_270,
            905,
            "agenda",
            "",
        ),
    ];
    let mut sql = Vec::new();
    for (i, (at, source, backup, store, into, verdict, tables, rows, rto, who, message)) in
        rows.into_iter().enumerate()
    {
        let rto = if rto == 0 { "NULL".to_owned() } else { rto.to_string() };
        sql.push(format!(
            "INSERT INTO drill (id, run, at, source, backup, store, target, verdict, table_count, row_count, rto_s, who, message) \
             VALUES ('d{i}', '', {}, '{source}', '{backup}', '{store}', '{into}', {verdict}, {tables}, {rows}, {rto}, '{who}', {})",
            moment(at),
            text(message)
        ));
    }
    sql.push(format!(
        "INSERT INTO remark (at, who, kind, drill, source, body, owner, open) VALUES ({}, 'dba.plantao', 'correction', 'd1', 'fin', \
         'Área de recuperação do laboratório ampliada para 80 GB.', '', 0)",
        moment(day(11, 12))
    ));
    sql.push(format!(
        "INSERT INTO remark (at, who, kind, drill, source, body, owner, open) VALUES ({}, 'dba.plantao', 'exception', '', 'pagamentos', \
         'nunca testada; fonte nova em 19/11/2026, teste em 01/12/2026', 'admin.dados', 1)",
        moment(day(11, 19))
    ));
    sql
}
