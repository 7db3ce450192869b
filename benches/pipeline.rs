//! Bytes per second of the pipeline alone: a source in memory, a store in memory, one press per
//! core.
//!
//! `cargo bench --bench pipeline`. The text is what a dump of mixed tables looks like; figures go
//! to `RESULTS.md`.

use divan::counter::BytesCount;
use vex::testing::artifact::{
    Dialect, Method, RowDigest, Sealing, SqlError, press, read_rows, write_bytes, write_text,
};

/// Bytes of one chunk.
const CHUNK: usize = 4 << 20;

fn main() {
    divan::main();
}

/// A chunk of INSERT statements: numbers, words, a little noise.
fn chunk() -> Vec<u8> {
    let mut out = b"INSERT INTO `t` (`id`,`a`,`b`,`c`) VALUES\n".to_vec();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut id = 0;
    while out.len() < CHUNK {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        id += 1;
        out.extend_from_slice(if id > 1 { b",\n(" } else { b"(" });
        out.extend_from_slice(format!("{id},{},", seed % 100_000).as_bytes());
        let word =
            ["delivered", "pending", "the quick 'brown' fox", "São Paulo"][(seed % 4) as usize];
        write_text(Dialect::Mysql, format!("{word} {}", seed % 977).as_bytes(), &mut out);
        out.push(b',');
        write_bytes(&seed.to_le_bytes(), &mut out);
        out.push(b')');
    }
    out.extend_from_slice(b";\n");
    out
}

#[divan::bench(args = [Method::Store, Method::Zstd(1), Method::Zstd(3), Method::Deflate(1), Method::Deflate(6)])]
fn press_one_chunk(bencher: divan::Bencher<'_, '_>, method: &Method) {
    let data = chunk();
    bencher
        .counter(BytesCount::new(data.len()))
        .bench(|| press("t.sql", &data, *method, None, Vec::new()).expect("pressed").bytes.len());
}

#[divan::bench]
fn press_and_seal_one_chunk(bencher: divan::Bencher<'_, '_>) {
    let (data, password) =
        (chunk(), Sealing::Password(vex::testing::base::Secret::new("CANARY-BENCH".into())));
    bencher.counter(BytesCount::new(data.len())).bench(|| {
        press("t.sql", &data, Method::Zstd(1), Some(&password), Vec::new())
            .expect("pressed")
            .bytes
            .len()
    });
}

#[divan::bench]
fn read_and_digest_one_chunk(bencher: divan::Bencher<'_, '_>) {
    let data = chunk();
    bencher.counter(BytesCount::new(data.len())).bench(|| {
        let mut digest = RowDigest::new();
        read_rows(Dialect::Mysql, &data, &mut |_, values| {
            for value in values {
                let (tag, bytes) = value.parts();
                digest.value(tag, bytes);
            }
            digest.end_row();
            Ok::<(), SqlError>(())
        })
        .expect("reads");
        digest.take()
    });
}
