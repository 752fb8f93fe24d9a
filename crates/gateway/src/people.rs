//! People: one person is one chat.
//!
//! WhatsApp names a person sometimes by number and sometimes by LID, and which LID belongs to which number is learned
//! bit by bit: from messages that name both, and from look-ups. It guarantees that
//! - from when both addresses of a person are known, every message from and to that person is in one chat of the
//!   session, whichever address it was written under, also after a restart;
//! - a chat keeps its address: the LID where it was opened before the number was known, else the number;
//! - what a message teaches is on disk before the message is.
//!
//! A session's people are read once, when they are first asked for, and are then known to memory: up to [`REMEMBERED`]
//! of them; where there are more, those that memory does not know are read one by one.

use std::collections::HashMap;

use waypost_domain::{Jid, JidServer};
use waypost_store::{Person, StoreError};

use crate::{Inner, live::LiveSession};

/// The most people of a session that memory knows, at about 300 bytes each.
const REMEMBERED: usize = 10_000;

/// The people whom a session knows.
#[derive(Debug, Default)]
pub(crate) struct People {
    by_lid: HashMap<Jid, Person>,
    /// The LID that was learned last for a number.
    lids: HashMap<Jid, Jid>,
    /// Whether the table knows more than memory.
    incomplete: bool,
}

impl People {
    /// From the newest to the oldest.
    fn new(mut people: Vec<Person>) -> Self {
        let incomplete = people.len() > REMEMBERED;
        people.truncate(REMEMBERED);
        let mut known = Self { incomplete, ..Self::default() };
        for person in people.into_iter().rev() {
            known.add(person);
        }
        known
    }

    fn get(&self, jid: &Jid) -> Option<&Person> {
        match jid.server() {
            JidServer::Lid => self.by_lid.get(jid),
            JidServer::PhoneNumber => self.lids.get(jid).and_then(|lid| self.by_lid.get(lid)),
            JidServer::Group => None,
        }
    }

    fn add(&mut self, person: Person) {
        if self.by_lid.len() >= REMEMBERED && !self.by_lid.contains_key(&person.lid) {
            self.incomplete = true;
            if let Some(lid) = self.by_lid.keys().next().cloned()
                && let Some(gone) = self.by_lid.remove(&lid)
                && self.lids.get(&gone.number) == Some(&lid)
            {
                self.lids.remove(&gone.number);
            }
        }
        self.lids.insert(person.number.clone(), person.lid.clone());
        self.by_lid.insert(person.lid.clone(), person);
    }
}

impl Inner {
    /// The person behind an address, where the session knows both of their addresses.
    pub(crate) async fn person(&self, session: &LiveSession, jid: &Jid) -> Result<Option<Person>, StoreError> {
        if jid.server() == JidServer::Group {
            return Ok(None);
        }
        self.read_people(session).await?;
        let known = session.people().as_ref().map(|people| (people.get(jid).cloned(), people.incomplete));
        match known {
            Some((None, true)) => {}
            Some((person, _)) => return Ok(person),
            None => return Ok(None),
        }
        let person = self.store.person_system(session.id, jid).await?;
        if let (Some(person), Some(people)) = (&person, session.people().as_mut()) {
            people.add(person.clone());
        }
        Ok(person)
    }

    /// The address of the chat with whoever has this address.
    pub(crate) async fn chat_of(&self, session: &LiveSession, jid: Jid) -> Result<Jid, StoreError> {
        Ok(self.person(session, &jid).await?.map_or(jid, |person| person.chat().clone()))
    }

    /// Learns that two addresses are one person's, where they are a LID and a number. It is on disk when this returns.
    pub(crate) async fn learn_people(&self, session: &LiveSession, pairs: &[(&Jid, &Jid)]) -> Result<(), StoreError> {
        let mut news = Vec::new();
        for &(one, other) in pairs {
            let (lid, number) = match (one.server(), other.server()) {
                (JidServer::Lid, JidServer::PhoneNumber) => (one, other),
                (JidServer::PhoneNumber, JidServer::Lid) => (other, one),
                _ => continue,
            };
            let known = self.person(session, lid).await?;
            let is_news = known.is_none_or(|person| person.number != *number);
            if is_news && !news.iter().any(|(known, _)| known == lid) {
                news.push((lid.clone(), number.clone()));
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let learned = self.store.learn_people(session.tenant_id, session.id, news, self.env.now()).await?;
        if let Some(people) = session.people().as_mut() {
            for person in learned {
                people.add(person);
            }
        }
        Ok(())
    }

    async fn read_people(&self, session: &LiveSession) -> Result<(), StoreError> {
        if session.people().is_some() {
            return Ok(());
        }
        // One at a time: what is learned while the table is read would be missing in memory.
        let _reading = session.reading_people.lock().await;
        if session.people().is_some() {
            return Ok(());
        }
        let limit = u32::try_from(REMEMBERED + 1).unwrap_or(u32::MAX);
        let people = People::new(self.store.people_system(session.id, limit).await?);
        *session.people() = Some(Box::new(people));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: usize) -> Person {
        Person {
            lid: format!("{}@lid", 100_000_000_000 + number).parse().unwrap(),
            number: format!("{}@s.whatsapp.net", 490_000_000_000_u64 + number as u64).parse().unwrap(),
            chat_by_lid: false,
        }
    }

    #[test]
    fn memory_is_bounded_and_knows_when_it_does_not_know_everyone() {
        let mut people = People::new((0..REMEMBERED).map(person).collect());
        assert!(!people.incomplete);
        people.add(person(REMEMBERED));
        assert!(people.incomplete);
        assert_eq!((people.by_lid.len(), people.lids.len()), (REMEMBERED, REMEMBERED));
        let newest = person(REMEMBERED);
        assert_eq!((people.get(&newest.lid), people.get(&newest.number)), (Some(&newest), Some(&newest)));
    }

    #[test]
    fn of_two_lids_of_a_number_the_newest_counts() {
        let (older, newer) = (person(1), Person { lid: person(2).lid, ..person(1) });
        let people = People::new(vec![newer.clone(), older.clone()]);
        assert_eq!(people.get(&older.number), Some(&newer));
        assert_eq!(people.get(&older.lid), Some(&older));
    }
}
