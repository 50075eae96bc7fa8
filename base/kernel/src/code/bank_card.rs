//! Bank card numbers: 13 to 19 digits with the Luhn check.

use super::{is_digits, normalise};

/// Whether this is a card number as far as can be told without asking a bank. Blanks between
/// groups are ignored.
pub fn is_valid(text: &str) -> bool {
    let number: String = normalise(text).split(' ').collect();
    (13..=19).contains(&number.len()) && is_digits(&number) && luhn(&number).is_multiple_of(10)
}

fn luhn(number: &str) -> u32 {
    let digits = number.chars().rev().filter_map(|c| c.to_digit(10));
    digits
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => digit,
            (_, 0..=4) => digit * 2,
            (_, digit) => digit * 2 - 9,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn the_check_digit_decides() {
        assert!(is_valid("4111111111111111"));
        assert!(is_valid("4111 1111 1111 1111"));
        assert!(is_valid("6222021234567890128"));
        assert!(!is_valid("4111111111111112"));
        assert!(!is_valid("411111111111"));
        assert!(!is_valid("00000000000000000000"));
        assert!(!is_valid("4111-1111-1111-1111"));
        assert!(!is_valid(""));
    }
}
