//! The other forms of a number that is written in two ways.
//!
//! Three countries changed how mobile numbers are written, and WhatsApp knows some accounts under the old form and some
//! under the new one. Which of them cannot be computed: it is asked. So nothing here rewrites a number; it only says
//! what else to look up where the form that was given has no account (`checkNumber`).

use crate::PhoneNumber;

impl PhoneNumber {
    /// The other forms under which WhatsApp may know the owner of this number, likeliest first; none where the country
    /// writes its numbers in one way. A form that could be somebody else's number is none:
    ///
    /// - **Brazil** (55, two digits of area, subscriber): mobiles got a ninth digit, a 9 in front. With it and without
    ///   it, where the eight digits behind it start with 6 to 9; those of landlines start with 2 to 5.
    /// - **Mexico** (52, ten digits): 52 1 was written for mobiles until 2019.
    /// - **Argentina** (54, area and subscriber in ten digits): mobiles are written 54 9 from abroad, and with a 15
    ///   between area and subscriber within the country. An area has two digits (11 alone), three or four.
    pub fn variants(&self) -> Vec<Self> {
        let digits = self.as_str();
        let forms = match digits.get(..2) {
            Some("55") => brazil(&digits[2..]).into_iter().collect(),
            Some("52") => mexico(&digits[2..]).into_iter().collect(),
            Some("54") => argentina(&digits[2..]),
            _ => return Vec::new(),
        };
        // All are digits, start with a country code, and are a digit longer at most: only a length can be refused.
        forms.iter().filter_map(|national| format!("{}{national}", &digits[..2]).parse().ok()).collect()
    }
}

fn brazil(national: &str) -> Option<String> {
    let (area, subscriber) = national.split_at_checked(2)?;
    let is_area = area.bytes().all(|digit| digit != b'0');
    let is_mobile = |digits: &str| digits.len() == 8 && matches!(digits.as_bytes()[0], b'6'..=b'9');
    match subscriber.len() {
        8 if is_area && is_mobile(subscriber) => Some(format!("{area}9{subscriber}")),
        9 if is_area => subscriber.strip_prefix('9').filter(|old| is_mobile(old)).map(|old| format!("{area}{old}")),
        _ => None,
    }
}

fn mexico(national: &str) -> Option<String> {
    // No area starts with 0 or 1.
    let is_number = |digits: &str| digits.len() == 10 && matches!(digits.as_bytes()[0], b'2'..=b'9');
    if is_number(national) {
        return Some(format!("1{national}"));
    }
    national.strip_prefix('1').filter(|number| is_number(number)).map(str::to_owned)
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
    #[case::elsewhere("4915112345678", &[])]
    #[case::elsewhere_in_the_north("14155550100", &[])]
    fn a_country_with_two_forms_gives_the_other(#[case] given: &str, #[case] others: &[&str]) {
        let variants = given.parse::<PhoneNumber>().unwrap().variants();
        assert_eq!(variants.iter().map(PhoneNumber::as_str).collect::<Vec<_>>(), others);
    }

    proptest! {
        #[test]
        fn a_variant_is_another_number_of_the_same_country(digits in "5[245][0-9]{5,13}") {
            let number: PhoneNumber = digits.parse().unwrap();
            for variant in number.variants() {
                prop_assert_ne!(&variant, &number);
                prop_assert_eq!(&variant.as_str()[..2], &number.as_str()[..2]);
            }
        }

        #[test]
        fn where_two_forms_are_of_one_length_apart_each_leads_to_the_other(digits in "5[25][0-9]{10,11}") {
            let number: PhoneNumber = digits.parse().unwrap();
            for variant in number.variants() {
                prop_assert_eq!(variant.variants(), vec![number.clone()]);
            }
        }
    }
}
