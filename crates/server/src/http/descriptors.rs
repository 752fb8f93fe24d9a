//! File descriptors: each connection is one, and the database, the keys and every WhatsApp session need theirs too.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::places::BEYOND_LIMITS;

/// The least that is kept for everything that is no HTTP connection.
const LEAST_KEPT: u64 = 128;

/// Descriptors of one connection to the database: SQLite has the file, its log and the log's index.
const PER_DATABASE_CONNECTION: u64 = 3;

/// The fewest connections that are served, however few descriptors there are.
const LEAST_CONNECTIONS: u64 = 16;

/// Raises the limit of this process as far as the system lets it, and returns it; none if there is none.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            current
        }
    }
}

/// How many HTTP connections there is room for: those that are wanted, or what is left of `descriptors` when a quarter of
/// them is kept for sessions and files, and some for the database and for the reserve.
pub fn connections(wanted: usize, descriptors: Option<u64>, database_connections: u32) -> usize {
    let Some(descriptors) = descriptors else { return wanted };
    let kept = (descriptors / 4).max(LEAST_KEPT)
        + u64::from(database_connections) * PER_DATABASE_CONNECTION
        + u64::try_from(BEYOND_LIMITS).unwrap_or(u64::MAX);
    let left = descriptors.saturating_sub(kept).max(LEAST_CONNECTIONS);
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(connections(10_000, None, 8), 10_000);
        assert_eq!(connections(10_000, Some(1_048_576), 8), 10_000);
        assert_eq!(connections(10_000, Some(1_024), 8), 1_024 - 256 - 24 - 64);
        assert_eq!(connections(100, Some(1_024), 8), 100);
        assert_eq!(connections(10_000, Some(64), 8), 16);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, raised);
        assert_eq!(getrlimit(Resource::Nofile).maximum, raised);
    }
}
