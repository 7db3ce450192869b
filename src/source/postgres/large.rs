//! Large objects: what they are, and their bytes as statements.
//!
//! Each statement puts one page-aligned stretch, and is a row of the content proof; stretches of
//! zeros are left out, as holes are.

use postgres::Client;

use crate::artifact::{Proof, RowDigest};
use crate::base::Stop;
use crate::source::contract::{Out, Result};
use crate::source::postgres::definition::{OWNER, PROLOGUE, literal, quoted};
use crate::source::postgres::fault::wrap;

/// Name of the member that holds their bytes.
pub const NAME: &str = "large objects";

/// Bytes of one stretch: 128 of the server's own pages of 2 KiB.
const STRETCH: i64 = 128 * 2048;

/// What an entry of bytes begins with.
const BYTES_PROLOGUE: &str = "SET statement_timeout=0;\nSET standard_conforming_strings=on;\nSET client_min_messages=warning;\n";

/// What a database holds.
#[derive(Debug, Default)]
pub struct LargeObjects {
    /// Their identifiers.
    pub ids: Vec<u32>,
    /// The script that makes them, empty, with owners and comments.
    pub made: String,
    /// The script of their rights.
    pub rights: String,
}

/// Asks for all large objects.
pub fn survey(client: &mut Client) -> Result<LargeObjects> {
    let doing = "list the large objects";
    let sql = "SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text, pg_catalog.obj_description(m.oid, 'pg_largeobject'), \
               m.lomacl IS NOT NULL FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid";
    let rows = client.query(sql, &[]).map_err(|e| wrap(doing, e))?;
    let mut found = LargeObjects::default();
    if rows.is_empty() {
        return Ok(found);
    }
    found.made = PROLOGUE.to_owned();
    let mut owners = String::new();
    for row in &rows {
        let (oid, owner): (u32, String) = (row.get(0), row.get(1));
        found.ids.push(oid);
        found.made += &format!("SELECT pg_catalog.lo_create({oid});\n");
        if let Some(comment) = row.get::<_, Option<String>>(2) {
            found.made += &format!("COMMENT ON LARGE OBJECT {oid} IS {};\n", literal(&comment));
        }
        owners += &format!("ALTER LARGE OBJECT {oid} OWNER TO {};\n", quoted(&owner));
    }
    found.made += OWNER;
    found.made += &owners;
    if rows.iter().any(|row| row.get::<_, bool>(3)) {
        found.rights = rights(client)?;
    }
    Ok(found)
}

/// Rights as they are, after all that the owner has by itself are taken away.
fn rights(client: &mut Client) -> Result<String> {
    let sql = "SELECT m.oid, CASE a.grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, \
               a.privilege_type, a.is_grantable, pg_catalog.pg_get_userbyid(m.lomowner)::text \
               FROM pg_catalog.pg_largeobject_metadata m LEFT JOIN LATERAL pg_catalog.aclexplode(m.lomacl) a ON true \
               WHERE m.lomacl IS NOT NULL ORDER BY m.oid";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list the rights on large objects", e))?;
    let mut script = PROLOGUE.to_owned();
    let mut last = None;
    for row in &rows {
        let oid: u32 = row.get(0);
        if last != Some(oid) {
            script += &format!(
                "REVOKE ALL ON LARGE OBJECT {oid} FROM {};\n",
                quoted(&row.get::<_, String>(4))
            );
            last = Some(oid);
        }
        let Some(privilege) = row.get::<_, Option<String>>(2) else { continue };
        let to =
            row.get::<_, Option<String>>(1).map_or_else(|| "PUBLIC".to_owned(), |g| quoted(&g));
        let with =
            if row.get::<_, Option<bool>>(3) == Some(true) { " WITH GRANT OPTION" } else { "" };
        script += &format!("GRANT {privilege} ON LARGE OBJECT {oid} TO {to}{with};\n");
    }
    script += OWNER;
    Ok(script)
}

/// Reads the bytes of these objects as entries.
pub fn read(
    client: &mut Client,
    ids: &[u32],
    chunk: usize,
    out: &mut dyn Out,
    stop: &Stop,
) -> Result<Proof> {
    let (mut digest, mut total) = (RowDigest::new(), Proof::default());
    let mut entry: Option<Vec<u8>> = None;
    lines(client, ids, stop, &mut |line| {
        let open = match &mut entry {
            Some(open) => open,
            None => {
                let mut buffer = out.buffer()?;
                buffer.extend_from_slice(BYTES_PROLOGUE.as_bytes());
                entry.insert(buffer)
            }
        };
        digest.line(line.as_bytes());
        open.extend_from_slice(line.as_bytes());
        open.push(b'\n');
        if open.len() >= chunk
            && let Some(full) = entry.take()
        {
            let proof = digest.take();
            total += proof;
            out.chunk(full, proof)?;
        }
        Ok(())
    })?;
    if let Some(open) = entry {
        let proof = digest.take();
        total += proof;
        out.chunk(open, proof)?;
    }
    Ok(total)
}

/// Stretches and digest of all large objects of a database.
pub fn prove(client: &mut Client, stop: &Stop) -> Result<Proof> {
    let ids = survey(client)?.ids;
    let mut digest = RowDigest::new();
    lines(client, &ids, stop, &mut |line| {
        digest.line(line.as_bytes());
        Ok(())
    })?;
    Ok(digest.take())
}

/// One line for each stretch, but for those of zeros alone, which need not be put; the last one
/// tells where it ends.
fn lines(
    client: &mut Client,
    ids: &[u32],
    stop: &Stop,
    line: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let doing = "read the large objects";
    let fail = |e| wrap(doing, e);
    // Size by the end of the object, opened for reading (262144) in the transaction that is open.
    let size = client
        .prepare(
            "SELECT pg_catalog.lo_lseek64(fd, 0, 2), pg_catalog.lo_close(fd) FROM pg_catalog.lo_open($1, 262144) fd",
        )
        .map_err(fail)?;
    let get = client
        .prepare("SELECT pg_catalog.encode(pg_catalog.lo_get($1, $2, $3), 'hex')")
        .map_err(fail)?;
    let length = i32::try_from(STRETCH).expect("BUG: a stretch of more than 2 GiB");
    for oid in ids {
        let end: i64 = client.query_one(&size, &[oid]).map_err(fail)?.get(0);
        let mut offset = 0;
        while offset < end {
            stop.check()?;
            let bytes: String =
                client.query_one(&get, &[oid, &offset, &length]).map_err(fail)?.get(0);
            if offset + STRETCH >= end || bytes.bytes().any(|b| b != b'0') {
                line(&format!("SELECT pg_catalog.lo_put({oid}, {offset}, '\\x{bytes}');"))?;
            }
            offset += STRETCH;
        }
    }
    Ok(())
}
