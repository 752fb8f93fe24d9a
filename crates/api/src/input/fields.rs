//! The fields of a body or a query, taken one by one by rules; what breaks a rule is collected, not thrown. What is left
//! over at the end was asked for by nobody and is refused: a field that is dropped is a wish that is not fulfilled.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use waypost_domain::spelling;

use crate::error::ApiError;

/// How many unknown names one answer names.
const UNKNOWN: usize = 20;
/// How many characters of a name an answer shows.
const SHOWN: usize = 100;

/// A request that is read from fields.
pub trait FromFields: Sized {
    /// Takes the fields it wants. `None` only where an error was noted.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// The fields that a client sent.
pub struct Fields {
    values: Map<String, Value>,
    /// The names that were asked for.
    known: Vec<&'static str>,
    errors: BTreeMap<String, String>,
}

impl Fields {
    /// The members of a JSON object, or the pairs of a query (all strings).
    pub fn new(values: Map<String, Value>) -> Self {
        Self { values, known: Vec::new(), errors: BTreeMap::new() }
    }

    /// Reads a whole request; says everything that is wrong with it at once.
    pub fn read<T: FromFields>(mut self) -> Result<T, ApiError> {
        let read = T::from_fields(&mut self);
        self.refuse_unknown();
        match read {
            Some(request) if self.errors.is_empty() => Ok(request),
            _ => Err(ApiError::Validation(self.errors)),
        }
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &'static str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        match self.take(name) {
            Some(value) => self.check(name, rule(value)),
            None => self.refuse(name, "Is required"),
        }
    }

    /// A field that must be there, be it null.
    #[expect(clippy::option_option, reason = "wrong, null, a value: the caller tells them apart")]
    pub fn nullable<T>(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.remove(name) {
            Some(Value::Null) => Some(None),
            Some(value) => self.check(name, rule(value)).map(Some),
            None => self.refuse(name, "Is required"),
        }
    }

    /// A field that may be absent. `None` too where it is wrong; the error is noted then.
    pub fn optional<T>(&mut self, name: &'static str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        let value = self.take(name)?;
        self.check(name, rule(value))
    }

    /// A field that may be absent, or `null` to go back to its default: `None` where it is absent or wrong, `Some(None)`
    /// where it is `null`.
    #[expect(clippy::option_option, reason = "leave it, forget it, set it")]
    pub fn resettable<T>(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.remove(name)? {
            Value::Null => Some(None),
            value => self.check(name, rule(value)).map(Some),
        }
    }

    /// The fields of an object that may be absent or `null`, as [`Fields::resettable`] gives them. Their errors are named
    /// by their way through the object: `pacing.perMinute`.
    #[expect(clippy::option_option, reason = "leave it, forget it, set it")]
    pub fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> T) -> Option<Option<T>> {
        let values = self.resettable(name, |value| match value {
            Value::Object(values) => Ok(values),
            _ => Err("Must be an object".to_owned()),
        })?;
        Some(values.map(|values| {
            let mut fields = Self::new(values);
            let read = read(&mut fields);
            fields.refuse_unknown();
            self.errors.extend(fields.errors.into_iter().map(|(field, why)| (format!("{name}.{field}"), why)));
            read
        }))
    }

    /// Fields that promise what is not built yet: silently ignoring one would break the promise.
    pub fn not_supported_yet(&mut self, names: &[&'static str]) {
        for name in names {
            if self.take(name).is_some_and(|value| value != Value::Bool(false)) {
                self.refuse::<()>(name, "Is not supported yet. Leave it out");
            }
        }
    }

    /// Notes an error of a field.
    pub fn refuse<T>(&mut self, name: &str, sentence: impl Into<String>) -> Option<T> {
        self.errors.insert(name.to_owned(), sentence.into());
        None
    }

    /// Refuses what nobody asked for.
    fn refuse_unknown(&mut self) {
        for name in self.values.keys().take(UNKNOWN) {
            let near = spelling::nearest(name, self.known.iter().copied());
            let hint = near.map(|near| format!(". Did you mean {near}?")).unwrap_or_default();
            self.errors.insert(shown(name), format!("Is not a field of this request{hint}"));
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.remove(name).filter(|value| !value.is_null())
    }

    fn remove(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.values.remove(name)
    }

    fn check<T>(&mut self, name: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_or_else(|sentence| self.refuse(name, sentence), Some)
    }
}

/// A name that a client wrote, as an answer shows it.
pub(super) fn shown(name: &str) -> String {
    name.char_indices().nth(SHOWN).map_or_else(|| name.to_owned(), |(end, _)| format!("{}…", &name[..end]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::input::rules;

    #[derive(Debug, PartialEq)]
    struct Greeting {
        name: String,
        loud: Option<bool>,
    }

    impl FromFields for Greeting {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name", rules::text(1..=5));
            let loud = fields.optional("loud", rules::boolean);
            fields.not_supported_yet(&["sendAt", "checkNumber"]);
            Some(Self { name: name?, loud })
        }
    }

    fn read(value: Value) -> Result<Greeting, ApiError> {
        let Value::Object(values) = value else { panic!("an object") };
        Fields::new(values).read()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let errors = BTreeMap::from(
            [
                ("name", "Is required"),
                ("loud", "Must be true or false"),
                ("sendAt", "Is not supported yet. Leave it out"),
            ]
            .map(|(name, sentence)| (name.to_owned(), sentence.to_owned())),
        );
        let refused = read(json!({ "loud": 1, "sendAt": "2026-11-22T13:45:00.000Z" }));
        assert_eq!(refused, Err(ApiError::Validation(errors)));
    }

    #[test]
    fn a_field_within_an_object_is_named_by_its_way_and_null_is_told_from_absent() {
        struct Pace;
        impl FromFields for Pace {
            fn from_fields(fields: &mut Fields) -> Option<Self> {
                let fast = fields.object("pace", |pace| pace.resettable("fast", rules::boolean));
                assert_eq!(fields.object("other", |_| ()), None);
                assert_eq!(fields.object("gone", |_| ()), Some(None));
                assert!(matches!(fast, Some(Some(None | Some(None)))));
                Some(Self)
            }
        }
        let read = |value: Value| Fields::new(value.as_object().unwrap().clone()).read::<Pace>();
        assert!(read(json!({ "pace": { "fast": null }, "gone": null })).is_ok());
        let Err(ApiError::Validation(errors)) = read(json!({ "pace": { "fast": 1 }, "gone": null })) else {
            panic!("a number is no boolean")
        };
        assert_eq!(errors["pace.fast"], "Must be true or false");
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let read = read(json!({ "name": "Ada", "loud": null, "sendAt": null, "checkNumber": false }));
        assert_eq!(read, Ok(Greeting { name: "Ada".into(), loud: None }));
    }

    #[test]
    fn a_name_that_nobody_asked_for_is_refused_with_the_one_that_was_meant() {
        let Err(ApiError::Validation(errors)) =
            read(json!({ "name": "Ada", "send_at": null, "lout": true, "Loud": 1, "colour": "red" }))
        else {
            panic!("accepted")
        };
        let errors: Vec<_> = errors.iter().map(|(name, sentence)| (name.as_str(), sentence.as_str())).collect();
        assert_eq!(
            errors,
            [
                ("Loud", "Is not a field of this request. Did you mean loud?"),
                ("colour", "Is not a field of this request"),
                ("lout", "Is not a field of this request. Did you mean loud?"),
                ("send_at", "Is not a field of this request. Did you mean sendAt?"),
            ]
        );
    }

    #[test]
    fn a_name_within_an_object_that_nobody_asked_for_is_refused_too() {
        struct Pace;
        impl FromFields for Pace {
            fn from_fields(fields: &mut Fields) -> Option<Self> {
                fields.object("pace", |pace| pace.optional("perMinute", rules::boolean));
                Some(Self)
            }
        }
        let values = json!({ "pace": { "perMinut": true } }).as_object().unwrap().clone();
        let Err(ApiError::Validation(errors)) = Fields::new(values).read::<Pace>() else { panic!("accepted") };
        assert_eq!(errors["pace.perMinut"], "Is not a field of this request. Did you mean perMinute?");
    }

    #[test]
    fn what_an_answer_says_of_unknown_names_is_bounded() {
        let long = "é".repeat(1_000);
        let mut values: Map<String, Value> = (0..1_000).map(|n| (format!("x{n}"), Value::Null)).collect();
        values.insert("name".into(), "Ada".into());
        let Err(ApiError::Validation(errors)) = Fields::new(values).read::<Greeting>() else { panic!("accepted") };
        assert_eq!(errors.len(), UNKNOWN);
        let Err(ApiError::Validation(errors)) = read(json!({ "name": "Ada", long: 1 })) else { panic!("accepted") };
        assert_eq!(errors.keys().next().unwrap(), &format!("{}…", "é".repeat(SHOWN)));
    }
}
