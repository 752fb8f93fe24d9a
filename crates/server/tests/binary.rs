//! The binary as an operator meets it: how it starts, refuses and stops. What it serves is tested in `tests/`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

/// A `waypost serve` that dies with its handle.
struct Server {
    child: Child,
    address: String,
}

fn waypost(data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    command
        .env_clear()
        .current_dir(data)
        .env("WAYPOST_LISTEN", "127.0.0.1:0")
        .env("WAYPOST_DATA_DIR", data.join("data"));
    command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Server {
    fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = waypost(data, settings).arg("serve").stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (_, after) = line.split_once("http://").unwrap_or_else(|| panic!("no address in {line:?}"));
        let address = after.split_whitespace().next().unwrap().to_owned();
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        told.success() && self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server that does not start says.
fn refusal(data: &Path, settings: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = waypost(data, settings).arg("serve").output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

#[test]
fn it_starts_on_an_empty_folder_answers_and_stops_when_told_to_and_again() {
    let data = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let server = Server::start(data.path());
        assert!(server.get("/health/ready").starts_with("HTTP/1.1 200"));
        assert!(server.get("/api/docs/").starts_with("HTTP/1.1 200"));
        assert!(server.get("/api/auth/me").starts_with("HTTP/1.1 401"));
        assert!(server.stop());
    }
    for made in ["waypost.db", "waypost.db.lock", "master.key", "token.key", "waypost.lock"] {
        let metadata = std::fs::metadata(data.path().join("data").join(made)).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600, "{made}");
    }
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _first = Server::start(data.path());
    let refusal = refusal(data.path(), &[]);
    assert!(refusal.contains("another waypost uses the data folder"), "{refusal}");
}

#[test]
fn an_address_in_use_is_refused_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusal = refusal(data.path(), &[("WAYPOST_LISTEN", &taken.local_addr().unwrap().to_string())]);
    assert!(refusal.contains("cannot listen on") && refusal.contains("WAYPOST_LISTEN"), "{refusal}");
}

#[test]
fn an_unreachable_database_is_refused_without_its_password() {
    let data = tempfile::tempdir().unwrap();
    // Nobody listens on a port that was free a moment ago and is not bound by us.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://waypost:hunter2@{free}/waypost");
    let refusal = refusal(data.path(), &[("DATABASE_URL", &url)]);
    assert!(refusal.contains(&format!("cannot open PostgreSQL at {free}/waypost")), "{refusal}");
    assert!(refusal.contains("DATABASE_URL") && !refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn a_database_made_with_another_master_key_is_refused() {
    let data = tempfile::tempdir().unwrap();
    assert!(Server::start(data.path()).stop());
    std::fs::remove_file(data.path().join("data/master.key")).unwrap();
    let refusal = refusal(data.path(), &[]);
    assert!(refusal.contains("another master key") && refusal.contains("WAYPOST_MASTER_KEY_FILE"), "{refusal}");
    assert!(!data.path().join("data/master.key").exists(), "no key is made that opens nothing");
    let refusal = self::refusal(data.path(), &[("WAYPOST_MASTER_KEY", &"ab".repeat(32))]);
    assert!(refusal.contains("another master key"), "{refusal}");
}

#[test]
fn one_key_for_two_purposes_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let key = "ab".repeat(32);
    let refusal = refusal(data.path(), &[("WAYPOST_MASTER_KEY", &key), ("WAYPOST_TOKEN_KEY", &key)]);
    assert!(refusal.contains("the master key and the token key are the same"), "{refusal}");
}

#[test]
fn nothing_of_a_password_is_shown_however_it_was_written() {
    for password in ["se@cret", "se?cret", "se#cret", "se/cret", "se%zzcret", "se%ffcret", "se cret", "12?cret"] {
        let data = tempfile::tempdir().unwrap();
        let refusal =
            refusal(data.path(), &[("DATABASE_URL", &format!("postgres://wayuser:{password}@127.0.0.1:1/waypost"))]);
        assert!(refusal.contains("percent-encode @ : / ? # %"), "{refusal}");
        assert!(!refusal.contains("cret") && !refusal.contains("wayuser"), "{refusal}");
    }
}

#[test]
fn the_end_of_a_line_and_quotes_make_no_second_data_folder() {
    for folder in ["./data\r", "./da\u{1b}ta", "\"./data\"", "'./data'"] {
        let data = tempfile::tempdir().unwrap();
        let refusal = refusal(data.path(), &[("WAYPOST_DATA_DIR", folder)]);
        assert!(refusal.contains("WAYPOST_DATA_DIR in the environment"), "{refusal}");
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was made");
    }
}

#[test]
fn a_database_elsewhere_is_its_owners_alone() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("made/waypost.db");
    let server = Server::start_with(data.path(), &[("DATABASE_URL", &format!("sqlite://{}", file.display()))]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    for made in ["waypost.db", "waypost.db-wal", "waypost.db-shm", "waypost.db.lock"] {
        assert_eq!(mode(&file.with_file_name(made)), 0o600, "{made}");
    }
    assert!(server.stop());
}

#[test]
fn what_another_user_owns_or_may_not_be_written_is_refused_with_the_command_that_mends_it() {
    const STRANGER: u32 = 54_321;
    let data = tempfile::tempdir().unwrap();
    if std::fs::metadata(data.path()).unwrap().uid() != 0 {
        eprintln!("not tried: only root can give files to another user");
        return;
    }
    assert!(Server::start(data.path()).stop());
    let folder = data.path().join("data");
    for foreign in ["waypost.db", "waypost.db-wal", "waypost.db-shm", "master.key", "waypost.lock"] {
        let path = folder.join(foreign);
        let made = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        made.and_then(|file| std::os::unix::fs::fchown(file, Some(STRANGER), None)).unwrap();
        let refusal = refusal(data.path(), &[]);
        let says = format!("{} belongs to uid 54321, and this process runs as uid 0", path.display());
        assert!(refusal.contains(&says) && refusal.contains(&format!("chown 0 {}", path.display())), "{refusal}");
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    // The other way round: the folder is root's, the process is not.
    let free = std::fs::Permissions::from_mode(0o755);
    for path in [data.path(), folder.as_path()] {
        std::fs::set_permissions(path, free.clone()).unwrap();
    }
    let program = data.path().join("waypost");
    std::fs::copy(env!("CARGO_BIN_EXE_waypost"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=54321", "--regid=54321", "--clear-groups"]).arg(&program).arg("serve").env_clear();
    let output = command.env("WAYPOST_DATA_DIR", &folder).env("WAYPOST_LISTEN", "127.0.0.1:0").output().unwrap();
    let refusal = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(refusal.contains("cannot be written by uid 54321") && refusal.contains("chown 54321"), "{refusal}");
}

#[test]
fn a_wrong_setting_is_refused_before_anything_is_made() {
    let data = tempfile::tempdir().unwrap();
    let refusal = refusal(data.path(), &[("WAYPOST_ACK_TIMEOUT", "soon")]);
    assert!(refusal.contains("ack_timeout (from WAYPOST_ACK_TIMEOUT in the environment)"), "{refusal}");
    assert!(!data.path().join("data").exists());
}

#[test]
fn the_configuration_and_the_document_are_shown_without_a_data_folder() {
    let data = tempfile::tempdir().unwrap();
    for (command, shows) in [
        ("config", "# WAYPOST_LISTEN, --listen ADDRESS"),
        ("openapi", "\"openapi\": \"3.1"),
        ("version", "AGPL-3.0-only"),
    ] {
        let Output { status, stdout, .. } = waypost(data.path(), &[]).arg(command).output().unwrap();
        assert!(status.success());
        assert!(String::from_utf8(stdout).unwrap().contains(shows), "{command}");
    }
    assert!(!data.path().join("data").exists());
}

#[cfg(feature = "wire-sim")]
#[test]
fn a_build_for_the_simulator_refuses_every_other_machine() {
    for url in ["wss://web.whatsapp.com/ws/chat", "ws://192.0.2.1:8080/ws/chat", "ws://127.0.0.1.example.invalid/"] {
        let data = tempfile::tempdir().unwrap();
        let refusal = refusal(data.path(), &[("WAYPOST_WHATSAPP_URL", url)]);
        assert!(refusal.contains("whatsapp_url cannot be used"), "{refusal}");
    }
}

#[cfg(not(feature = "wire-sim"))]
#[test]
fn a_build_for_users_refuses_to_be_pointed_at_a_simulator() {
    let data = tempfile::tempdir().unwrap();
    let refusal = refusal(data.path(), &[("WAYPOST_WHATSAPP_URL", "ws://127.0.0.1:1")]);
    assert!(refusal.contains("works only in a build for tests"), "{refusal}");
}

#[test]
fn no_switch_that_turns_a_check_off_reaches_the_default_binary() {
    let tree = |features: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "waypost-server",
        ]);
        // Every package with all features that are on for it.
        cargo.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p} {f}"]);
        let Output { status, stdout, stderr } = cargo.args(features).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    };
    assert!(tree(&["--features", "wire-sim"]).contains("danger-"), "the test no longer sees such features at all");
    let default = tree(&[]);
    assert!(default.contains("whatsapp-rust"));
    assert!(!default.contains("danger-"));
}
