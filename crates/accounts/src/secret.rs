//! Secrets that callers carry: a prefix that says what they are, and 32 random bytes in base62.

use waypost_domain::Env;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62^43 is the first power past 2^256.
const DIGITS: usize = 43;

/// A fresh secret of 256 bits behind `prefix`.
pub(crate) fn draw_secret(env: &Env, prefix: &str) -> String {
    let mut secret = String::with_capacity(prefix.len() + DIGITS);
    secret.push_str(prefix);
    secret.extend(base62(env.bytes()).map(char::from));
    secret
}

/// Whether a text could be a secret behind `prefix` at all: what could not is refused without a look at the database.
pub(crate) fn has_form_of_secret(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A number of 256 bits, most significant byte first, as digits of base 62.
fn base62(mut number: [u8; 32]) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u16;
        for byte in &mut number {
            let value = (remainder << 8) | u16::from(*byte);
            *byte = u8::try_from(value / 62).expect("the remainder is below 62, so the quotient is below 256");
            remainder = value % 62;
        }
        *digit = ALPHABET[usize::from(remainder)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_keys::API_KEY_PREFIX;

    #[test]
    fn numbers_have_the_digits_of_base_62() {
        let mut number = [0; 32];
        assert_eq!(base62(number), [b'0'; DIGITS]);
        number[30] = 1;
        number[31] = 1;
        assert!(base62(number).ends_with(b"049"), "257 is 4 * 62 + 9");
        assert_eq!(base62([255; 32])[0], b'y', "the largest number starts with its largest digit");
    }

    #[test]
    fn a_drawn_secret_has_the_form_of_one() {
        let env = Env::system();
        let secret = draw_secret(&env, API_KEY_PREFIX);
        assert!(has_form_of_secret(API_KEY_PREFIX, &secret));
        assert!(!has_form_of_secret("awr_", &secret));
        assert_ne!(secret, draw_secret(&env, API_KEY_PREFIX));
    }

    #[test]
    fn what_no_key_looks_like_is_seen_at_once() {
        for text in ["", "awp_", "awp_short", &"a".repeat(47), &format!("awp_{}", "é".repeat(21))] {
            assert!(!has_form_of_secret(API_KEY_PREFIX, text), "{text}");
        }
    }
}
