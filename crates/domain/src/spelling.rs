//! Slips in names.

/// How many letters may be wrong, missing, too many or swapped.
const SLIPS: usize = 2;

/// The name that was meant by one that is none of `names`: the same but for case, dashes and underscores, else the
/// nearest within two slips, and within one for every three letters.
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer ones are no slips, and comparing them costs the product of both lengths.
    if written.len() > 64 {
        return None;
    }
    let bare = |name: &str| name.replace(['_', '-', ' ', '.'], "").to_lowercase();
    let meant = bare(written);
    let slips = |name: &'n str| (strsim::osa_distance(&meant, &bare(name)), name);
    names
        .into_iter()
        .map(slips)
        .filter(|(slips, _)| *slips <= SLIPS.min(meant.chars().count() / 3))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("sendat", Some("sendAt"))]
    #[case("send_at", Some("sendAt"))]
    #[case("Send-At", Some("sendAt"))]
    #[case("sentAt", Some("sendAt"))]
    #[case("stauts", Some("status"))]
    #[case("To", Some("to"))]
    #[case("t0", None)]
    #[case("x", None)]
    #[case("colour", None)]
    #[case("", None)]
    fn a_slip_is_recognised(#[case] written: &str, #[case] meant: Option<&str>) {
        assert_eq!(nearest(written, ["status", "sendAt", "to", "text"]), meant);
    }

    #[test]
    fn a_long_name_is_no_slip() {
        assert_eq!(nearest(&"a".repeat(1_000_000), ["a"]), None);
    }
}
