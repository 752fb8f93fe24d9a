//! A text arrives as it was written, whatever it is written in.

use anyhow::Result;
use serde_json::json;
use waypost_tests::Database;

use super::{FRIEND, Scene, gateway_jid};

const TEXTS: [&str; 12] = [
    "x",
    " leading and trailing ",
    "two\nlines\r\nand a tab\t.",
    "👋🏽 emoji with a skin tone",
    "👩‍👩‍👧‍👦 a family of joiners 🏳️‍🌈",
    "مرحبا بالعالم, right to left",
    "שלום \u{202B}embedded\u{202C} עולם",
    "e\u{301} and é are two spellings",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢ combining",
    "नमस्ते 你好 こんにちは 안녕하세요",
    "\u{FEFF}byte order mark, \u{0}nul and \u{200B}zero width",
    "𝕯𝖔𝖚𝖇𝖑𝖊 surrogates 𠜎",
];

#[tokio::test]
async fn every_script_arrives_exactly_in_both_directions() -> Result<()> {
    let mut scene = Scene::on(Database::Postgres).await?;
    for text in TEXTS {
        let body = json!({"sessionId": scene.session, "to": FRIEND, "text": text});
        let answer = scene.ada.server.post("/api/external/messages/send-text", &body).await;
        if text.contains('\0') {
            // PostgreSQL keeps no NUL in a text: it is refused on both databases, by name.
            assert!(answer.body["errors"].get("text").is_some(), "{}", answer.body);
            assert_eq!(answer.failure(400), "VALIDATION_ERROR");
            continue;
        }
        let id = answer.data()["id"].as_str().expect("an id").to_owned();
        scene.friend.wait_text(text).await;
        assert_eq!(scene.ada.message(&id).await["text"], text);
        scene.friend.send(&gateway_jid(), text).await;
        scene.ada.wait_inbound(&scene.session, text).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_longest_text_arrives_and_a_longer_one_is_refused() -> Result<()> {
    let mut scene = Scene::on(Database::Sqlite).await?;
    // Characters, not bytes: the second one is 256 KiB.
    for longest in ["a".repeat(65_536), "𝕯".repeat(65_536)] {
        let id = scene.send(&longest).await;
        scene.friend.wait_text(&longest).await;
        scene.ada.wait_message(&id, "delivered").await;
    }
    for wrong in [String::new(), "a".repeat(65_537)] {
        let body = json!({"sessionId": scene.session, "to": FRIEND, "text": wrong});
        let answer = scene.ada.server.post("/api/external/messages/send-text", &body).await;
        assert!(answer.body["errors"].get("text").is_some(), "{}", answer.body);
        assert_eq!(answer.failure(400), "VALIDATION_ERROR");
    }
    assert_eq!(scene.texts_at_the_friend().len(), 2);
    Ok(())
}
