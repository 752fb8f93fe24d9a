//! Events, in the order in which they were committed.

use waypost_domain::{Event, TenantId};

use crate::{Store, StoreError};

impl Store {
    /// The tenant's events behind `cursor` (0 for the first), oldest first, at most `limit`.
    pub async fn events_after(&self, _tenant: TenantId, _cursor: i64, _limit: u32) -> Result<Vec<Event>, StoreError> {
        unimplemented!()
    }
}
