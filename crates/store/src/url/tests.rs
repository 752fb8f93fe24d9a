//! What is read, what is refused, and that neither shows a secret.

use proptest::prelude::*;

use super::*;

fn read(url: &str) -> Result<DatabaseUrl, UrlError> {
    url.parse()
}

fn postgres(url: &str) -> Postgres {
    match read(url).unwrap().0 {
        Place::Postgres(postgres) => *postgres,
        Place::Sqlite(_) => panic!("{url} is SQLite's"),
    }
}

#[test]
fn a_database_is_shown_by_kind_host_port_and_name_alone() {
    for (url, shown) in [
        ("postgres://me:hunter2@db:5433/waypost?sslmode=require", "PostgreSQL at db:5433/waypost"),
        ("postgresql://me:hunt%40er2@[::1]/waypost", "PostgreSQL at [::1]:5432/waypost"),
        ("postgres://me@%2Frun%2Fpostgresql/waypost", "PostgreSQL at /run/postgresql/waypost"),
        ("postgres:///waypost?host=/run/pg&user=me&password=hunter2", "PostgreSQL at /run/pg/waypost"),
        ("sqlite:///srv/way%3Fpost.db?mode=rwc", "SQLite at /srv/way?post.db"),
        ("sqlite:waypost.db", "SQLite at waypost.db"),
    ] {
        assert_eq!(read(url).unwrap().to_string(), shown);
        assert_eq!(format!("{:?}", read(url).unwrap()), format!("DatabaseUrl({shown})"));
    }
}

#[test]
fn a_password_with_raw_delimiters_is_refused_with_what_to_do() {
    for password in ["se@cret", "se?cret", "se#cret", "se/cret", "se%zzcret", "se%ffcret", "se cret", "12?cret", "12/c"]
    {
        let error = read(&format!("postgres://waypost:{password}@127.0.0.1:1/waypost")).unwrap_err().to_string();
        assert!(error.contains("percent-encode @ : / ? # %"), "{error}");
        assert!(!error.contains("cret") && !error.contains("waypost"), "{error}");
    }
}

#[test]
fn the_part_that_cannot_be_read_is_named() {
    for (url, part) in [
        ("postgres://h:port/d", "port"),
        ("postgres://h:0/d", "port"),
        ("postgres://h:70000/d", "port"),
        ("postgres://h$/d", "host"),
        ("postgres://[::1/d", "host"),
        ("postgres://a,b/d", "more than one host"),
    ] {
        assert!(read(url).unwrap_err().to_string().contains(part), "{url}");
    }
}

#[test]
fn a_parameter_that_is_not_known_is_refused_by_what_was_meant_and_never_repeated() {
    let error = read("postgres://h/d?sslmod=hunter2").unwrap_err().to_string();
    assert!(error.contains("did you mean sslmode?") && !error.contains("hunter2"), "{error}");
    let error = read("postgres://h/d?hunter2=1").unwrap_err().to_string();
    assert!(error.contains("is not known. Known are application_name") && !error.contains("hunter2"), "{error}");
    for wrong in [
        "sslmode=allow",
        "sslmode=",
        "host=other",
        "port=1&port=2",
        "search_path=a,,b",
        "schema=a&search_path=b",
        "options=-d",
        "options=-c%20synchronous_commit%3Doff",
        "options=a+b",
    ] {
        assert!(matches!(read(&format!("postgres://h/d?{wrong}")), Err(UrlError::Parameter { .. })), "{wrong}");
    }
    for wrong in [
        "sqlite://x?mode=ro",
        "sqlite://x?cache=shared",
        "sqlite://x?mode=memory",
        "sqlite::memory:",
        "sqlite://",
        "x.db",
        "mysql://h",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_schema_is_read_in_each_of_its_spellings() {
    for (parameter, path) in [
        ("search_path=Way,public", r#""way", "public""#),
        ("currentSchema=%22Way%22%20,%20%22$user%22", r#""Way", "$user""#),
        ("schema=Way,x", r#""Way,x""#),
        ("options=-c%20search_path%3Dway", r#""way""#),
        ("options=--search-path%3Dway%20-cgeqo%3Doff", r#""way""#),
        ("options=-csearch_path%3Da,%5C%20b", r#""a", "b""#),
    ] {
        assert_eq!(
            postgres(&format!("postgres://h/d?{parameter}")).search_path().as_deref(),
            Some(path),
            "{parameter}"
        );
    }
    let both = postgres("postgres://h/d?options=-c%20search_path%3Da%20-c%20geqo%3Doff");
    assert_eq!(both.session, [("geqo".to_owned(), "off".to_owned())]);
}

#[test]
fn a_server_on_another_machine_is_verified_or_known_as_unverified() {
    for url in ["postgres://db/d", "postgres://10.0.0.1/d?sslmode=require", "postgres://db/d?sslmode=disable"] {
        assert!(read(url).unwrap().is_unverified(), "{url}");
    }
    for url in [
        "postgres://127.0.0.1/d",
        "postgres://[::1]/d",
        "postgres://localhost/d",
        "postgres:///d?host=/run/pg",
        "postgres://db/d?sslmode=verify-full",
        "postgres://db/d?sslmode=verify-ca",
        "sqlite://x",
    ] {
        assert!(!read(url).unwrap().is_unverified(), "{url}");
    }
}

proptest! {
    /// The letters and digits are none that a sentence of ours holds.
    #[test]
    fn no_piece_of_a_raw_password_is_ever_shown(password in "[QXZJKW789@:/?#%&=+., \\[\\]\\\\'\"$!~-]{0,24}", user in "[QXZ]{3,8}") {
        let shown = match read(&format!("postgres://{user}:{password}@host:5432/name")) {
            Ok(read) => {
                prop_assert_eq!(read.to_string(), "PostgreSQL at host:5432/name");
                format!("{read} {read:?}")
            }
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(&user));
        let characters: Vec<char> = password.chars().collect();
        for piece in characters.windows(3).filter(|piece| piece.iter().any(char::is_ascii_alphanumeric)) {
            let piece: String = piece.iter().collect();
            prop_assert!(!shown.contains(&piece), "{} in {}", piece, shown);
        }
    }

    #[test]
    fn an_encoded_password_is_read_whatever_it_is(password in "[^\\p{Cc}]{1,24}") {
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
        let read = read(&format!("postgres://me:{encoded}@host/name"));
        prop_assert_eq!(read.unwrap().to_string(), "PostgreSQL at host:5432/name");
    }

    #[test]
    fn no_text_at_all_makes_the_reader_panic(text in ".{0,60}") {
        let _ = read(&format!("postgres://{text}"));
        let _ = read(&format!("sqlite:{text}"));
    }
}
