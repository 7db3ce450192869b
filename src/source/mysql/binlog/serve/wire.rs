//! Packets of the MySQL protocol, as a server writes and reads them.
//!
//! Knows no meaning of what is in them but answers of one row.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The longest payload of one packet; a longer one goes on in the next.
const LONGEST: usize = 0xff_ffff;

/// No packet of a client is larger: they ask and register only.
const ASKED: usize = 1 << 20;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    sequence: u8,
}

impl Wire {
    /// Of a connection that was taken.
    pub fn new(stream: TcpStream) -> Wire {
        Wire { stream, sequence: 0 }
    }

    /// The next command begins a sequence of packets.
    pub fn begin(&mut self) {
        self.sequence = 0;
    }

    /// Reads one packet.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        if length > ASKED {
            return Err(io::Error::other(format!("a packet of {length} bytes")));
        }
        self.sequence = head[3].wrapping_add(1);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }

    /// Writes a payload, in as many packets as it takes.
    pub fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut rest = payload;
        loop {
            let (own, more) = rest.split_at(rest.len().min(LONGEST));
            let length = (own.len() as u32).to_le_bytes();
            let head = [length[0], length[1], length[2], self.sequence];
            self.sequence = self.sequence.wrapping_add(1);
            self.stream.write_all(&head)?;
            self.stream.write_all(own)?;
            if own.len() < LONGEST {
                return Ok(());
            }
            rest = more;
        }
    }

    /// All is well.
    pub fn ok(&mut self) -> io::Result<()> {
        self.write(&[0, 0, 0, 2, 0, 0, 0])
    }

    /// There is no more for now.
    pub fn end(&mut self) -> io::Result<()> {
        self.write(&[0xfe, 0, 0, 2, 0])
    }

    /// It can't be done.
    pub fn error(&mut self, number: u16, state: &str, text: &str) -> io::Result<()> {
        let mut payload = vec![0xff];
        payload.extend(number.to_le_bytes());
        payload.push(b'#');
        payload.extend(state.as_bytes());
        payload.extend(text.as_bytes());
        self.write(&payload)
    }

    /// One row of text.
    pub fn row(&mut self, columns: &[(&str, &str)]) -> io::Result<()> {
        self.write(&[columns.len() as u8])?;
        for (name, _) in columns {
            let mut payload = Vec::new();
            for text in ["def", "", "", "", name, name] {
                packed(&mut payload, text.as_bytes());
            }
            // Its length, as bytes of text that every charset has.
            payload.extend([0x0c, 33, 0, 0, 4, 0, 0, 253, 0, 0, 0, 0, 0]);
            self.write(&payload)?;
        }
        self.end()?;
        let mut payload = Vec::new();
        columns.iter().for_each(|(_, value)| packed(&mut payload, value.as_bytes()));
        self.write(&payload)?;
        self.end()
    }
}

/// Text with its length; all of ours is short.
fn packed(payload: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(250)];
    payload.push(text.len() as u8);
    payload.extend(text);
}
