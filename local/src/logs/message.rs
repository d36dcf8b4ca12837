//! Messages of AWS's event streams (`application/vnd.amazon.eventstream`). Pure.
//!
//! A message: its length, its headers' length, a CRC of both; headers; a payload; a CRC of all before it
//! [Smithy, Amazon Event Stream specification].

use bytes::{BufMut, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};

/// The content type of an event stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
/// A header's value is a string.
const STRING: u8 = 7;

/// An event with a JSON payload.
pub fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":message-type", "event"),
            (":event-type", kind),
            (":content-type", content_type),
        ],
        payload,
    )
}

/// An exception: the last message of a stream that ends before its time.
pub fn exception(kind: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":message-type", "exception"),
            (":exception-type", kind),
            (":content-type", "application/json"),
        ],
        payload,
    )
}

fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut written = BytesMut::new();
    for (name, value) in headers {
        // Names and values are this module's callers' own and short.
        let (Ok(name_length), Ok(value_length)) =
            (u8::try_from(name.len()), u16::try_from(value.len()))
        else {
            continue;
        };
        written.put_u8(name_length);
        written.put_slice(name.as_bytes());
        written.put_u8(STRING);
        written.put_u16(value_length);
        written.put_slice(value.as_bytes());
    }
    let total = u32::try_from(16 + written.len() + payload.len()).unwrap_or(u32::MAX);
    let headers_length = u32::try_from(written.len()).unwrap_or(u32::MAX);
    let mut message = BytesMut::with_capacity(16 + written.len() + payload.len());
    message.put_u32(total);
    message.put_u32(headers_length);
    message.put_u32(crc(&message));
    message.put_slice(&written);
    message.put_slice(payload);
    message.put_u32(crc(&message));
    message.freeze()
}

/// The CRC-32 of zip, Ethernet and others.
pub fn crc(bytes: &[u8]) -> u32 {
    u32::try_from(checksum(CrcAlgorithm::Crc32IsoHdlc, bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{encode, event};

    #[test]
    fn an_empty_message_is_the_specifications() {
        assert_eq!(
            encode(&[], b"")[..],
            [
                0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98,
                0xc8, 0xff
            ]
        );
    }

    #[test]
    fn a_message_with_headers_is_the_specifications() {
        // The specification's vector: one string header and a JSON payload.
        let message = encode(&[("content-type", "application/json")], b"{'foo':'bar'}");
        assert_eq!(message[..4], [0x00, 0x00, 0x00, 0x3d]);
        assert_eq!(message[4..8], [0x00, 0x00, 0x00, 0x20]);
        assert_eq!(message[8..12], [0x07, 0xfd, 0x83, 0x96]);
        assert_eq!(message[message.len() - 4..], [0x8d, 0x9c, 0x08, 0xb1]);
    }

    #[test]
    fn an_event_names_its_kind() {
        let message = event("sessionUpdate", "application/json", b"{}");
        let text = String::from_utf8_lossy(&message);
        for part in [
            ":message-type",
            "event",
            ":event-type",
            "sessionUpdate",
            "{}",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
