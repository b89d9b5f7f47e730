//! Keys of a practice.
//!
//! The database is encrypted with a data key. The data key stands in the folder, wrapped
//! (AES-256-GCM) by a master key. The master key stands elsewhere: a file of 64 hexadecimal digits
//! in a key folder, named after the practice. Who has only the data folder, or a backup, has
//! nothing.

use std::io::Write;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use stdx::hex;

use crate::error::{Error, Kind, Result};

/// Key of the database. Printed nowhere.
#[derive(Clone)]
pub struct DataKey([u8; 32]);

impl DataKey {
    pub fn random() -> Result<DataKey> {
        Ok(DataKey(random()?))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As 64 hexadecimal digits, for a command that wraps it in place of a master key.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Inverse of [`DataKey::to_hex`].
    pub fn from_hex(text: &str) -> Option<DataKey> {
        hex::decode(text.trim()).and_then(|b| <[u8; 32]>::try_from(b).ok()).map(DataKey)
    }
}

/// Key that wraps data keys. Printed nowhere.
pub struct MasterKey([u8; 32]);

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)
        .map_err(|_| Error::new(Kind::Broken, "the system gives no random bytes"))?;
    Ok(bytes)
}

impl MasterKey {
    /// Makes a new key in a new file of `folder` (created when missing, for its owner only).
    pub fn create(folder: &Path, name: &str) -> Result<MasterKey> {
        let key = MasterKey(random()?);
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let path = folder.join(name);
        let mut file = options.write(true).create_new(true).open(&path).map_err(|e| {
            Error::with(Kind::Place, format!("no key file could be made at {}", path.display()), e)
        })?;
        file.write_all(hex::encode(&key.0).as_bytes())?;
        file.sync_all()?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(key)
    }

    /// The key in a file.
    ///
    /// Errors: `WrongKey` when there is no such file or it holds no key.
    pub fn read(path: &Path) -> Result<MasterKey> {
        let no_key = |why: &str| {
            let place = path.display();
            Error::new(Kind::WrongKey, format!("the key file {place} {why}; bring the key back"))
        };
        let text = std::fs::read_to_string(path).map_err(|_| no_key("cannot be read"))?;
        let bytes = hex::decode(text.trim()).and_then(|b| <[u8; 32]>::try_from(b).ok());
        bytes.map(MasterKey).ok_or_else(|| no_key("does not hold 64 hexadecimal digits"))
    }

    fn aead(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0).expect("the key has 32 bytes"))
    }

    /// The data key sealed for `practice`, as hexadecimal digits: nonce, then ciphertext and tag.
    pub fn wrap(&self, practice: &str, key: &DataKey) -> Result<String> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut bytes = key.0.to_vec();
        self.aead()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(practice),
                &mut bytes,
            )
            .map_err(|_| Error::new(Kind::Broken, "the data key could not be wrapped"))?;
        Ok(hex::encode(&[&nonce[..], &bytes].concat()))
    }

    /// Inverse of [`MasterKey::wrap`]. Errors: `WrongKey` when it was not wrapped by this key.
    pub fn unwrap(&self, practice: &str, wrapped: &str) -> Result<DataKey> {
        let wrong = || Error::new(Kind::WrongKey, "the master key does not open this practice");
        let bytes = hex::decode(wrapped).ok_or_else(wrong)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .aead()
            .open_in_place(nonce, Aad::from(practice), &mut sealed)
            .map_err(|_| wrong())?;
        <[u8; 32]>::try_from(&*opened).map(DataKey).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_opens_only_with_its_master_key_and_practice() {
        let (a, b) = (MasterKey([1; 32]), MasterKey([2; 32]));
        let key = DataKey::random().expect("random");
        let wrapped = a.wrap("p", &key).expect("wrap");
        assert_eq!(a.unwrap("p", &wrapped).expect("unwrap").0, key.0);
        for attempt in [b.unwrap("p", &wrapped), a.unwrap("q", &wrapped), a.unwrap("p", "00")] {
            assert_eq!(attempt.err().map(|e| e.kind), Some(Kind::WrongKey));
        }
    }
}
