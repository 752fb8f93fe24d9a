//! Programs under test as child processes that die with their handle.
//!
//! `WAYPOST_TEST_LOGS` names a folder that takes all that they print, a file for each program.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::DEADLINE;

/// A running program. Its output is kept, and shown when the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    stdout: mpsc::UnboundedReceiver<String>,
}

impl Process {
    /// Starts `command`, called `name` in messages.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        let log = Log::to_file_of(name)?;
        let (lines, stdout) = mpsc::unbounded_channel();
        tokio::spawn(follow(child.stderr.take().context("stderr is piped")?, log.clone(), None));
        tokio::spawn(follow(child.stdout.take().context("stdout is piped")?, log.clone(), Some(lines)));
        Ok(Self { name: name.to_owned(), child, log, stdout })
    }

    /// The program's standard input, once.
    pub fn take_stdin(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().context("its standard input was taken before")
    }

    /// The next line of the program's standard output, or none when it has ended.
    pub async fn next_line(&mut self) -> Option<String> {
        self.stdout.recv().await
    }

    /// Reads the program's output until a line tells an address of this machine, and returns its port.
    pub async fn wait_for_port(&mut self) -> Result<u16> {
        let search = async {
            while let Some(line) = self.stdout.recv().await {
                if let Some(port) = port_in(&line) {
                    return Ok(port);
                }
            }
            bail!("{} ended before it said where it listens", self.name)
        };
        tokio::time::timeout(DEADLINE, search)
            .await
            .with_context(|| format!("{} did not say where it listens", self.name))?
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the program as a power failure would: it cannot catch it (`kill -9`).
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child of ours can be killed");
    }

    /// Asks the program to end (`SIGTERM`) and waits until it did.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.end_by("TERM").await
    }

    /// Sends the program a signal that ends it, by its name, and waits until it did.
    pub async fn end_by(&mut self, signal: &str) -> ExitStatus {
        if let Some(pid) = self.child.id() {
            let asked = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().await;
            assert!(asked.expect("kill(1) is on every machine").success(), "{} could not be asked to end", self.name);
        }
        self.wait().await
    }

    /// Waits until the program has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("{} did not end", self.name)).expect("a child of ours can be waited for")
    }

    /// What the program printed so far, both streams.
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("──── output of {}\n{}────", self.name, self.log.text());
        }
    }
}

/// What a program printed. Bounded: only the last lines are kept.
#[derive(Debug, Clone)]
struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
    file: Option<Arc<File>>,
}

impl Log {
    const KEPT: usize = 2_000;

    /// Beside memory, into the file of the programs of this name.
    fn to_file_of(name: &str) -> Result<Self> {
        let file = match std::env::var_os("WAYPOST_TEST_LOGS") {
            None => None,
            Some(folder) => {
                let path = Path::new(&folder).join(format!("{name}.log"));
                let file = File::options().create(true).append(true).open(&path);
                let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                writeln!(&file, "──── started")?;
                Some(Arc::new(file))
            }
        };
        Ok(Self { lines: Arc::default(), file })
    }

    fn push(&self, line: String) {
        if let Some(file) = &self.file {
            // A log that cannot be written is no reason to fail.
            let _ = writeln!(file.as_ref(), "{line}");
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == Self::KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

async fn follow(stream: impl AsyncRead + Unpin, log: Log, lines: Option<mpsc::UnboundedSender<String>>) {
    let mut reader = BufReader::new(stream).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        log.push(line.clone());
        if let Some(lines) = &lines {
            // The test may have lost interest.
            let _ = lines.send(line);
        }
    }
}

/// The port in a line such as `listening on http://127.0.0.1:41234`.
fn port_in(line: &str) -> Option<u16> {
    let (_, after) = line.split_once("127.0.0.1:")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port != 0)
}

/// The built program `name`, beside this one; `variable` in the environment names another.
pub fn binary(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    // …/target/debug/waypost-chaos, …/target/debug/deps/system-0123
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    found.with_context(|| {
        format!("{name} is not beside {}. `make test` builds it first; {variable} names another", own.display())
    })
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_a_line() {
        assert_eq!(port_in("Waypost listens on http://127.0.0.1:41234/ now"), Some(41234));
        assert_eq!(port_in("asked for 127.0.0.1:0"), None);
        assert_eq!(port_in("starting"), None);
    }
}
