//! Backups that are encrypted to public keys, in the format of age (age-encryption.org/v1).
//!
//! The private halves are not on the server, so that neither it nor whoever takes it over reads
//! an older backup. A sealed file is also opened by the command `age -d`.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Write};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::stream::StreamReader;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use store::{Fill, Seal};

use crate::failure::{Context, Failure, Result};
use crate::practice::write_private;

/// How a file begins that is encrypted in this format.
const MAGIC: &[u8] = b"age-encryption.org/";
/// Bytes of a file with private halves of keys.
const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Encrypts to public keys; one at least.
pub struct Sealed(Vec<Recipient>);

impl Sealed {
    /// None without a key. Errors: a text that is no public key.
    pub fn to(recipients: &[String]) -> Result<Option<Sealed>> {
        let parse = |text: &String| {
            text.parse::<Recipient>().map_err(|e| {
                // A private half that was given by mistake is not shown to whoever reads a log.
                let shown = if text.starts_with("age1") { text } else { "what was given" };
                Failure::usage(format!(
                    "{shown} is no public key for backups ({e}); use what vitae backup-key or \
                     age-keygen prints: age1 and 58 more characters"
                ))
            })
        };
        let recipients = recipients.iter().map(parse).collect::<Result<Vec<Recipient>>>()?;
        Ok((!recipients.is_empty()).then_some(Sealed(recipients)))
    }
}

impl Seal for Sealed {
    fn seal(&self, out: &mut dyn Write, fill: &mut Fill<'_>) -> std::io::Result<()> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(Error::other)?;
        let mut sealed = encryptor.wrap_output(out)?;
        fill(&mut sealed)?;
        sealed.finish().map(|_| ())
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, recipient) in self.0.iter().enumerate() {
            let or = if i == 0 { "" } else { " or " };
            write!(f, "{or}{recipient}")?;
        }
        Ok(())
    }
}

/// A backup as it was before it was sealed, if it was.
pub enum Unsealed {
    Plain(BufReader<File>),
    Sealed(Box<StreamReader<BufReader<File>>>),
}

impl Unsealed {
    /// `identity`: file with the private halves of keys; one of them has to open `file`.
    ///
    /// Errors: a sealed file without `identity`, a plain one with it; no key that opens it.
    pub fn open(file: &Path, identity: Option<&Path>) -> Result<Unsealed> {
        let name = file.display();
        let what = || format!("{name} cannot be read");
        let mut from = BufReader::new(File::open(file).context(what)?);
        let is_sealed = from.fill_buf().context(what)?.starts_with(MAGIC);
        let identity = match (is_sealed, identity) {
            (false, None) => return Ok(Unsealed::Plain(from)),
            (false, Some(_)) => {
                let text = format!("{name} is not encrypted to a public key; omit --identity");
                return Err(Failure::new(text));
            }
            (true, None) => {
                return Err(Failure::new(format!(
                    "{name} is encrypted to a public key; say with --identity in which file its \
                     private half is"
                )));
            }
            (true, Some(identity)) => identity,
        };
        let keys = read_identities(identity)?;
        let keys = keys.iter().map(|key| key as &dyn age::Identity);
        let opened = Decryptor::new_buffered(from).and_then(|file| file.decrypt(keys));
        opened.map(|stream| Unsealed::Sealed(Box::new(stream))).map_err(|e| match e {
            DecryptError::NoMatchingKeys => Failure::new(format!(
                "{} does not open {name}: it is encrypted to another public key",
                identity.display()
            )),
            e => Failure::new(format!("{name} is damaged: it was changed or cut short ({e})")),
        })
    }
}

impl Read for Unsealed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Unsealed::Plain(file) => file.read(buffer),
            Unsealed::Sealed(stream) => stream.read(buffer),
        }
    }
}

/// Makes a key: its private half goes to a new file, its public half is returned.
pub fn new_identity(to: &Path) -> Result<String> {
    let identity = Identity::generate();
    let public = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = format!("# public key: {public}\n{}\n", secret.expose_secret());
    write_private(to, text.as_bytes()).context(|| format!("{} cannot be made", to.display()))?;
    Ok(public)
}

/// The private halves in a file: one a line, lines with `#` in front say something else.
fn read_identities(path: &Path) -> Result<Vec<Identity>> {
    let name = path.display();
    let what = || format!("{name} cannot be read");
    let mut text = String::new();
    let file = File::open(path).context(what)?;
    file.take(IDENTITY_FILE_BYTES_MAX + 1).read_to_string(&mut text).context(what)?;
    if text.len() as u64 > IDENTITY_FILE_BYTES_MAX {
        let text = format!("{name} has more than {IDENTITY_FILE_BYTES_MAX} bytes: no file of keys");
        return Err(Failure::new(text));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // What the line says is not repeated: it may be a secret of another kind.
    let parse = |line: &str| {
        line.parse::<Identity>().map_err(|_| {
            Failure::new(format!(
                "{name} has a line that is no private half of a key for backups; use the file that \
                 vitae backup-key or age-keygen wrote"
            ))
        })
    };
    let keys = lines
        .filter(|line| !line.starts_with('#'))
        .map(parse)
        .collect::<Result<Vec<Identity>>>()?;
    match keys.is_empty() {
        true => Err(Failure::new(format!("{name} has no key in it"))),
        false => Ok(keys),
    }
}
