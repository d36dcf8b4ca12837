//! Receipt handles: which message, which of its receives, and a mark that only its queue can make.
//!
//! Opaque to the caller, as AWS's are, and as hard to make up: the mark is a digest with the queue's own key.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// What all handles begin with; in base64 it's the `AQEB` of AWS's.
const PREFIX: [u8; 3] = [1, 1, 1];
/// A handle's bytes.
const LENGTH: usize = 33;

/// Which receive of which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's number in its queue.
    pub number: u64,
    /// The receive's number in its queue.
    pub receive: u64,
}

impl Receipt {
    /// The handle of this receipt.
    pub fn handle(self, key: &[u8; 16]) -> String {
        let mut bytes = [0_u8; LENGTH];
        bytes[..3].copy_from_slice(&PREFIX);
        bytes[3..11].copy_from_slice(&self.number.to_be_bytes());
        bytes[11..19].copy_from_slice(&self.receive.to_be_bytes());
        bytes[19..].copy_from_slice(&self.mark(key));
        STANDARD.encode(bytes)
    }

    /// The receipt of this handle, if the queue made it.
    pub fn of(handle: &str, key: &[u8; 16]) -> Option<Self> {
        let mut bytes = [0_u8; LENGTH + 3];
        // One length only: a longer text needn't be decoded to be refused.
        if handle.len() != LENGTH / 3 * 4 {
            return None;
        }
        let read = STANDARD.decode_slice(handle, &mut bytes).ok()?;
        let bytes = bytes.get(..read)?;
        let number = bytes.get(3..11)?.try_into().ok()?;
        let receive = bytes.get(11..19)?.try_into().ok()?;
        let receipt = Self {
            number: u64::from_be_bytes(number),
            receive: u64::from_be_bytes(receive),
        };
        let made = bytes.starts_with(&PREFIX) && bytes.get(19..) == Some(&receipt.mark(key)[..]);
        made.then_some(receipt)
    }

    fn mark(self, key: &[u8; 16]) -> [u8; 14] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(key)
            .chain_update(self.number.to_be_bytes())
            .chain_update(self.receive.to_be_bytes())
            .finalize()
            .into();
        let mut mark = [0; 14];
        mark.copy_from_slice(&digest[..14]);
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_by_its_queue_only() {
        let receipt = Receipt {
            number: 7,
            receive: 70_000,
        };
        let handle = receipt.handle(&[1; 16]);
        assert!(handle.starts_with("AQEB"), "{handle}");
        assert_eq!(Receipt::of(&handle, &[1; 16]), Some(receipt));
        assert_eq!(Receipt::of(&handle, &[2; 16]), None);
        assert_eq!(Receipt::of("INVALID", &[1; 16]), None);
        assert_eq!(Receipt::of("", &[1; 16]), None);
        let mut forged = handle.into_bytes();
        forged[20] ^= 1;
        let forged = String::from_utf8(forged).expect("ASCII");
        assert_eq!(Receipt::of(&forged, &[1; 16]), None);
    }
}
