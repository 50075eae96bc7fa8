//! Digests over data that arrives in pieces.

use std::io;

use sm3::digest::Digest as _;

/// 32 bytes, in both suites.
pub type Digest = [u8; 32];

/// SM3 of a whole message.
pub fn sm3(data: &[u8]) -> Digest {
    ::sm3::Sm3::digest(data).into()
}

/// SM3 over data that arrives in pieces. Also an [`io::Write`], so that a file can be copied in.
#[derive(Clone, Debug, Default)]
pub struct Sm3(::sm3::Sm3);

impl Sm3 {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

impl io::Write for Sm3 {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The hasher of whichever suite is in use.
#[derive(Clone, Debug)]
pub struct Hasher(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Sm3(Sm3),
    Sha256(sha2::Sha256),
}

impl Hasher {
    pub(super) fn sm3() -> Self {
        Self(Kind::Sm3(Sm3::new()))
    }

    pub(super) fn sha256() -> Self {
        Self(Kind::Sha256(sha2::Sha256::new()))
    }

    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            Kind::Sm3(hasher) => hasher.update(piece),
            Kind::Sha256(hasher) => hasher.update(piece),
        }
    }

    pub fn finish(self) -> Digest {
        match self.0 {
            Kind::Sm3(hasher) => hasher.finish(),
            Kind::Sha256(hasher) => hasher.finalize().into(),
        }
    }
}

impl io::Write for Hasher {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
