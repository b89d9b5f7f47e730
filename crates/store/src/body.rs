//! Bodies: zstd with a dictionary per resource type.
//!
//! Dictionaries are trained from the first bodies of a type and kept in the database; a body says
//! which one it needs. Number 0 is no dictionary.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use fhir_tables::ResourceType;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::blob;
use crate::disk::Blobs;
use crate::error::{Error, Result};
use crate::types::ChangeKind;

/// zstd level: 1 with a dictionary makes a ninth of a Synthea resource. Level 3 takes a hundredth
/// less of the whole disk, and 7 µs a resource in place of 4.
const LEVEL: i32 = 1;
/// Bytes of a trained dictionary.
const DICTIONARY_BYTES: usize = 48 * 1024;
/// Bodies that are looked at for a dictionary, at most.
pub const SAMPLES: usize = 600;
/// Bytes that are enough for a dictionary when there are [`SAMPLES_MIN`] bodies: training takes as
/// long as there are bytes.
const SAMPLES_BYTES: usize = 20 * DICTIONARY_BYTES;
const SAMPLES_MIN: usize = 200;
/// Set in the number of a dictionary when long strings of the body stand apart ([`crate::blob`]).
pub const IS_CUT: u32 = 1 << 30;
/// Longest part of a body that goes into training.
const SAMPLE_MAX_BYTES: usize = 8 * 1024;

/// The dictionaries of a database. They are never freed: their number is bounded by the types.
#[derive(Default)]
pub struct Dictionaries {
    decoders: RwLock<HashMap<u32, &'static DecoderDictionary<'static>>>,
}

impl Dictionaries {
    pub fn add(&self, number: u32, bytes: &[u8]) {
        let dictionary = Box::leak(Box::new(DecoderDictionary::copy(bytes)));
        self.decoders
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(number, dictionary);
    }

    fn get(&self, number: u32) -> Option<&'static DecoderDictionary<'static>> {
        let decoders = self.decoders.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        decoders.get(&number).copied()
    }
}

/// Decompresses. One per reader: contexts are not shared between threads.
pub struct Reader {
    dictionaries: Arc<Dictionaries>,
    contexts: HashMap<u32, Decompressor<'static>>,
}

impl Reader {
    pub fn new(dictionaries: Arc<Dictionaries>) -> Reader {
        Reader { dictionaries, contexts: HashMap::new() }
    }

    /// Whether a dictionary is there, by its number.
    pub fn knows(&self, number: u32) -> bool {
        number == 0
            || self.contexts.contains_key(&number)
            || self.dictionaries.get(number).is_some()
    }

    /// Adds a dictionary for all readers.
    pub fn add(&self, number: u32, bytes: &[u8]) {
        self.dictionaries.add(number, bytes);
    }

    /// The body of `size` bytes that `stored` stands for.
    pub fn read(&mut self, number: u32, size: usize, stored: &[u8]) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.read_into(number, size, stored, &mut body)?;
        Ok(body)
    }

    /// The body of a version as it was given to be written; empty for a deletion.
    ///
    /// `form`: number of the dictionary, which says too whether parts stand apart, and bytes.
    pub fn whole(
        &mut self,
        blobs: &dyn Blobs,
        kind: ChangeKind,
        (dictionary, size): (u32, usize),
        stored: &[u8],
    ) -> Result<Vec<u8>> {
        if kind == ChangeKind::Delete {
            return Ok(Vec::new());
        }
        let body = self.read(dictionary & !IS_CUT, size, stored)?;
        if dictionary & IS_CUT == 0 { Ok(body) } else { blob::join(blobs, &body) }
    }

    /// As [`Reader::read`], into a buffer that is emptied first.
    pub fn read_into(
        &mut self,
        number: u32,
        size: usize,
        stored: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<()> {
        let context = match self.contexts.entry(number) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => e.insert(if number == 0 {
                Decompressor::new()?
            } else {
                let dictionary = self
                    .dictionaries
                    .get(number)
                    .ok_or_else(|| Error::corrupt("a compression dictionary is missing"))?;
                Decompressor::with_prepared_dictionary(dictionary)?
            }),
        };
        body.clear();
        body.reserve_exact(size);
        context
            .decompress_to_buffer(stored, body)
            .map_err(|e| Error::with(crate::Kind::Corrupt, "a stored body is damaged", e))?;
        if body.len() != size {
            return Err(Error::corrupt("a stored body has another size"));
        }
        Ok(())
    }
}

/// A dictionary to compress with. Never freed, as those of [`Dictionaries`].
#[derive(Clone, Copy)]
pub struct Prepared {
    number: u32,
    dictionary: &'static EncoderDictionary<'static>,
}

impl Prepared {
    pub fn new(number: u32, bytes: &[u8]) -> Prepared {
        let dictionary = Box::leak(Box::new(EncoderDictionary::copy(bytes, LEVEL)));
        Prepared { number, dictionary }
    }
}

/// Compresses and gathers samples. Used by one thread at a time.
pub struct Writer {
    plain: Compressor<'static>,
    by_type: HashMap<ResourceType, (u32, Compressor<'static>)>,
    /// By type, with their bytes.
    samples: HashMap<ResourceType, (Vec<Vec<u8>>, usize)>,
}

/// Bodies of one type that are enough for a dictionary.
pub struct Samples {
    pub rt: ResourceType,
    bodies: Vec<Vec<u8>>,
}

impl Samples {
    /// Trains a dictionary; takes some 100 ms. `None` when the bodies are too few or too alike.
    pub fn train(&self) -> Option<Vec<u8>> {
        zstd::dict::from_samples(&self.bodies, DICTIONARY_BYTES).ok()
    }
}

impl Writer {
    pub fn new() -> Result<Writer> {
        Ok(Writer {
            plain: Compressor::new(LEVEL)?,
            by_type: HashMap::new(),
            samples: HashMap::new(),
        })
    }

    /// From now on bodies of `rt` are compressed with this dictionary.
    pub fn set(&mut self, rt: ResourceType, with: Prepared) -> Result<()> {
        let compressor = Compressor::with_prepared_dictionary(with.dictionary)?;
        self.by_type.insert(rt, (with.number, compressor));
        self.samples.remove(&rt);
        Ok(())
    }

    /// Whether bodies of `rt` are compressed with a dictionary.
    pub fn knows(&self, rt: ResourceType) -> bool {
        self.by_type.contains_key(&rt)
    }

    /// Number of the dictionary used and the compressed bytes.
    pub fn write(&mut self, rt: ResourceType, body: &[u8]) -> Result<(u32, Vec<u8>)> {
        match self.by_type.get_mut(&rt) {
            Some((number, compressor)) => Ok((*number, compressor.compress(body)?)),
            None => Ok((0, self.plain.compress(body)?)),
        }
    }

    /// Keeps a body as sample of its type; the samples when they are enough.
    pub fn sample(&mut self, rt: ResourceType, body: &[u8]) -> Option<Samples> {
        if self.knows(rt) {
            return None;
        }
        let (bodies, n_bytes) = self.samples.entry(rt).or_default();
        let enough = |bodies: &[Vec<u8>], n_bytes: usize| {
            bodies.len() >= SAMPLES || bodies.len() >= SAMPLES_MIN && n_bytes >= SAMPLES_BYTES
        };
        if enough(bodies, *n_bytes) {
            return None;
        }
        bodies.push(body[..body.len().min(SAMPLE_MAX_BYTES)].to_vec());
        *n_bytes += body.len().min(SAMPLE_MAX_BYTES);
        // They stay until there is a dictionary; when training fails there will be none.
        enough(bodies, *n_bytes).then(|| Samples { rt, bodies: bodies.clone() })
    }
}
