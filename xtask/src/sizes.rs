//! How long a source file may be: one past 500 lines is usually two, one past 600 is refused.

use std::path::Path;

use anyhow::Result;

use crate::sources;

const ASK_ABOVE: usize = 500;
const REFUSE_ABOVE: usize = 600;

/// Names every file that is too long, and prints those that are about to be.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    for source in sources::all(root)? {
        let lines = source.text.lines().count();
        match judge(lines) {
            Size::Fine => {}
            Size::Long => println!("{lines} lines: {} (is it two files?)", source.path),
            Size::TooLong => refused.push(format!("{} has {lines} lines; {REFUSE_ABOVE} is the limit", source.path)),
        }
    }
    Ok(refused)
}

#[derive(Debug, PartialEq, Eq)]
enum Size {
    Fine,
    Long,
    TooLong,
}

const fn judge(lines: usize) -> Size {
    if lines > REFUSE_ABOVE {
        Size::TooLong
    } else if lines > ASK_ABOVE {
        Size::Long
    } else {
        Size::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_above_500_lines_and_refused_above_600() {
        assert_eq!([500, 501, 600, 601].map(judge), [Size::Fine, Size::Long, Size::Long, Size::TooLong]);
    }
}
