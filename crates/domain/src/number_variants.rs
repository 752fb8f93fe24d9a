//! The other forms of a number that is written in two ways.
//!
//! Some countries changed how mobile numbers are written, and WhatsApp knows some accounts under the old form and some
//! under the new one. Which of them cannot be computed: it is asked. So nothing here rewrites a number; it only says
//! what else to look up where the form that was given has no account (`checkNumber`). docs/addressing.md has the source
//! for each country, and those that were looked at and left out.

use crate::PhoneNumber;

/// National digits in, the other forms of them out.
type Forms = fn(&str) -> Vec<String>;

/// The countries with two forms, and what makes the others of one: national digits in, national digits out.
const COUNTRIES: [(&str, Forms); 6] =
    [("52", mexico), ("54", argentina), ("55", brazil), ("225", ivory_coast), ("229", benin), ("241", gabon)];

impl PhoneNumber {
    /// The other forms under which WhatsApp may know the owner of this number, likeliest first; none where the country
    /// writes its numbers in one way. A form that could be somebody else's number is none:
    ///
    /// - **Brazil** (55, two digits of area, subscriber): mobiles got a ninth digit, a 9 in front. With it and without
    ///   it, where the eight digits behind it start with 6 to 9; those of landlines start with 2 to 5.
    /// - **Mexico** (52, ten digits): 52 1 was written for mobiles until 2019.
    /// - **Argentina** (54, area and subscriber in ten digits): mobiles are written 54 9 from abroad, and with a 15
    ///   between area and subscriber within the country. An area has two digits (11 alone), three or four.
    /// - **Ivory Coast** (225): eight digits until 2021; mobiles got 01, 05 or 07 in front, by the operator that the first
    ///   two of them named.
    /// - **Benin** (229): eight digits until 2024; all got 01 in front.
    /// - **Gabon** (241): mobiles were written 0 and seven digits until 2019; the 0 became a 6 or a 7, by the operator.
    pub fn variants(&self) -> Vec<Self> {
        let digits = self.as_str();
        let country = COUNTRIES.iter().find_map(|(code, forms)| Some((code, forms(digits.strip_prefix(code)?))));
        let Some((code, forms)) = country else { return Vec::new() };
        // All are digits, start with a country code, and are two digits longer at most: only a length can be refused.
        forms.iter().filter_map(|national| format!("{code}{national}").parse().ok()).collect()
    }
}

fn brazil(national: &str) -> Vec<String> {
    let Some((area, subscriber)) = national.split_at_checked(2) else { return Vec::new() };
    let is_area = area.bytes().all(|digit| digit != b'0');
    let is_mobile = |digits: &str| digits.len() == 8 && matches!(digits.as_bytes()[0], b'6'..=b'9');
    let other = match subscriber.len() {
        8 if is_area && is_mobile(subscriber) => Some(format!("{area}9{subscriber}")),
        9 if is_area => subscriber.strip_prefix('9').filter(|old| is_mobile(old)).map(|old| format!("{area}{old}")),
        _ => None,
    };
    other.into_iter().collect()
}

fn mexico(national: &str) -> Vec<String> {
    // No area starts with 0 or 1.
    let is_number = |digits: &str| digits.len() == 10 && matches!(digits.as_bytes()[0], b'2'..=b'9');
    if is_number(national) {
        return vec![format!("1{national}")];
    }
    national.strip_prefix('1').filter(|number| is_number(number)).map(str::to_owned).into_iter().collect()
}

fn argentina(national: &str) -> Vec<String> {
    // Areas are 11, and others that start with 2 or 3.
    let is_number = |digits: &str| digits.len() == 10 && (digits.starts_with("11") || digits.starts_with(['2', '3']));
    if is_number(national) {
        return vec![format!("9{national}")];
    }
    let (mobile, number) = national.strip_prefix('9').map_or((false, national), |number| (true, number));
    if mobile && is_number(number) {
        return vec![number.to_owned()];
    }
    if number.len() != 12 {
        return Vec::new();
    }
    let areas: &[usize] = if number.starts_with("11") { &[2] } else { &[3, 4] };
    // It cannot be both: the digits behind an area of three cannot be 15 and start with 1 once more.
    let Some(area) = areas.iter().find(|area| number[**area..].starts_with("15")) else { return Vec::new() };
    let number = format!("{}{}", &number[..*area], &number[area + 2..]);
    if is_number(&number) { vec![format!("9{number}"), number] } else { Vec::new() }
}

fn ivory_coast(national: &str) -> Vec<String> {
    // What was assigned in 2020: the second digit says the operator.
    let prefix = |old: &str| match old.as_bytes() {
        [b'0', b'1'..=b'3', ..] | [b'4' | b'5' | b'7', b'0'..=b'3', ..] => Some("01"),
        [b'0' | b'4'..=b'9', b'4'..=b'6', ..] => Some("05"),
        [b'0' | b'4' | b'5' | b'7' | b'8', b'7'..=b'9', ..] | [b'6' | b'9', b'7' | b'8', ..] => Some("07"),
        _ => None,
    };
    with_prefix(national, prefix)
}

fn benin(national: &str) -> Vec<String> {
    with_prefix(national, |_| Some("01"))
}

/// Eight digits that got two more in front, which follow from the eight: the other form of either.
fn with_prefix(national: &str, prefix: impl Fn(&str) -> Option<&'static str>) -> Vec<String> {
    let other = match national.len() {
        8 => prefix(national).map(|prefix| format!("{prefix}{national}")),
        10 => Some(&national[2..]).filter(|old| prefix(old) == Some(&national[..2])).map(str::to_owned),
        _ => None,
    };
    other.into_iter().collect()
}

fn gabon(national: &str) -> Vec<String> {
    let Some((head, rest)) = national.split_at_checked(2).filter(|_| national.len() == 8) else { return Vec::new() };
    let other = match head {
        "02" => "62",
        "05" => "65",
        "06" => "66",
        "04" => "74",
        "07" => "77",
        "62" => "02",
        "65" => "05",
        "66" => "06",
        "74" => "04",
        "77" => "07",
        _ => return Vec::new(),
    };
    vec![format!("{other}{rest}")]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::brazil_with_the_ninth_digit("5511987654321", &["551187654321"])]
    #[case::brazil_without_the_ninth_digit("551187654321", &["5511987654321"])]
    #[case::brazil_with_an_old_mobile_that_starts_with_6("553161234567", &["5531961234567"])]
    #[case::brazil_landline("551132654321", &[])]
    #[case::brazil_a_nine_before_a_landline_is_no_mobile("5511932654321", &[])]
    #[case::brazil_no_such_area("5501987654321", &[])]
    #[case::brazil_too_short("55119876543", &[])]
    #[case::mexico("525512345678", &["5215512345678"])]
    #[case::mexico_with_the_old_1("5215512345678", &["525512345678"])]
    #[case::mexico_no_area_starts_with_1("521512345678", &[])]
    #[case::mexico_too_long("52155123456789", &[])]
    #[case::argentina_without_the_9("541123456789", &["5491123456789"])]
    #[case::argentina_with_the_9("5491123456789", &["541123456789"])]
    #[case::argentina_as_dialled_in_buenos_aires("54111523456789", &["5491123456789", "541123456789"])]
    #[case::argentina_as_dialled_in_an_area_of_three("54341151234567", &["5493411234567", "543411234567"])]
    #[case::argentina_as_dialled_in_an_area_of_four("54296615123456", &["5492966123456", "542966123456"])]
    #[case::argentina_with_the_9_and_the_15("549341151234567", &["5493411234567", "543411234567"])]
    #[case::argentina_no_such_area("544123456789", &[])]
    #[case::ivory_coast_old_orange("22507123456", &["2250707123456"])]
    #[case::ivory_coast_old_orange_98("22598123456", &["2250798123456"])]
    #[case::ivory_coast_old_mtn("22545123456", &["2250545123456"])]
    #[case::ivory_coast_old_moov("22540123456", &["2250140123456"])]
    #[case::ivory_coast_new_orange("2250707123456", &["22507123456"])]
    #[case::ivory_coast_new_moov("2250102123456", &["22502123456"])]
    #[case::ivory_coast_never_had_eight_digits("2250718139912", &[])]
    #[case::ivory_coast_new_mtn("2250545123456", &["22545123456"])]
    #[case::ivory_coast_another_operators_prefix("2250745123456", &[])]
    #[case::ivory_coast_landline("22520123456", &[])]
    #[case::ivory_coast_an_operator_that_is_gone("22560123456", &[])]
    #[case::benin_old("22997123456", &["2290197123456"])]
    #[case::benin_new("2290197123456", &["22997123456"])]
    #[case::benin_no_such_prefix("2290297123456", &[])]
    #[case::gabon_old_airtel("24107123456", &["24177123456"])]
    #[case::gabon_old_libertis("24106123456", &["24166123456"])]
    #[case::gabon_new_airtel("24174123456", &["24104123456"])]
    #[case::gabon_new_moov("24165123456", &["24105123456"])]
    #[case::gabon_a_number_of_the_new_plan_alone("24176123456", &[])]
    #[case::gabon_landline("24101123456", &[])]
    #[case::elsewhere("4915112345678", &[])]
    #[case::elsewhere_in_the_north("14155550100", &[])]
    fn a_country_with_two_forms_gives_the_other(#[case] given: &str, #[case] others: &[&str]) {
        let variants = given.parse::<PhoneNumber>().unwrap().variants();
        assert_eq!(variants.iter().map(PhoneNumber::as_str).collect::<Vec<_>>(), others);
    }

    proptest! {
        #[test]
        fn a_variant_is_another_number_of_the_same_country(digits in "(52|54|55)[0-9]{5,13}|(225|229|241)[0-9]{4,12}") {
            let number: PhoneNumber = digits.parse().unwrap();
            for variant in number.variants() {
                prop_assert_ne!(&variant, &number);
                prop_assert_eq!(&variant.as_str()[..2], &number.as_str()[..2]);
            }
        }

        #[test]
        fn where_two_forms_are_of_one_length_apart_each_leads_to_the_other(digits in "(52|55)[0-9]{10,11}|(225|229|241)[0-9]{8}|(22501|22505|22507|22901)[0-9]{8}") {
            let number: PhoneNumber = digits.parse().unwrap();
            for variant in number.variants() {
                prop_assert_eq!(variant.variants(), vec![number.clone()]);
            }
        }
    }
}
