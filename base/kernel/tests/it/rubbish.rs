//! Whatever is typed, parsers answer: no panic, and what they accept they write and read again.

use kernel::code::{
    bank_card, case_no, certificate, citizen, matter, normalise, org, region, uscc,
};
use kernel::mask::{Kind, Profile, mask};
use kernel::money::Money;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SEEDS: [&str; 12] = [
    "11010519491231002X",
    "91110000123456788M",
    "12345678-8",
    "321002001003",
    "000131009000",
    "12441500196720244T3442199806003",
    "35010000000001920250926000001Y-01",
    "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D",
    "-1,234,567.89",
    "浙江省杭州市西湖区文一路100号2幢301室",
    "010-12345678",
    "foo@example.com",
];

const PIECES: [&str; 20] = [
    "0",
    "9",
    "X",
    "x",
    "Z",
    "I",
    "-",
    ".",
    ",",
    " ",
    "\u{3000}",
    "９",
    "Ａ",
    "汉",
    "省",
    "市",
    "区",
    "\u{0}",
    "\u{10ffff}",
    "🀄",
];

/// A known value with some characters dropped, put in, or changed.
fn rubbish(rng: &mut StdRng) -> String {
    let seed = SEEDS[rng.random_range(0..SEEDS.len())];
    let mut pieces: Vec<String> = seed.chars().map(String::from).collect();
    for _ in 0..rng.random_range(0..5) {
        let at = rng.random_range(0..=pieces.len());
        let piece = PIECES[rng.random_range(0..PIECES.len())].to_owned();
        match rng.random_range(0..4) {
            0 => pieces.truncate(at),
            1 => pieces.insert(at, piece),
            2 if at < pieces.len() => pieces[at] = piece,
            _ if at < pieces.len() => drop(pieces.remove(at)),
            _ => {}
        }
    }
    pieces.concat()
}

#[test]
fn what_a_parser_accepts_it_reads_again_from_its_own_writing() {
    let mut rng = StdRng::seed_from_u64(2_026);
    let today = "2026-11-22".parse().unwrap();
    let mut accepted = 0;
    for _ in 0..30_000 {
        let text = rubbish(&mut rng);
        if let Ok(code) = citizen::parse(&text, today) {
            assert_eq!(citizen::parse(code.number(), today).as_ref(), Ok(&code));
            accepted += 1;
        }
        let _ = citizen::lengthen(&text);
        macro_rules! reads_again {
            ($parse:path) => {
                if let Ok(code) = $parse(&text) {
                    assert_eq!($parse(&code.to_string()).as_ref(), Ok(&code), "{text}");
                    accepted += 1;
                }
            };
        }
        reads_again!(uscc::parse);
        reads_again!(org::parse);
        reads_again!(region::parse);
        reads_again!(matter::parse);
        reads_again!(matter::parse_basic);
        reads_again!(case_no::parse);
        reads_again!(certificate::parse);
        reads_again!(str::parse::<Money>);
        let _ = bank_card::is_valid(&text);
        assert_eq!(normalise(&normalise(&text)), normalise(&text));
    }
    assert!(
        accepted > 1000,
        "the rubbish is too bad to test anything: {accepted}"
    );
}

#[test]
fn masks_take_anything_and_only_ever_hide() {
    let kinds = [
        Kind::Name,
        Kind::Id,
        Kind::Passport,
        Kind::Mobile,
        Kind::Landline,
        Kind::Email,
        Kind::BankCard,
        Kind::Address,
        Kind::BirthDate,
        Kind::Plate,
        Kind::CertificateNo,
    ];
    let mut rng = StdRng::seed_from_u64(104);
    for _ in 0..20_000 {
        let text = rubbish(&mut rng);
        let kind = kinds[rng.random_range(0..kinds.len())];
        for profile in [Profile::Internal, Profile::Public] {
            let masked = mask(kind, profile, &text);
            // What is shown stands in the value in the same order.
            let mut rest = text.chars();
            let shown = masked.chars().filter(|&c| c != '*');
            let is_part = shown.clone().all(|c| rest.any(|r| r == c));
            assert!(is_part, "{kind:?} {profile:?}: {text} became {masked}");
            // These three may show all where there is nothing but region, area code or domain.
            let may_be_whole = matches!(kind, Kind::Address | Kind::Landline | Kind::Email);
            let is_whole = shown.count() == text.chars().count();
            assert!(
                text.is_empty() || may_be_whole || !is_whole,
                "{kind:?}: {text}"
            );
        }
    }
}
