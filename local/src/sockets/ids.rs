//! The ids of connections, requests and messages: shaped like AWS's, 16 characters of which the last is `=`.
//!
//! A connection's id ends in a seal over its beginning, so that an id that was never given out is told from one whose
//! connection is gone without remembering all that there were: AWS answers 400 to the one and 410 to the other.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What isn't sealed, in bytes.
const HEAD: usize = 6;
/// All of it, in bytes: 16 characters with the `=`.
const LENGTH: usize = 11;

/// An id, such as `L0SM9cOFvHcCIhw=`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id([u8; 16]);

/// Gives out ids.
pub(super) struct Ids {
    key: [u8; 32],
}

impl Id {
    /// A request's.
    pub fn request() -> Self {
        Self::of(rand::random())
    }

    /// A message's: it ends like its connection's.
    pub fn message(connection: Self) -> Self {
        let mut message = Self::request();
        if let (Some(end), Some(shared)) = (message.0.get_mut(8..), connection.0.get(8..)) {
            end.copy_from_slice(shared);
        }
        message
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn of(bytes: [u8; LENGTH]) -> Self {
        let mut text = [b'='; 16];
        // 11 bytes are always 16 characters.
        let _ = URL_SAFE.encode_slice(bytes, &mut text);
        Self(text)
    }
}

impl Ids {
    /// A new connection's.
    pub fn connection(&self) -> Id {
        self.sealed(rand::random())
    }

    /// The id, if it's one that was given out.
    pub fn real(&self, text: &str) -> Option<Id> {
        let bytes = URL_SAFE.decode(text).ok()?;
        let head = bytes.first_chunk::<HEAD>()?;
        let sealed = self.sealed(*head);
        (sealed.as_str() == text).then_some(sealed)
    }

    fn sealed(&self, head: [u8; HEAD]) -> Id {
        let mut bytes = [0; LENGTH];
        if let Ok(mut seal) = Hmac::<Sha256>::new_from_slice(&self.key) {
            seal.update(&head);
            for (byte, sealed) in bytes
                .iter_mut()
                .skip(HEAD)
                .zip(seal.finalize().into_bytes())
            {
                *byte = sealed;
            }
        }
        if let Some(start) = bytes.first_chunk_mut::<HEAD>() {
            *start = head;
        }
        Id::of(bytes)
    }

    /// What is to be kept: ids of before are gone after, not invented.
    pub fn keep(&self) -> String {
        URL_SAFE.encode(self.key)
    }

    /// Takes what was kept.
    pub fn restore(kept: &str) -> Option<Self> {
        let key = URL_SAFE.decode(kept).ok()?.try_into().ok()?;
        Some(Self { key })
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            key: rand::random(),
        }
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ids").finish_non_exhaustive()
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_given_out_is_told_from_one_that_was_made_up() {
        let ids = Ids::default();
        for _ in 0..100 {
            let id = ids.connection();
            assert_eq!(id.as_str().len(), 16);
            assert!(id.as_str().ends_with('='));
            assert_eq!(ids.real(id.as_str()), Some(id));
            let message = Id::message(id);
            assert_eq!(message.as_str().get(8..), id.as_str().get(8..));
            assert_eq!(ids.real(message.as_str()), None);
            assert_eq!(Ids::default().real(id.as_str()), None);
        }
        for bad in [
            "",
            "=",
            "AAAAAAAAAAAAA=",
            "x",
            "L0SM9cOFvHcCIhw=",
            "ä=======",
            "AAAAAAAAAAAAAAAAAAA=",
        ] {
            assert_eq!(ids.real(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_of_before_are_known_after_a_restart() {
        let ids = Ids::default();
        let id = ids.connection();
        let restored = Ids::restore(&ids.keep()).unwrap();
        assert_eq!(restored.real(id.as_str()), Some(id));
        assert!(Ids::restore("x").is_none());
    }
}
