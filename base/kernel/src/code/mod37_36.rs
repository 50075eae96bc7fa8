//! ISO 7064 MOD 37,36 (GB/T 17710): one check character over digits and letters.

const CHARSET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The check character of a body without separators; `None` where a character is neither digit
/// nor letter.
pub fn check_character(body: &str) -> Option<char> {
    let value = usize::try_from((37 - carry(body)?) % 36).ok()?;
    CHARSET.chars().nth(value)
}

/// Whether the last character is the check character of those before it.
pub fn is_valid(code: &str) -> bool {
    let mut chars = code.chars();
    let Some(last) = chars.next_back().and_then(|c| c.to_digit(36)) else {
        return false;
    };
    !chars.as_str().is_empty()
        && carry(chars.as_str()).is_some_and(|carry| (carry + last) % 36 == 1)
}

/// What the standard carries from one character to the next; 1 to 36.
fn carry(body: &str) -> Option<u32> {
    body.chars().try_fold(36, |carry, c| {
        let sum = match (carry + c.to_digit(36)?) % 36 {
            0 => 36,
            sum => sum,
        };
        Some(sum * 2 % 37)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_bodies_get_their_published_character() {
        for (body, check) in [
            ("A12425GABC1234002", 'M'),
            ("a12425gabc1234002", 'M'),
            ("11110000000000019K00111110000000000019K2025000001001", 'D'),
            ("35010000000001920250926000001", 'Y'),
            ("35010000000001920250926000002", 'W'),
        ] {
            assert_eq!(check_character(body), Some(check), "{body}");
            assert!(is_valid(&format!("{body}{check}")));
        }
    }

    #[test]
    fn foreign_characters_have_no_check_character() {
        for body in ["A-1", "Ａ1", "汉", "1 2"] {
            assert_eq!(check_character(body), None, "{body}");
        }
        for code in ["", "D", "汉"] {
            assert!(!is_valid(code), "{code}");
        }
    }

    #[test]
    fn every_single_wrong_character_and_every_swap_of_neighbours_is_seen() {
        let code: Vec<char> = "35010000000001920250926000001Y".chars().collect();
        for at in 0..code.len() {
            for wrong in CHARSET.chars().filter(|&c| c != code[at]) {
                let mut changed = code.clone();
                changed[at] = wrong;
                assert!(
                    !is_valid(&changed.iter().collect::<String>()),
                    "{at} {wrong}"
                );
            }
            if at > 0 && code[at - 1] != code[at] {
                let mut swapped = code.clone();
                swapped.swap(at - 1, at);
                assert!(!is_valid(&swapped.iter().collect::<String>()), "{at}");
            }
        }
    }
}
