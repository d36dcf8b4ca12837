//! Bodies: read within bounds, and unwrapped of what clients wrap them in (gzip, S3's chunks).

use std::{
    io::Read,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    body::{Body, Frame, Incoming},
    header::{HeaderName, HeaderValue},
};
use tokio::sync::{Semaphore, mpsc};

/// How long a client may be silent in the middle of a body, and how long a body may take in all.
const SILENCE: Duration = Duration::from_mins(1);
const WHOLE: Duration = Duration::from_mins(5);
/// A body that turns out larger than this waits for its turn before more of it is read: what is half read takes memory, and
/// there may be as many clients as there are connections.
const LARGE: usize = 256 * 1024;
/// Whoever has one may not be silent for longer than this, since others wait.
const SILENCE_AT_TURN: Duration = Duration::from_secs(10);
static TURNS: Semaphore = Semaphore::const_new(4);
/// How much of a body that is too large is thrown away, so that the client hears why instead of finding the line cut.
const SURPLUS: usize = 512 * 1024 * 1024;

/// Why a body can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It's larger than allowed.
    TooLarge,
    /// The client stopped sending.
    Broken,
    /// It isn't what its headers say.
    Malformed,
}

/// Reads a body of at most so many bytes.
pub async fn read(body: Incoming, most: usize) -> Result<Bytes, Unread> {
    tokio::time::timeout(WHOLE, gather(body, most))
        .await
        .unwrap_or(Err(Unread::Broken))
}

async fn gather(mut body: Incoming, most: usize) -> Result<Bytes, Unread> {
    let mut turn = None;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_usize;
    loop {
        let silence = turn.as_ref().map_or(SILENCE, |_| SILENCE_AT_TURN);
        let frame = match tokio::time::timeout(silence, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) if is_malformed(&error) => return Err(Unread::Malformed),
            Ok(Some(Err(_))) | Err(_) => return Err(Unread::Broken),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length > LARGE && turn.is_none() {
            turn = TURNS.acquire().await.ok();
        }
        if length > most.saturating_add(SURPLUS) {
            return Err(Unread::TooLarge);
        }
        if length > most {
            first = Bytes::new();
            rest = BytesMut::new();
        } else if length == data.len() {
            // Most bodies are one piece, which needn't be copied.
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    if length > most {
        Err(Unread::TooLarge)
    } else if rest.is_empty() {
        Ok(first)
    } else {
        Ok(rest.freeze())
    }
}

/// Whether a body's chunks can't be read, where the client is still there to be told.
fn is_malformed(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|source| {
            matches!(
                source.kind(),
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData
            )
        })
}

/// Unpacks a body that was compressed; botocore does that with large `PutMetricData`.
pub fn gunzip(body: &[u8], most: usize) -> Result<Bytes, Unread> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut unpacked)
        .map_err(|_| Unread::Malformed)?;
    if unpacked.len() > most {
        return Err(Unread::TooLarge);
    }
    Ok(Bytes::from(unpacked))
}

/// One chunk of a signed stream, for whoever checks the chain of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the payload it begins and ends.
    pub range: std::ops::Range<usize>,
    /// Its signature, if it has one.
    pub signature: Option<String>,
}

/// What `aws-chunked` held.
#[derive(Debug)]
pub struct Unchunked {
    /// The payload.
    pub payload: Bytes,
    /// The headers behind it, such as checksums.
    pub trailers: HeaderMap,
    /// Its chunks, the last and empty one among them.
    pub chunks: Vec<Chunk>,
}

/// Takes S3's own chunks apart: `{hex length}[;chunk-signature=…]\r\n{bytes}\r\n`, a last one of length 0, trailers.
pub fn unchunk(body: &[u8]) -> Result<Unchunked, Unread> {
    let mut payload = BytesMut::with_capacity(body.len());
    let mut chunks = Vec::new();
    let mut rest = body;
    loop {
        let line = line(&mut rest)?;
        let (length, extension) = match line.split_once(';') {
            Some((length, extension)) => (length, Some(extension)),
            None => (line, None),
        };
        let length = usize::from_str_radix(length.trim(), 16).map_err(|_| Unread::Malformed)?;
        let signature = extension
            .and_then(|extension| extension.trim().strip_prefix("chunk-signature="))
            .map(str::to_owned);
        let start = payload.len();
        if length > 0 {
            let (data, after) = rest.split_at_checked(length).ok_or(Unread::Malformed)?;
            payload.extend_from_slice(data);
            rest = after.strip_prefix(b"\r\n").ok_or(Unread::Malformed)?;
        }
        chunks.push(Chunk {
            range: start..payload.len(),
            signature,
        });
        if length == 0 {
            break;
        }
    }
    let mut trailers = HeaderMap::new();
    while !rest.is_empty() {
        let line = line(&mut rest)?;
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(Unread::Malformed)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| Unread::Malformed)?;
        let value = HeaderValue::try_from(value.trim()).map_err(|_| Unread::Malformed)?;
        trailers
            .try_append(name, value)
            .map_err(|_| Unread::Malformed)?;
    }
    Ok(Unchunked {
        payload: payload.freeze(),
        trailers,
        chunks,
    })
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Unread> {
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .or_else(|| rest.iter().position(|byte| *byte == b'\n'));
    // The last line of the trailers may lack its end.
    let (line, after) = match end {
        Some(end) => rest.split_at(end),
        None => (*rest, &[][..]),
    };
    *rest = after
        .strip_prefix(b"\r\n")
        .or_else(|| after.strip_prefix(b"\n"))
        .unwrap_or(after);
    std::str::from_utf8(line).map_err(|_| Unread::Malformed)
}

/// A body as a service sends it.
#[derive(Debug)]
pub struct Stream(pub mpsc::Receiver<Bytes>);

impl Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_zipped_body_is_unpacked_within_its_bound() {
        let body = zipped(&vec![7; 100_000]);
        assert_eq!(gunzip(&body, 100_000).unwrap().len(), 100_000);
        assert_eq!(gunzip(&body, 99_999), Err(Unread::TooLarge));
        assert_eq!(gunzip(b"no zip", 10), Err(Unread::Malformed));
        assert_eq!(
            gunzip(&body[..body.len() / 2], 1 << 20),
            Err(Unread::Malformed)
        );
    }

    #[test]
    fn chunks_are_put_together_and_trailers_kept() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        let read = unchunk(body).unwrap();
        assert_eq!(read.payload, "hello world");
        assert_eq!(read.trailers["x-amz-checksum-crc32"], "AAAAAA==");
        let ranges: Vec<_> = read
            .chunks
            .iter()
            .map(|chunk| chunk.range.clone())
            .collect();
        assert_eq!(ranges, [0..5, 5..11, 11..11]);
        assert_eq!(read.chunks[2].signature.as_deref(), Some("ef"));
    }

    #[test]
    fn broken_chunks_are_malformed() {
        for body in [
            &b""[..],
            b"5\r\nhell",
            b"5\r\nhello",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"zz\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            b"-1\r\nhello\r\n0\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(unchunk(body).unwrap_err(), Unread::Malformed, "{body:?}");
        }
    }
}
