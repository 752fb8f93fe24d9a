//! The tables of ARCHITECTURE.md: which rooms there are, and which of the others each may use; and which files to touch.
//!
//! A row is one line: the folder between backticks, a description, and the names of other rooms with commas between them,
//! a dash if there are none. What only its tests may use stands behind `; tests:`. A room's name is the last part of its
//! folder.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

/// The page that has the table.
pub const PAGE: &str = "ARCHITECTURE.md";
/// The table's first line.
const HEAD: &str = "| folder | what | may use of ours |";
/// Stands where there are no names.
const NONE: &str = "–";
/// Stands before what only tests may use.
const IN_TESTS: &str = "; tests:";

/// One crate of the workspace and what it may use of the others, by their names.
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    /// The folder of its manifest and its sources, from the workspace's root.
    pub folder: String,
    /// Rooms that it may depend on.
    pub ours: Vec<String>,
    /// Rooms that its tests may depend on besides.
    pub ours_in_tests: Vec<String>,
}

impl Room {
    /// The last part of its folder.
    pub fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// Reads the table.
pub fn read(root: &Path) -> Result<Vec<Room>> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    parse(&page)
}

/// The table of files to touch, by its first line.
const RECIPES: &str = "| to add | touch these files |";

/// Names the paths in the table of files to touch that are not there.
pub fn check_paths(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let paths = paths(&page)?.into_iter();
    let missing = paths.filter(|path| !root.join(path).exists());
    Ok(missing.map(|path| format!("{PAGE}: there is no {path}, which the table \"{RECIPES}\" names")).collect())
}

/// The paths of that table: what stands between backticks and has a slash or a full stop in it.
fn paths(page: &str) -> Result<Vec<&str>> {
    let mut lines = page.lines().skip_while(|line| line.trim() != RECIPES);
    ensure!(lines.next().is_some(), "{PAGE} has no table of files to touch: no line is `{RECIPES}`");
    let quoted = lines.take_while(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    let paths: Vec<_> = quoted.filter(|text| text.contains(['/', '.'])).collect();
    ensure!(!paths.is_empty(), "{PAGE}: the table of files to touch names none");
    Ok(paths)
}

fn parse(page: &str) -> Result<Vec<Room>> {
    let mut lines = page.lines().enumerate().skip_while(|(_, line)| line.trim() != HEAD);
    ensure!(lines.next().is_some(), "{PAGE} has no table of rooms: no line is `{HEAD}`");
    let (number, rule) = lines.next().unwrap_or_default();
    ensure!(
        rule.trim() == "|---|---|---|",
        "{PAGE}:{}: the line below the table's head must be |---|---|---|",
        number + 1
    );
    let rows = lines.take_while(|(_, line)| line.starts_with('|'));
    let rooms = rows
        .map(|(number, line)| row(line).with_context(|| format!("{PAGE}:{}: {line}", number + 1)))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!rooms.is_empty(), "{PAGE}: the table of rooms is empty");
    let mut names = BTreeSet::new();
    for room in &rooms {
        ensure!(names.insert(room.name()), "{PAGE}: two rooms have the name {}", room.name());
    }
    for room in &rooms {
        for used in room.ours.iter().chain(&room.ours_in_tests) {
            ensure!(
                names.contains(used.as_str()),
                "{PAGE}: {} may use {used}, which is no room of the table",
                room.name()
            );
        }
    }
    Ok(rooms)
}

fn row(line: &str) -> Result<Room> {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [folder, _, arrows] = cells[..] else { bail!("a row has three cells, this one has {}", cells.len()) };
    let folder = folder.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let folder = folder.context("the folder stands between backticks")?.to_owned();
    ensure!(!folder.is_empty(), "the folder stands between backticks");
    let (ours, in_tests) = match arrows.split_once(IN_TESTS) {
        Some((ours, in_tests)) => (ours, list(in_tests)?),
        None => (arrows, Vec::new()),
    };
    Ok(Room { folder, ours: list(ours)?, ours_in_tests: in_tests })
}

fn list(text: &str) -> Result<Vec<String>> {
    if text.trim() == NONE {
        return Ok(Vec::new());
    }
    let name = |word: &str| {
        let word = word.trim();
        let is_name = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        ensure!(is_name, "`{word}` is no name of a room: names stand with commas between them, or {NONE} for none");
        Ok(word.to_owned())
    };
    text.split(',').map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &str) -> Result<Vec<Room>> {
        parse(&format!("# Page\n\n{HEAD}\n|---|---|---|\n{rows}\n\nText.\n"))
    }

    fn why(rows: &str) -> String {
        format!("{:#}", table(rows).unwrap_err())
    }

    #[test]
    fn rows_are_rooms_and_their_arrows() {
        let rooms = table("| `crates/a` | what | – |\n| `b` | what | a |\n| `c` | x | a, b; tests: a |").unwrap();
        let room = |folder: &str, ours: &[&str], in_tests: &[&str]| Room {
            folder: folder.to_owned(),
            ours: ours.iter().map(ToString::to_string).collect(),
            ours_in_tests: in_tests.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(rooms, [room("crates/a", &[], &[]), room("b", &["a"], &[]), room("c", &["a", "b"], &["a"])]);
        assert_eq!(rooms[0].name(), "a");
    }

    #[test]
    fn a_table_that_cannot_be_read_says_where_and_why() {
        assert!(parse("# Page").unwrap_err().to_string().contains("no table of rooms"));
        assert!(why("").contains("is empty"));
        assert!(why("| `a` | what |").contains("ARCHITECTURE.md:5") && why("| `a` | what |").contains("has 2"));
        assert!(why("| a | what | – |").contains("backticks"));
        assert!(why("| `a` | what | |").contains("is no name of a room"));
        assert!(why("| `a` | what | b (a part) |").contains("b (a part)"));
        assert!(why("| `a` | what | b |").contains("a may use b, which is no room"));
        assert!(why("| `a` | what | – |\n| `x/a` | what | – |").contains("two rooms have the name a"));
    }

    #[test]
    fn the_files_to_touch_are_paths_between_backticks() {
        let page = format!("{RECIPES}\n|---|---|\n| a route | `a/b.rs`, `make gen`, `c/` |\n\n`d/e`\n");
        assert_eq!(paths(&page).unwrap(), ["a/b.rs", "c/"]);
        assert!(paths("").is_err() && paths(RECIPES).is_err());
    }
}
