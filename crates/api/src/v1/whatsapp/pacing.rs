//! The pace of a session, as clients set it and see it.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, Type, schema::Object},
};
use waypost_domain::{FailureCode, FirstContactPause, Pacing, Timestamp};
use waypost_gateway::sessions::PacingUpdate;

use crate::input::{Fields, rules};

/// The most that can be asked of a limit.
const MOST: u32 = 10_000_000;
/// The longest jitter: ten minutes.
const LONGEST_JITTER: u32 = 600_000;
/// The longest first pause: a week.
const LONGEST_PAUSE: u32 = 604_800;

/// The pace that is in force. 0 means no limit. The limits hold in any 60 seconds and in any 24 hours.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pacing)]
pub struct PacingAnswer {
    /// Messages in any 60 seconds.
    #[schema(example = 20)]
    per_minute: u32,
    /// Messages in any 24 hours.
    #[schema(example = 1000)]
    per_day: u32,
    /// Messages in any 60 seconds to people whom the session has exchanged nothing with yet.
    #[schema(example = 5)]
    first_contact_per_minute: u32,
    /// The same in any 24 hours.
    #[schema(example = 50)]
    first_contact_per_day: u32,
    /// Between two messages lies a random pause of a quarter of this to all of this.
    #[schema(example = 2000)]
    jitter_ms: u32,
    /// How long first contacts pause after WhatsApp refused one; a pause that follows at once is twice as long, up to 24
    /// times.
    #[schema(example = 3600)]
    first_contact_pause_seconds: u32,
    /// Until when first contacts wait, while WhatsApp does not want any. What goes to known chats goes on.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    first_contact_paused_until: Option<Timestamp>,
    /// What WhatsApp said: `REACH_OUT_LIMITED` or `NEW_CHAT_LIMITED`.
    #[schema(required = true, value_type = Option<String>, example = "REACH_OUT_LIMITED")]
    first_contact_pause_reason: Option<FailureCode>,
}

impl PacingAnswer {
    pub fn new(pacing: Pacing, pause: Option<FirstContactPause>) -> Self {
        let (until, reason) = pause.map(|pause| (pause.until, pause.code)).unzip();
        Self {
            per_minute: pacing.per_minute,
            per_day: pacing.per_day,
            first_contact_per_minute: pacing.first_contact_per_minute,
            first_contact_per_day: pacing.first_contact_per_day,
            jitter_ms: pacing.jitter_ms,
            first_contact_pause_seconds: pacing.first_contact_pause_secs,
            first_contact_paused_until: until,
            first_contact_pause_reason: reason,
        }
    }
}

/// A change of a session's pace. A field that is left out stays as it is; `null` goes back to the server's default; 0
/// lifts the limit.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's view of what `read` takes")]
pub struct PacingRequest {
    #[schema(required = false, nullable = true, maximum = 10_000_000, example = 20)]
    per_minute: u32,
    #[schema(required = false, nullable = true, maximum = 10_000_000, example = 1000)]
    per_day: u32,
    #[schema(required = false, nullable = true, maximum = 10_000_000, example = 5)]
    first_contact_per_minute: u32,
    #[schema(required = false, nullable = true, maximum = 10_000_000, example = 50)]
    first_contact_per_day: u32,
    #[schema(required = false, nullable = true, maximum = 600_000, example = 1500)]
    jitter_ms: u32,
    #[schema(required = false, nullable = true, maximum = 604_800, example = 3600)]
    first_contact_pause_seconds: u32,
    #[schema(schema_with = only_null, required = false)]
    first_contact_paused_until: (),
}

fn only_null() -> Object {
    let meaning = "Only `null`: ends a pause of first contacts now.";
    ObjectBuilder::new().schema_type(Type::Null).description(Some(meaning)).build()
}

/// Reads a change of the pace, and whether a pause is to end.
pub fn read(fields: &mut Fields) -> (PacingUpdate, bool) {
    let update = PacingUpdate {
        per_minute: fields.resettable("perMinute", rules::integer(0..=MOST)),
        per_day: fields.resettable("perDay", rules::integer(0..=MOST)),
        first_contact_per_minute: fields.resettable("firstContactPerMinute", rules::integer(0..=MOST)),
        first_contact_per_day: fields.resettable("firstContactPerDay", rules::integer(0..=MOST)),
        jitter_ms: fields.resettable("jitterMs", rules::integer(0..=LONGEST_JITTER)),
        first_contact_pause_secs: fields.resettable("firstContactPauseSeconds", rules::integer(0..=LONGEST_PAUSE)),
    };
    let only_null = |_| Err::<(), _>("Must be null, which ends the pause, or left out".to_owned());
    let end_pause = fields.resettable("firstContactPausedUntil", only_null).is_some();
    (update, end_pause)
}
