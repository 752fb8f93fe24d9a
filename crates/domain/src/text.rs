//! What a text shows: whether there is anything to see in it.
//!
//! The properties are those of the Unicode Character Database, through `icu_properties`.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark},
};

/// Whether a text has only blanks and characters that show nothing, or has none at all.
pub fn shows_nothing(text: &str) -> bool {
    !text.chars().any(is_visible)
}

/// Whether a character shows something by itself. White space, controls, format characters and default-ignorable
/// characters do not.
pub fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_graphic();
    }
    // Two symbols whose picture is empty: the Braille pattern without a dot, and the note without a head.
    let is_blank = c.is_whitespace() || matches!(c, '\u{2800}' | '\u{1d159}');
    !is_blank && !is_format(c) && CodePointMapData::<GeneralCategory>::new().get(c) != GeneralCategory::Control
}

/// Whether a character only says how its neighbours are to be shown: a direction mark, a joiner, a soft hyphen, a
/// variation selector. The format characters that are signs themselves, such as the Arabic end of verse, are not meant.
pub fn is_format(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || (CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
            && !CodePointSetData::new::<PrependedConcatenationMark>().contains(c))
}

/// Whether a character shows something without another one to stand on, as an accent needs it.
pub(crate) fn stands_alone(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    is_visible(c) && !matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::empty("")]
    #[case::line_breaks("\n\r\n\u{b}\u{c}\u{85}\u{2028}\u{2029}")]
    #[case::tabs_and_blanks(" \t\u{a0}\u{1680}\u{2000}\u{2009}\u{202f}\u{205f}\u{3000}")]
    #[case::zero_width("\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}")]
    #[case::directions("\u{200e}\u{200f}\u{61c}\u{202a}\u{202c}\u{202e}\u{2066}\u{2069}")]
    #[case::soft_hyphen_and_joiner("\u{ad}\u{34f}")]
    #[case::hangul_fillers("\u{115f}\u{1160}\u{3164}\u{ffa0}")]
    #[case::variation_selectors("\u{fe0f}\u{e0100}")]
    #[case::tags("\u{e0001}\u{e0041}\u{e007f}")]
    #[case::controls("\u{1}\u{7f}\u{9f}")]
    #[case::interlinear("\u{fff9}\u{fffb}")]
    #[case::empty_pictures("\u{2800}\u{1d159}")]
    fn what_nobody_can_see_shows_nothing(#[case] text: &str) {
        assert!(shows_nothing(text));
    }

    #[rstest]
    #[case(" a\n ")]
    #[case("0")]
    #[case("👩\u{200d}💻")]
    #[case("❤\u{fe0f}")]
    #[case("\u{202e}א")]
    #[case("က္က")]
    #[case("\u{6dd}")]
    #[case("⠀⠁")]
    fn what_somebody_can_see_shows_something(#[case] text: &str) {
        assert!(!shows_nothing(text));
    }
}
