//! Exchanges as they are stored: masked, and compressed if that saves space, so that a body that came compressed does
//! not take more space in the store than on the wire.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::{Answer, Exchange, Message};
use crate::coding::gzipped;

/// Bytes from which on compression is worth its time.
const WORTH_PACKING: usize = 512;

/// An exchange with its bodies compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedExchange {
    /// The exchange without its bodies.
    pub exchange: Exchange,
    /// The body of the request.
    pub request: PackedBody,
    /// The body of upstream's answer.
    pub answer: PackedBody,
}

/// A body, compressed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedBody {
    /// The bytes are gzip.
    pub is_packed: bool,
    /// The bytes, as stored.
    pub bytes: Vec<u8>,
}

impl PackedExchange {
    /// Compresses an exchange; takes time.
    pub fn new(mut exchange: Exchange) -> Self {
        let pack = |message: &mut Message| PackedBody::new(std::mem::take(&mut message.body));
        let request = pack(&mut exchange.request);
        let answer = exchange.answer.as_mut().map(|answer| pack(&mut answer.message)).unwrap_or_default();
        Self { exchange, request, answer }
    }

    /// Restores the exchange.
    ///
    /// # Errors
    /// The bytes are no gzip.
    pub fn unpack(self) -> std::io::Result<Exchange> {
        let Self { mut exchange, request, answer } = self;
        exchange.request.body = request.unpack()?;
        if let Some(Answer { message, .. }) = &mut exchange.answer {
            message.body = answer.unpack()?;
        }
        Ok(exchange)
    }

    /// Bytes of both bodies.
    pub fn body_bytes(&self) -> usize {
        self.request.bytes.len() + self.answer.bytes.len()
    }
}

impl PackedBody {
    fn new(body: Vec<u8>) -> Self {
        let packed = (body.len() >= WORTH_PACKING).then(|| gzipped(&body)).filter(|packed| packed.len() < body.len());
        match packed {
            Some(bytes) => Self { is_packed: true, bytes },
            None => Self { is_packed: false, bytes: body },
        }
    }

    fn unpack(self) -> std::io::Result<Vec<u8>> {
        if !self.is_packed {
            return Ok(self.bytes);
        }
        let mut body = Vec::new();
        GzDecoder::new(self.bytes.as_slice()).read_to_end(&mut body)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_packed_where_that_makes_it_smaller() {
        let mut noise = 1_u64;
        let mut random = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.to_be_bytes()[0]
        };
        let random: Vec<u8> = (0..1000).map(|_| random()).collect();
        for (body, is_packed) in [(vec![], false), (vec![0; 100], false), (random, false), (vec![0; 1 << 20], true)] {
            let packed = PackedBody::new(body.clone());
            assert_eq!(packed.is_packed, is_packed);
            assert!(packed.bytes.len() <= body.len() && packed.bytes.len() < 2000);
            assert_eq!(packed.unpack().unwrap(), body);
        }
    }
}
