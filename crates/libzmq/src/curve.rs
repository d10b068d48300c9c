//! CURVE keys and their Z85 text form (ZeroMQ RFC 32).

use crate::error::{Error, Result};
use crate::ffi;
use crate::socket::{c_text, check};

/// A CURVE key: 32 bytes.
pub type Key = [u8; 32];

/// A key's length as Z85 text.
pub const KEY_TEXT_CHARS: usize = 40;

/// A new key pair, `(public, secret)`, from libsodium's random source.
///
/// # Errors
/// When libzmq was built without CURVE.
pub fn curve_keypair() -> Result<(Key, Key)> {
    let mut public = [0_u8; KEY_TEXT_CHARS + 1];
    let mut secret = [0_u8; KEY_TEXT_CHARS + 1];
    // SAFETY: both have room for 40 characters and a NUL.
    let code = unsafe { ffi::zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
    check(code, "making a CURVE key pair")?;
    Ok((key_of(&public)?, key_of(&secret)?))
}

/// The public key that belongs to `secret`.
///
/// # Errors
/// When libzmq was built without CURVE.
pub fn curve_public(secret: &Key) -> Result<Key> {
    let secret = c_text("deriving a CURVE public key", &z85_encode(secret)?)?;
    let mut public = [0_u8; KEY_TEXT_CHARS + 1];
    // SAFETY: `secret` is 40 characters and a NUL, `public` has room for as many.
    let code = unsafe { ffi::zmq_curve_public(public.as_mut_ptr().cast(), secret.as_ptr()) };
    check(code, "deriving a CURVE public key")?;
    key_of(&public)
}

/// A key as 40 characters of Z85.
///
/// # Errors
/// None for 32 bytes; the signature leaves room for libzmq to refuse.
pub fn z85_encode(key: &Key) -> Result<String> {
    let mut text = [0_u8; KEY_TEXT_CHARS + 1];
    // SAFETY: 32 bytes become 40 characters and a NUL, for which there is room.
    let end = unsafe { ffi::zmq_z85_encode(text.as_mut_ptr().cast(), key.as_ptr(), key.len()) };
    if end.is_null() {
        return Err(Error::last("writing a key as Z85"));
    }
    Ok(String::from_utf8_lossy(&text[..KEY_TEXT_CHARS]).into_owned())
}

/// A key from 40 characters of Z85.
///
/// # Errors
/// When the text has another length or characters that Z85 has not.
pub fn z85_decode(text: &str) -> Result<Key> {
    const ATTEMPTED: &str = "reading a key from Z85";
    if text.len() != KEY_TEXT_CHARS {
        return Err(Error::from_code(ATTEMPTED, libc::EINVAL));
    }
    let text = c_text(ATTEMPTED, text)?;
    let mut key: Key = [0; 32];
    // SAFETY: 40 characters become 32 bytes, for which there is room; the text ends in NUL.
    let end = unsafe { ffi::zmq_z85_decode(key.as_mut_ptr(), text.as_ptr()) };
    if end.is_null() { Err(Error::last(ATTEMPTED)) } else { Ok(key) }
}

fn key_of(text: &[u8; KEY_TEXT_CHARS + 1]) -> Result<Key> {
    z85_decode(&String::from_utf8_lossy(&text[..KEY_TEXT_CHARS]))
}
