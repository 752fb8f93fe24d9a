//! What people really paste, by the right answers: the cases of public bug reports, each with the number it has in
//! `text-and-start.md`. Bodies are written as they are typed, so escapes and slips in them are part of the case.

use anyhow::Result;
use reqwest::Method;
use rstest::rstest;
use serde_json::Value;
use waypost_tests::{Answer, Database, Tenant, Waypost};

use crate::messages::sandbox_setup;

const FRIEND: &str = "919876543210";

/// A tenant with a connected sandbox session.
struct Desk {
    tenant: Tenant,
    session: String,
    _server: Waypost,
}

impl Desk {
    async fn open(database: Database) -> Result<Self> {
        let server = Waypost::start(sandbox_setup(database)).await?;
        let tenant = server.register("ada").await?;
        let session = tenant.sandbox().await;
        Ok(Self { tenant, session, _server: server })
    }

    async fn raw(&self, path: &str, body: String) -> Answer {
        let server = &self.tenant.server;
        let request = server.request(Method::POST, path).header("Content-Type", "application/json").body(body);
        server.send(request).await
    }

    /// Sends the members of a JSON object, beside those that every text has.
    async fn send(&self, members: &str) -> Answer {
        let body = format!(r#"{{"sessionId":"{}",{members}}}"#, self.session);
        self.raw("/api/external/messages/send-text", body).await
    }

    /// `to` and `text` are the insides of JSON strings.
    async fn say(&self, to: &str, text: &str) -> Answer {
        self.send(&format!(r#""to":"{to}","text":"{text}""#)).await
    }

    async fn count(&self) -> Value {
        let listed = self.tenant.server.get("/api/external/messages?limit=1").await.expect(200);
        listed.body["pagination"]["total"].clone()
    }
}

/// The sentence of the one field that an answer refuses.
#[track_caller]
fn refused(answer: &Answer, field: &str, case: &str) -> String {
    assert_eq!(answer.status, 400, "{case}: {}", answer.body);
    assert_eq!(answer.body["code"], "VALIDATION_ERROR", "{case}");
    let errors = answer.body["errors"].as_object().expect("errors");
    assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{case}");
    errors[field].as_str().expect("a sentence").to_owned()
}

#[rstest]
#[tokio::test]
async fn a1_a_text_that_shows_nothing_is_refused_and_any_other_arrives_as_it_was_sent(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    let nothing = [
        r"\n",
        r"\t",
        r"\r\n",
        " ",
        r"\u00a0",
        r"\u200b",
        r"\ufeff",
        r"\u2060\u200d",
        r"\u200e\u200f",
        r"\u00ad",
        r"\u3164",
    ];
    for text in nothing {
        refused(&desk.say(FRIEND, text).await, "text", text);
    }
    assert_eq!(desk.count().await, 0);
    for (written, text) in [(r" a\n ", " a\n "), (r"\ud83d\udc69\u200d\ud83d\udcbb", "👩\u{200d}💻")] {
        let sent = desk.say(FRIEND, written).await.expect(200).data();
        let id = sent["id"].as_str().expect("an id");
        assert_eq!(desk.tenant.wait_message(id, "read").await["text"], text);
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a3_a_zero_in_brackets_that_must_not_be_dialled_is_refused_by_its_own_sentence(
    #[values(Database::Sqlite)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    for to in ["+44 (0)20 7946 0958", "+49 (0) 151 23456789", "+44-(0)-7911-123456"] {
        let sentence = refused(&desk.say(to, "hi").await, "to", to);
        assert!(sentence.starts_with("Leave out the (0)"), "{to}: {sentence}");
    }
    assert_eq!(desk.count().await, 0);
    for (to, digits) in [("+39 (06) 1234567", "39061234567"), ("+1 (415) 555-0100", "14155550100")] {
        assert_eq!(desk.say(to, "hi").await.expect(200).data()["to"], digits);
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a4_what_is_no_address_is_refused_at_once_and_what_is_one_is_taken(
    #[values(Database::Sqlite)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    let none = "0532030482\n00919876543210\n++919876543210\n91+9876543210\n919876543210 ext 5\n919876543210;ext=5\n\
                tel:+919876543210\n1-800-FLOWERS\n0532030482@c.us\n+919876543210@s.whatsapp.net\nstatus@broadcast\n\
                120363000000000000@newsletter\n919876543210@\n@lid\n-@g.us\n---@g.us";
    for to in none.lines() {
        refused(&desk.say(to, "hi").await, "to", to);
    }
    let number = refused(&desk.send(r#""to":919876543210,"text":"hi""#).await, "to", "a number of JSON");
    assert_eq!(number, "Must be a string");
    assert_eq!(desk.count().await, 0);
    for (to, echo) in [
        ("+919876543210", FRIEND),
        ("91 98765 43210", FRIEND),
        ("919876543210@c.us", "919876543210@s.whatsapp.net"),
        ("919876543210:7@s.whatsapp.net", "919876543210@s.whatsapp.net"),
        ("123456789012345@lid", "123456789012345@lid"),
        ("120363000000000000@g.us", "120363000000000000@g.us"),
        ("491234567-1600000000@g.us", "491234567-1600000000@g.us"),
    ] {
        assert_eq!(desk.say(to, "hi").await.expect(200).data()["to"], echo);
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a10_a_filter_or_a_field_that_nobody_knows_is_refused_and_named(
    #[values(Database::Sqlite)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    for (query, named) in [
        ("stauts=failed".to_owned(), "stauts"),
        ("filter.timestamp.lte=1784242880".to_owned(), "filter.timestamp.lte"),
        (format!("session_id={}", desk.session), "session_id"),
        ("untill=2026-01-01T00:00:00Z".to_owned(), "untill"),
    ] {
        let listed = desk.tenant.server.get(&format!("/api/external/messages?{query}")).await;
        refused(&listed, named, &query);
    }
    for field in ["sendat", "send_at", "SendAt", "expires_at", "check_number", "require_connected"] {
        let members = format!(r#""to":"{FRIEND}","text":"hi","{field}":"2026-12-24T18:00:00Z""#);
        let sentence = refused(&desk.send(&members).await, field, field);
        assert!(sentence.contains("Did you mean"), "{field}: {sentence}");
    }
    let twice = refused(&desk.send(r#""to":"919876543210","text":"hi","to":"919876543211""#).await, "to", "to, twice");
    assert_eq!(twice, "Stands twice. Write it once");
    assert_eq!(desk.count().await, 0);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a12_a_schedule_has_a_date_a_time_and_an_offset_or_is_refused(
    #[values(Database::Sqlite)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    let day = (time::OffsetDateTime::now_utc() + time::Duration::days(2)).date();
    let at = async |written: &str| desk.send(&format!(r#""to":"{FRIEND}","text":"hi","sendAt":"{written}""#)).await;
    let none = ["T18:00:00", "", " 18:00", "T24:00:00Z", "T18:00:00+25:00", "118:00:00Z", "x18:00:00Z", "?18:00:00Z"];
    for rest in none {
        refused(&at(&format!("{day}{rest}")).await, "sendAt", rest);
    }
    refused(&at("1784242880").await, "sendAt", "seconds");
    assert_eq!(desk.count().await, 0);
    for (rest, utc) in [
        ("T18:00:00+05:30", "T12:30:00.000Z"),
        ("T18:00:00-03:00", "T21:00:00.000Z"),
        ("t18:00:00z", "T18:00:00.000Z"),
        (" 18:00:00+05:30", "T12:30:00.000Z"),
        ("T18:00:00.123456789Z", "T18:00:00.123Z"),
    ] {
        let accepted = at(&format!("{day}{rest}")).await.expect(200).data();
        assert_eq!(accepted["status"], "scheduled", "{rest}");
        let message = desk.tenant.message(accepted["id"].as_str().expect("an id")).await;
        assert_eq!(message["sendAt"], format!("{day}{utc}"), "{rest}");
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a13_a_session_has_a_name_that_can_be_seen(
    #[values(Database::Sqlite, Database::Postgres)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    let create = async |name: &str| {
        desk.raw("/api/external/whatsapp", format!(r#"{{"engine":"sandbox","name":"{name}"}}"#)).await
    };
    for name in ["", "   ", r"\u200b", r"\u00ad\ufeff", r"a\u0000b"] {
        refused(&create(name).await, "name", name);
    }
    for (written, name) in [
        ("../../etc", "../../etc"),
        ("a/b%2fc?d#e", "a/b%2fc?d#e"),
        (r"Gr\u00f6\u00dfe & S\u00f6hne \ud83c\udf10", "Größe & Söhne 🌐"),
    ] {
        assert_eq!(create(written).await.expect(201).data()["name"], name);
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn d3_a_number_that_a_spreadsheet_spoiled_is_refused_and_never_another_one(
    #[values(Database::Sqlite)] database: Database,
) -> Result<()> {
    let desk = Desk::open(database).await?;
    for (to, says) in [
        ("9.19877E+11", "a spreadsheet has rounded"),
        ("9,19877E+11", "a spreadsheet has rounded"),
        ("919876543210.0", "a decimal number"),
        ("'919876543210", "the character `'`"),
        ("=919876543210", "the character `=`"),
        ("91 9876 5432 10 / 91 9876 5432 11", "two numbers"),
    ] {
        let sentence = refused(&desk.say(to, "hi").await, "to", to);
        assert!(sentence.contains(says), "{to}: {sentence}");
    }
    refused(&desk.send(r#""to":9.19876543210E+11,"text":"hi""#).await, "to", "a number of JSON");
    assert_eq!(desk.count().await, 0);
    Ok(())
}
