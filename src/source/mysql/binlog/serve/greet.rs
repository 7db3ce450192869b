//! The greeting of a server, and the proof of who connects: a password made for this one recovery,
//! which never goes over the wire.

use std::io;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::source::mysql::binlog::serve::wire::Wire;
use crate::source::mysql::flavor::Family;

/// What the server can: long passwords, long flags, the protocol of 4.1, transactions, a proof of 20
/// bytes, and a named way of it.
const CAN: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

/// A client that names a database in its answer.
const WITH_DATABASE: u32 = 0x8;

/// What a greeting says.
pub struct Greeting<'a> {
    /// Whose replica connects.
    pub family: Family,
    /// The version of the server whose log it is.
    pub version: &'a str,
    /// Whoever may connect.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// 20 bytes that nobody knew before.
    pub nonce: [u8; 20],
}

impl Greeting<'_> {
    fn way(&self) -> &'static str {
        match self.family {
            Family::Mysql => "caching_sha2_password",
            Family::Mariadb => "mysql_native_password",
        }
    }

    /// Greets; whether it is who may connect.
    pub fn hold(&self, wire: &mut Wire) -> io::Result<bool> {
        let mut hello = vec![10];
        hello.extend(self.version.as_bytes());
        hello.push(0);
        hello.extend(1_u32.to_le_bytes());
        hello.extend(&self.nonce[..8]);
        hello.push(0);
        hello.extend(&CAN.to_le_bytes()[..2]);
        hello.extend([33, 2, 0]);
        hello.extend(&CAN.to_le_bytes()[2..]);
        hello.push(21);
        hello.extend([0; 10]);
        hello.extend(&self.nonce[8..]);
        hello.push(0);
        hello.extend(self.way().as_bytes());
        hello.push(0);
        wire.write(&hello)?;
        let answer = wire.read()?;
        let (user, mut proof, way) = parse(&answer)
            .ok_or_else(|| io::Error::other("an answer to the greeting that is not whole"))?;
        if way.is_some_and(|way| way != self.way().as_bytes()) {
            let mut switch = vec![0xfe];
            switch.extend(self.way().as_bytes());
            switch.push(0);
            switch.extend(&self.nonce);
            switch.push(0);
            wire.write(&switch)?;
            proof = wire.read()?;
        }
        if user != self.user.as_bytes() || proof != self.proof() {
            wire.error(1045, "28000", "Access denied: this is a recovery of another server")?;
            return Ok(false);
        }
        if self.family == Family::Mysql {
            // The fast way did: no more is asked.
            wire.write(&[1, 3])?;
        }
        wire.ok()?;
        Ok(true)
    }

    /// What proves the password for this nonce.
    fn proof(&self) -> Vec<u8> {
        let (algorithm, nonce_first) = match self.family {
            Family::Mysql => (&SHA256, false),
            Family::Mariadb => (&SHA1_FOR_LEGACY_USE_ONLY, true),
        };
        let one = digest(algorithm, self.password.as_bytes());
        let two = digest(algorithm, one.as_ref());
        let joined = match nonce_first {
            true => [&self.nonce, two.as_ref()].concat(),
            false => [two.as_ref(), &self.nonce].concat(),
        };
        let three = digest(algorithm, &joined);
        one.as_ref().iter().zip(three.as_ref()).map(|(a, b)| a ^ b).collect()
    }
}

/// User, proof, and the way of the proof.
type Answer<'a> = (&'a [u8], Vec<u8>, Option<&'a [u8]>);

/// User, proof, and the way of the proof, of the answer to a greeting.
fn parse(answer: &[u8]) -> Option<Answer<'_>> {
    let can = u32::from_le_bytes(answer.get(..4)?.try_into().ok()?);
    let text = |at: usize| -> Option<(&[u8], usize)> {
        let length = answer.get(at..)?.iter().position(|byte| *byte == 0)?;
        Some((&answer[at..at + length], at + length + 1))
    };
    let (user, at) = text(32)?;
    let length = *answer.get(at)? as usize;
    let proof = answer.get(at + 1..at + 1 + length)?.to_vec();
    let mut at = at + 1 + length;
    if can & WITH_DATABASE != 0 {
        at = text(at)?.1;
    }
    Some((user, proof, text(at).map(|(way, _)| way)))
}
