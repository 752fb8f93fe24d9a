//! The device itself: identity, registration, account. Whoever holds it can log in.

use async_trait::async_trait;
use wacore::store::{Device, error::Result, traits::DeviceStore};
use waypost_store::KeyKind;

use super::{SessionBackend, from_json, to_json};

/// The name under [`KeyKind::Device`]: a session has one device.
const DEVICE: &str = "device";
/// What the client calls the device; a session's store holds no other.
const DEVICE_ID: i32 = 1;

#[async_trait]
impl DeviceStore for SessionBackend {
    async fn save(&self, device: &Device) -> Result<()> {
        self.put(KeyKind::Device, DEVICE.to_owned(), to_json(device)?).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        let device = self.value(KeyKind::Device, DEVICE).await?;
        device.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn exists(&self) -> Result<bool> {
        self.keys.contains(KeyKind::Device, DEVICE).await.map_err(|error| self.failed(error))
    }

    async fn create(&self) -> Result<i32> {
        if !self.exists().await? {
            self.save(&Device::new()).await?;
        }
        Ok(DEVICE_ID)
    }
}
