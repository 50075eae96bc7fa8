//! Hiding parts of personal values before they leave the server.
//!
//! No national rule binds; these are the project's defaults. A value that does not look like its
//! kind is hidden whole, so a wrong kind never shows more. Hidden characters are counted, except
//! in addresses, whose length would help to find the house.

use crate::money::Money;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's name.
    Name,
    /// A citizen number of 18 or 15 characters.
    Id,
    /// Passports and other papers of persons.
    Passport,
    Mobile,
    /// A fixed telephone with area code, `010-12345678`.
    Landline,
    Email,
    BankCard,
    Address,
    /// `1990-01-01` or `19900101`.
    BirthDate,
    /// A vehicle's plate.
    Plate,
    /// A unified social credit code; not personal, never masked. Individual traders on pages about
    /// persons take [`Kind::CertificateNo`].
    Uscc,
    Money,
    /// The printed number of a certificate.
    CertificateNo,
}

/// Who is going to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Staff without permission to see the value; the most that an export may hold.
    Internal,
    /// Anybody.
    Public,
}

/// Two-character family names that are kept whole.
const COMPOUND_NAMES: [&str; 30] = [
    "欧阳", "司马", "上官", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "宇文",
    "长孙", "司空", "夏侯", "端木", "南宫", "独孤", "轩辕", "东郭", "西门", "百里", "呼延", "闻人",
    "钟离", "申屠", "赫连", "澹台", "公冶", "太史",
];

/// The value as this reader may see it.
pub fn mask(kind: Kind, profile: Profile, value: &str) -> String {
    use Profile::{Internal, Public};
    match (kind, profile) {
        (Kind::Name, _) => name(profile, value),
        (Kind::Id, _) => id(profile, value),
        (Kind::Passport, Internal) => keep(value, 1, 2),
        (Kind::Passport, Public) => keep(value, 1, 0),
        (Kind::Mobile, Internal) => keep(value, 3, 4),
        (Kind::Mobile, Public) => keep(value, 3, 2),
        (Kind::Landline, _) => landline(profile, value),
        (Kind::Email, _) => email(value),
        (Kind::BankCard, Internal) => keep(value, 6, 4),
        (Kind::BankCard, Public) => keep(value, 0, 4),
        (Kind::Address, _) => address(profile, value),
        (Kind::BirthDate, _) => birth_date(profile, value),
        (Kind::Plate, Internal) => keep(value, 2, 2),
        (Kind::Plate | Kind::CertificateNo, Public) => keep(value, 2, 0),
        (Kind::CertificateNo, Internal) => keep(value, 4, 2),
        (Kind::Uscc, _) | (Kind::Money, Internal) => value.to_owned(),
        (Kind::Money, Public) => money_band(value),
    }
}

/// Keeps characters at both ends; hides everything where nothing would be left to hide.
fn keep(value: &str, front: usize, back: usize) -> String {
    let length = value.chars().count();
    if length <= front + back {
        return stars(length);
    }
    let is_kept = |place: usize| place < front || place >= length - back;
    value
        .chars()
        .enumerate()
        .map(|(place, c)| if is_kept(place) { c } else { '*' })
        .collect()
}

fn stars(count: usize) -> String {
    "*".repeat(count)
}

fn name(profile: Profile, value: &str) -> String {
    let length = value.chars().count();
    let is_compound = length > 2 && COMPOUND_NAMES.iter().any(|name| value.starts_with(name));
    let front = if is_compound { 2 } else { 1 };
    let back = usize::from(profile == Profile::Internal && length > front + 1);
    keep(value, front, back)
}

fn id(profile: Profile, value: &str) -> String {
    match (value.chars().count(), profile) {
        (15 | 18, Profile::Public) => keep(value, 1, 1),
        (18, Profile::Internal) => keep(value, 6, 4),
        (15, Profile::Internal) => keep(value, 6, 3),
        (length, _) => stars(length),
    }
}

fn landline(profile: Profile, value: &str) -> String {
    let back = if profile == Profile::Internal { 2 } else { 0 };
    match value.split_once('-') {
        // Longer than any area code: this is no landline.
        Some((area, number)) if area.chars().count() <= 4 => {
            format!("{area}-{}", keep(number, 0, back))
        }
        _ => keep(value, 0, back),
    }
}

fn email(value: &str) -> String {
    match value.split_once('@') {
        Some((user, domain)) => format!("{}@{domain}", keep(user, 1, 0)),
        None => stars(value.chars().count()),
    }
}

fn birth_date(profile: Profile, value: &str) -> String {
    let is_date = |format| chrono::NaiveDate::parse_from_str(value, format).is_ok();
    let year = value.get(..4).unwrap_or_default();
    match (value.len(), profile) {
        (10, Profile::Internal) if is_date("%Y-%m-%d") => {
            format!("{}-**", value.get(..7).unwrap_or_default())
        }
        (10, Profile::Public) if is_date("%Y-%m-%d") => format!("{year}-**-**"),
        (8, Profile::Internal) if is_date("%Y%m%d") => keep(value, 6, 0),
        (8, Profile::Public) if is_date("%Y%m%d") => keep(value, 4, 0),
        _ => stars(value.chars().count()),
    }
}

/// An amount as the band of its first digit: 1万-2万.
fn money_band(value: &str) -> String {
    let Ok(amount) = value.parse::<Money>() else {
        return stars(value.chars().count());
    };
    let yuan = amount.fen().unsigned_abs() / 100;
    let sign = if amount.fen() < 0 { "-" } else { "" };
    if yuan < 1000 {
        return format!("{sign}1千以下");
    }
    let size = 10u64.pow(yuan.ilog10());
    let low = yuan / size * size;
    format!("{sign}{}-{sign}{}", short(low), short(low + size))
}

fn short(yuan: u64) -> String {
    let units = [(100_000_000, "亿"), (10_000, "万"), (1000, "千")];
    match units.into_iter().find(|(size, _)| yuan >= *size) {
        Some((size, unit)) => format!("{}{unit}", yuan / size),
        None => yuan.to_string(),
    }
}

const HIDDEN_ADDRESS: &str = "******";

/// Keeps whole regions from the left: down to the district for staff, to the city for others.
fn address(profile: Profile, value: &str) -> String {
    let province = region_end(value, 0, &["省", "自治区", "特别行政区"], 8).unwrap_or(0);
    let city = region_end(value, province, &["市", "自治州", "地区", "盟"], 11).unwrap_or(province);
    let kept = match profile {
        Profile::Public => city,
        Profile::Internal => district_end(value, city).unwrap_or(city),
    };
    format!("{}{HIDDEN_ADDRESS}", value.get(..kept).unwrap_or_default())
}

/// Where the first region with one of these endings stops, counted in bytes from the left.
fn region_end(value: &str, from: usize, endings: &[&str], longest: usize) -> Option<usize> {
    let rest = value.get(from..)?;
    let window: String = rest.chars().take(longest).collect();
    let ends = endings.iter().filter_map(|ending| {
        let end = window.find(ending)? + ending.len();
        // An ending alone names nothing.
        (end > ending.len()).then_some(end)
    });
    let end = ends.min()?;
    is_region_name(window.get(..end)?).then_some(from + end)
}

fn district_end(value: &str, from: usize) -> Option<usize> {
    let end = region_end(value, from, &["区", "县", "旗", "市"], 9)?;
    let name = value.get(from..end)?;
    let is_estate = ["小区", "社区", "校区", "厂区", "院区"]
        .iter()
        .any(|ending| name.ends_with(ending));
    (!is_estate).then_some(end)
}

/// Whether a name is free of what only finer parts of an address have.
fn is_region_name(name: &str) -> bool {
    !name
        .chars()
        .any(|c| c.is_ascii_alphanumeric() || "路街巷弄号楼栋幢单元室村镇乡".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, value: &str, internal: &str, public: &str) {
        assert_eq!(
            mask(kind, Profile::Internal, value),
            internal,
            "{kind:?} {value}"
        );
        assert_eq!(
            mask(kind, Profile::Public, value),
            public,
            "{kind:?} {value}"
        );
    }

    #[test]
    fn names_keep_the_family_name() {
        check(Kind::Name, "张三", "张*", "张*");
        check(Kind::Name, "张小明", "张*明", "张**");
        check(Kind::Name, "欧阳娜娜", "欧阳*娜", "欧阳**");
        check(Kind::Name, "欧阳娜", "欧阳*", "欧阳*");
        check(Kind::Name, "欧阳", "欧*", "欧*");
        check(Kind::Name, "张", "*", "*");
        check(Kind::Name, "阿卜杜拉", "阿**拉", "阿***");
        check(Kind::Name, "", "", "");
    }

    #[test]
    fn numbers_of_papers_keep_their_ends() {
        check(
            Kind::Id,
            "11010519491231002X",
            "110105********002X",
            "1****************X",
        );
        check(
            Kind::Id,
            "110105491231002",
            "110105******002",
            "1*************2",
        );
        check(Kind::Id, "1101054912", "**********", "**********");
        check(Kind::Passport, "E12345678", "E******78", "E********");
        check(
            Kind::CertificateNo,
            "JZ2024001234",
            "JZ20******34",
            "JZ**********",
        );
        check(Kind::Plate, "京A12345", "京A***45", "京A*****");
        let card = "6222021234567890123";
        check(
            Kind::BankCard,
            card,
            "622202*********0123",
            "***************0123",
        );
    }

    #[test]
    fn telephones_and_mail_keep_what_routes_them() {
        check(Kind::Mobile, "13800138000", "138****8000", "138******00");
        check(Kind::Mobile, "1380013", "*******", "138**13");
        check(
            Kind::Landline,
            "010-12345678",
            "010-******78",
            "010-********",
        );
        check(Kind::Landline, "12345678", "******78", "********");
        check(
            Kind::Landline,
            "13800138000-1",
            "***********-1",
            "*************",
        );
        check(
            Kind::Email,
            "foo@example.com",
            "f**@example.com",
            "f**@example.com",
        );
        check(
            Kind::Email,
            "f@example.com",
            "*@example.com",
            "*@example.com",
        );
        check(Kind::Email, "nonsense", "********", "********");
    }

    #[test]
    fn addresses_keep_whole_regions_and_hide_their_length() {
        for (address, internal, public) in [
            (
                "浙江省杭州市西湖区文一路100号2幢301室",
                "浙江省杭州市西湖区******",
                "浙江省杭州市******",
            ),
            (
                "北京市朝阳区建国路1号",
                "北京市朝阳区******",
                "北京市******",
            ),
            (
                "江苏省昆山市玉山镇",
                "江苏省昆山市******",
                "江苏省昆山市******",
            ),
            (
                "内蒙古自治区呼伦贝尔市鄂温克族自治旗",
                "内蒙古自治区呼伦贝尔市鄂温克族自治旗******",
                "内蒙古自治区呼伦贝尔市******",
            ),
            (
                "云南省大理白族自治州大理市古城",
                "云南省大理白族自治州大理市******",
                "云南省大理白族自治州******",
            ),
            ("杭州市幸福小区3栋", "杭州市******", "杭州市******"),
            ("杭州市文一路100号幸福小区", "杭州市******", "杭州市******"),
            ("文一路100号", "******", "******"),
            ("人民路市场区", "******", "******"),
            ("", "******", "******"),
        ] {
            check(Kind::Address, address, internal, public);
        }
    }

    #[test]
    fn dates_keep_their_month_or_year() {
        check(Kind::BirthDate, "1990-01-01", "1990-01-**", "1990-**-**");
        check(Kind::BirthDate, "19900101", "199001**", "1990****");
        check(Kind::BirthDate, "1990-13-01", "**********", "**********");
        check(Kind::BirthDate, "生日不详", "****", "****");
    }

    #[test]
    fn money_becomes_a_band_for_the_public() {
        check(Kind::Money, "12345.67", "12345.67", "1万-2万");
        check(Kind::Money, "999.99", "999.99", "1千以下");
        check(Kind::Money, "1000", "1000", "1千-2千");
        check(Kind::Money, "9,999", "9,999", "9千-1万");
        check(Kind::Money, "123456789", "123456789", "1亿-2亿");
        check(Kind::Money, "5000000", "5000000", "500万-600万");
        check(Kind::Money, "-12345", "-12345", "-1万--2万");
        check(Kind::Money, "很多", "很多", "**");
    }

    #[test]
    fn social_credit_codes_are_not_personal() {
        check(
            Kind::Uscc,
            "91110000123456788M",
            "91110000123456788M",
            "91110000123456788M",
        );
    }

    #[test]
    fn no_kind_shows_the_whole_of_a_short_value() {
        for kind in [
            Kind::Id,
            Kind::Passport,
            Kind::Mobile,
            Kind::BankCard,
            Kind::CertificateNo,
        ] {
            for value in ["1", "12"] {
                let masked = mask(kind, Profile::Public, value);
                assert_ne!(masked, value, "{kind:?}");
                assert_eq!(masked.len(), value.len());
            }
        }
    }
}
