//! The fields of a body or a query, taken one by one by rules; what breaks a rule is collected, not thrown.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// A request that is read from fields.
pub trait FromFields: Sized {
    /// Takes the fields it wants. `None` only where an error was noted.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// The fields that a client sent.
pub struct Fields {
    values: Map<String, Value>,
    errors: BTreeMap<String, String>,
}

impl Fields {
    /// The members of a JSON object, or the pairs of a query (all strings).
    pub fn new(values: Map<String, Value>) -> Self {
        Self { values, errors: BTreeMap::new() }
    }

    /// Reads a whole request; says everything that is wrong with it at once.
    pub fn read<T: FromFields>(mut self) -> Result<T, ApiError> {
        let read = T::from_fields(&mut self);
        match read {
            Some(request) if self.errors.is_empty() => Ok(request),
            _ => Err(ApiError::Validation(self.errors)),
        }
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        match self.take(name) {
            Some(value) => self.check(name, rule(value)),
            None => self.refuse(name, "Is required"),
        }
    }

    /// A field that must be there, be it null.
    #[expect(clippy::option_option, reason = "wrong, null, a value: the caller tells them apart")]
    pub fn nullable<T>(&mut self, name: &str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<Option<T>> {
        match self.values.remove(name) {
            Some(Value::Null) => Some(None),
            Some(value) => self.check(name, rule(value)).map(Some),
            None => self.refuse(name, "Is required"),
        }
    }

    /// A field that may be absent. `None` too where it is wrong; the error is noted then.
    pub fn optional<T>(&mut self, name: &str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        let value = self.take(name)?;
        self.check(name, rule(value))
    }

    /// A field that may be absent, or `null` to go back to its default: `None` where it is absent or wrong, `Some(None)`
    /// where it is `null`.
    #[expect(clippy::option_option, reason = "leave it, forget it, set it")]
    pub fn resettable<T>(&mut self, name: &str, rule: impl FnOnce(Value) -> Result<T, String>) -> Option<Option<T>> {
        if self.values.get(name).is_some_and(Value::is_null) {
            return Some(None);
        }
        self.optional(name, rule).map(Some)
    }

    /// The fields of an object that may be absent or `null`, as [`Fields::resettable`] gives them. Their errors are named
    /// by their way through the object: `pacing.perMinute`.
    #[expect(clippy::option_option, reason = "leave it, forget it, set it")]
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<Option<T>> {
        let values = self.resettable(name, |value| match value {
            Value::Object(values) => Ok(values),
            _ => Err("Must be an object".to_owned()),
        })?;
        Some(values.map(|values| {
            let mut fields = Self::new(values);
            let read = read(&mut fields);
            self.errors.extend(fields.errors.into_iter().map(|(field, why)| (format!("{name}.{field}"), why)));
            read
        }))
    }

    /// Fields that promise what is not built yet: silently ignoring one would break the promise.
    pub fn not_supported_yet(&mut self, names: &[&str]) {
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

    fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    fn check<T>(&mut self, name: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_or_else(|sentence| self.refuse(name, sentence), Some)
    }
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
    fn null_is_as_good_as_absent_and_unknown_fields_are_tolerated() {
        let read = read(json!({ "name": "Ada", "loud": null, "sendAt": null, "checkNumber": false, "colour": "red" }));
        assert_eq!(read, Ok(Greeting { name: "Ada".into(), loud: None }));
    }
}
