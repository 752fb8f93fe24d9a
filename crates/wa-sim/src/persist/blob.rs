//! Bytes as base64, and keys as bytes.

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::{KeyPair, PrivateKey};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Blob {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// A pair, by its private half.
    pub(crate) fn of_pair(pair: &KeyPair) -> Self {
        Self::of(pair.private_key.serialize())
    }

    pub(crate) fn pair(&self) -> anyhow::Result<KeyPair> {
        let private = PrivateKey::deserialize(&self.0)?;
        Ok(KeyPair::new(private.public_key()?, private))
    }

    /// An address, as on the wire: its text loses what tells some servers apart.
    pub(crate) fn of_jid(jid: &Jid) -> Self {
        let node = NodeBuilder::new("j").attr("j", jid).build();
        Self::of(&crate::stanza::encode(&node))
    }

    pub(crate) fn jid(&self) -> anyhow::Result<Jid> {
        let node = wacore_binary::marshal::unmarshal_ref(self.0.get(1..).unwrap_or_default())?;
        crate::stanza::jid_attr(&node, "j").context("not an address")
    }

    pub(crate) fn array<const N: usize>(&self) -> anyhow::Result<[u8; N]> {
        self.0.as_slice().try_into().with_context(|| format!("{} bytes instead of {N}", self.0.len()))
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
