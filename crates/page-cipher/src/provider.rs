//! The crypto provider that SQLCipher asks for, over AWS-LC.
//!
//! Source: SQLCipher 4 `sqlcipher.h` (`struct sqlcipher_provider`) and `crypto_openssl.c`, the
//! reference implementation that this one answers like, byte for byte.
//! All state is on the stack of one call: nothing is allocated or looked up per page, and
//! calls from several threads share nothing. No function here panics.

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use aws_lc_sys as lc;

const SQLITE_OK: c_int = 0;
const SQLITE_ERROR: c_int = 1;

const ENCRYPT: c_int = 1;

const KEY_BYTES: c_int = 32;
const BLOCK_BYTES: c_int = 16;

/// `struct sqlcipher_provider`; `c/with_provider.c` asserts the same order of entries.
#[repr(C)]
struct Provider {
    init: Option<extern "C" fn() -> c_int>,
    shutdown: Option<extern "C" fn()>,
    get_provider_name: extern "C" fn(*mut c_void) -> *const c_char,
    add_random: extern "C" fn(*mut c_void, *const c_void, c_int) -> c_int,
    random: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    hmac: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *const c_uchar,
        c_int,
        *const c_uchar,
        c_int,
        *const c_uchar,
        c_int,
        *mut c_uchar,
    ) -> c_int,
    kdf: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *const c_uchar,
        c_int,
        *const c_uchar,
        c_int,
        c_int,
        c_int,
        *mut c_uchar,
    ) -> c_int,
    cipher: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *const c_uchar,
        c_int,
        *const c_uchar,
        *const c_uchar,
        c_int,
        *mut c_uchar,
    ) -> c_int,
    get_cipher: extern "C" fn(*mut c_void) -> *const c_char,
    get_key_sz: extern "C" fn(*mut c_void) -> c_int,
    get_iv_sz: extern "C" fn(*mut c_void) -> c_int,
    get_block_sz: extern "C" fn(*mut c_void) -> c_int,
    get_hmac_sz: extern "C" fn(*mut c_void, c_int) -> c_int,
    ctx_init: extern "C" fn(*mut *mut c_void) -> c_int,
    ctx_free: extern "C" fn(*mut *mut c_void) -> c_int,
    fips_status: extern "C" fn(*mut c_void) -> c_int,
    get_provider_version: extern "C" fn(*mut c_void) -> *const c_char,
    next: *mut Provider,
}

/// Fills in the provider that SQLCipher allocated; it calls this once, when SQLite starts.
///
/// # Safety
///
/// `provider` points to memory for one `struct sqlcipher_provider`, which may be uninitialized.
#[unsafe(no_mangle)]
unsafe extern "C" fn vitae_sqlcipher_provider(provider: *mut Provider) -> c_int {
    let ours = Provider {
        init: None,
        shutdown: None,
        get_provider_name,
        add_random,
        random,
        hmac,
        kdf,
        cipher,
        get_cipher,
        get_key_sz,
        get_iv_sz,
        get_block_sz,
        get_hmac_sz,
        ctx_init,
        ctx_free,
        fips_status,
        get_provider_version,
        next: ptr::null_mut(),
    };
    // SAFETY: the caller gives memory of this size and alignment that nobody else uses yet.
    unsafe { provider.write(ours) };
    SQLITE_OK
}

/// The digest of SQLCipher's number for an HMAC or a PBKDF2 (both count alike), and its bytes.
///
/// SHA-1 is there for files of SQLCipher 3.
fn digest(algorithm: c_int) -> Option<(*const lc::EVP_MD, c_int)> {
    // SAFETY: these take nothing and give pointers to constants of the library.
    unsafe {
        match algorithm {
            0 => Some((lc::EVP_sha1(), 20)),
            1 => Some((lc::EVP_sha256(), 32)),
            2 => Some((lc::EVP_sha512(), 64)),
            _ => None,
        }
    }
}

const fn result(is_done: bool) -> c_int {
    if is_done { SQLITE_OK } else { SQLITE_ERROR }
}

/// Fills `out` with random bytes.
///
/// # Safety
///
/// `out` is valid for writes of `length` bytes.
unsafe extern "C" fn random(_: *mut c_void, out: *mut c_void, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return SQLITE_ERROR };
    // SAFETY: `out` holds `length` bytes.
    result(unsafe { lc::RAND_bytes(out.cast(), length) } == 1)
}

/// AWS-LC seeds itself from the operating system and takes no help: accepted and dropped.
extern "C" fn add_random(_: *mut c_void, _: *const c_void, _: c_int) -> c_int {
    SQLITE_OK
}

/// HMAC of `text` followed by `text2`.
///
/// # Safety
///
/// `key` is valid for reads of `key_len` bytes, `text` and `text2` of theirs or null, and `out`
/// for writes of the digest's bytes.
unsafe extern "C" fn hmac(
    _: *mut c_void,
    algorithm: c_int,
    key: *const c_uchar,
    key_len: c_int,
    text: *const c_uchar,
    text_len: c_int,
    text2: *const c_uchar,
    text2_len: c_int,
    out: *mut c_uchar,
) -> c_int {
    let Some((md, _)) = digest(algorithm) else { return SQLITE_ERROR };
    let lengths = (usize::try_from(key_len), usize::try_from(text_len), usize::try_from(text2_len));
    let (Ok(key_len), Ok(text_len), Ok(text2_len)) = lengths else { return SQLITE_ERROR };
    if key.is_null() || text.is_null() {
        return SQLITE_ERROR;
    }
    let mut state = MaybeUninit::<lc::HMAC_CTX>::uninit();
    let state = state.as_mut_ptr();
    // SAFETY: `HMAC_CTX_init` initializes the whole state, which lives until the clean-up, which
    // also wipes it; the buffers hold the lengths given; `out` holds a digest.
    unsafe {
        lc::HMAC_CTX_init(state);
        let is_done = lc::HMAC_Init_ex(state, key.cast(), key_len, md, ptr::null_mut()) == 1
            && lc::HMAC_Update(state, text, text_len) == 1
            && (text2.is_null() || lc::HMAC_Update(state, text2, text2_len) == 1)
            && lc::HMAC_Final(state, out, ptr::null_mut()) == 1;
        lc::HMAC_CTX_cleanup(state);
        result(is_done)
    }
}

/// PBKDF2 over an HMAC.
///
/// # Safety
///
/// `pass` and `salt` are valid for reads of their lengths, `out` for writes of `out_len` bytes.
unsafe extern "C" fn kdf(
    _: *mut c_void,
    algorithm: c_int,
    pass: *const c_uchar,
    pass_len: c_int,
    salt: *const c_uchar,
    salt_len: c_int,
    n_rounds: c_int,
    out_len: c_int,
    out: *mut c_uchar,
) -> c_int {
    let Some((md, _)) = digest(algorithm) else { return SQLITE_ERROR };
    let lengths = (usize::try_from(pass_len), usize::try_from(salt_len), usize::try_from(out_len));
    let (Ok(pass_len), Ok(salt_len), Ok(out_len)) = lengths else { return SQLITE_ERROR };
    let Ok(n_rounds) = u32::try_from(n_rounds) else { return SQLITE_ERROR };
    // SAFETY: the buffers hold the lengths given.
    let is_done = unsafe {
        lc::PKCS5_PBKDF2_HMAC(pass.cast(), pass_len, salt, salt_len, n_rounds, md, out_len, out)
    };
    result(is_done == 1)
}

/// AES-256-CBC without padding; `text` may be `out`.
///
/// # Safety
///
/// `key` and `iv` are valid for reads of their sizes, `text` for reads and `out` for writes of
/// `text_len` bytes; the two are the same or do not overlap.
unsafe extern "C" fn cipher(
    _: *mut c_void,
    mode: c_int,
    key: *const c_uchar,
    key_len: c_int,
    iv: *const c_uchar,
    text: *const c_uchar,
    text_len: c_int,
    out: *mut c_uchar,
) -> c_int {
    if key_len != KEY_BYTES || text_len % BLOCK_BYTES != 0 {
        return SQLITE_ERROR;
    }
    let Ok(text_len) = usize::try_from(text_len) else { return SQLITE_ERROR };
    let mut schedule = MaybeUninit::<lc::AES_KEY>::zeroed();
    let schedule = schedule.as_mut_ptr();
    // SAFETY: `key` holds the 256 bits asked for, and `schedule` is read only when it was set.
    // `AES_cbc_encrypt` changes the vector that it is given, so that it gets a copy of the 16
    // bytes of `iv`; it reads and writes whole blocks within `text_len`. The wipe covers the
    // schedule, which nothing reads afterwards.
    unsafe {
        let is_set = match mode {
            ENCRYPT => lc::AES_set_encrypt_key(key, 256, schedule),
            _ => lc::AES_set_decrypt_key(key, 256, schedule),
        } == 0;
        if is_set {
            let mut vector = iv.cast::<[u8; BLOCK_BYTES as usize]>().read();
            lc::AES_cbc_encrypt(text, out, text_len, schedule, vector.as_mut_ptr(), mode);
        }
        lc::OPENSSL_cleanse(schedule.cast(), size_of::<lc::AES_KEY>());
        result(is_set)
    }
}

extern "C" fn get_provider_name(_: *mut c_void) -> *const c_char {
    c"aws-lc".as_ptr()
}

extern "C" fn get_provider_version(_: *mut c_void) -> *const c_char {
    // SAFETY: takes nothing and gives a constant string of the library.
    unsafe { lc::OpenSSL_version(0) }
}

extern "C" fn get_cipher(_: *mut c_void) -> *const c_char {
    c"AES-256-CBC".as_ptr()
}

extern "C" fn get_key_sz(_: *mut c_void) -> c_int {
    KEY_BYTES
}

extern "C" fn get_iv_sz(_: *mut c_void) -> c_int {
    BLOCK_BYTES
}

extern "C" fn get_block_sz(_: *mut c_void) -> c_int {
    BLOCK_BYTES
}

extern "C" fn get_hmac_sz(_: *mut c_void, algorithm: c_int) -> c_int {
    digest(algorithm).map_or(0, |(_, n_bytes)| n_bytes)
}

/// There is no context: each call brings its key.
extern "C" fn ctx_init(_: *mut *mut c_void) -> c_int {
    SQLITE_OK
}

extern "C" fn ctx_free(_: *mut *mut c_void) -> c_int {
    SQLITE_OK
}

extern "C" fn fips_status(_: *mut c_void) -> c_int {
    // SAFETY: takes nothing; 1 when the library is its FIPS build.
    unsafe { lc::FIPS_mode() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 64] = [7; 64];

    fn cipher_of(key_len: c_int, text_len: c_int) -> (c_int, [u8; 64]) {
        let (bytes, mut out) = (BYTES.as_ptr(), [0; 64]);
        // SAFETY: the buffers hold 64 bytes, more than the lengths that the tests give.
        let code = unsafe {
            cipher(
                ptr::null_mut(),
                ENCRYPT,
                bytes,
                key_len,
                bytes,
                bytes,
                text_len,
                out.as_mut_ptr(),
            )
        };
        (code, out)
    }

    fn hmac_of(algorithm: c_int, text_len: c_int) -> (c_int, [u8; 64]) {
        let (context, bytes, mut out) = (ptr::null_mut(), BYTES.as_ptr(), [0; 64]);
        // SAFETY: the buffers hold 64 bytes, as many as the longest digest and the longest text.
        let code = unsafe {
            hmac(context, algorithm, bytes, 32, bytes, text_len, bytes, 4, out.as_mut_ptr())
        };
        (code, out)
    }

    #[test]
    fn what_cannot_be_a_page_is_refused_and_nothing_is_written() {
        assert_eq!(cipher_of(32, 48).0, SQLITE_OK);
        for (key_len, text_len) in [(16, 48), (-32, 48), (32, 47), (32, -16)] {
            assert_eq!(cipher_of(key_len, text_len), (SQLITE_ERROR, [0; 64]));
        }
        assert_eq!(hmac_of(2, 60).0, SQLITE_OK);
        for (algorithm, text_len) in [(3, 60), (-1, 60), (2, -1)] {
            assert_eq!(hmac_of(algorithm, text_len), (SQLITE_ERROR, [0; 64]));
        }
        // SAFETY: the length is refused before the pointer is looked at.
        assert_eq!(unsafe { random(ptr::null_mut(), ptr::null_mut(), -1) }, SQLITE_ERROR);
    }

    #[test]
    fn a_digest_is_as_long_as_it_says() {
        for algorithm in 0..3 {
            let (_, out) = hmac_of(algorithm, 60);
            let n_bytes = get_hmac_sz(ptr::null_mut(), algorithm) as usize;
            assert!(out[n_bytes..].iter().all(|byte| *byte == 0));
            assert!(out[n_bytes - 8..n_bytes].iter().any(|byte| *byte != 0));
        }
        assert_eq!(get_hmac_sz(ptr::null_mut(), 3), 0);
    }
}
