//! Service matters (政务服务事项): what an office does for people, with every element of the
//! implementation list, in versions.
//!
//! A case keeps the version it was accepted under, so a version that was ever published is never
//! changed: each published change is version + 1.

pub mod act;
mod check;
pub mod load;
pub mod page;
pub mod schema;
pub mod store;

pub use act::MatterChanged;
pub use check::checks;
pub use schema::migrations;
pub use store::{get, get_in_force, lookup_shown};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// One version of a service matter. Read from `matters/*.toml` of a pack and kept as JSON.
///
/// All elements may be absent, because lists that cities really have hold only names; what is
/// still lacking is said by the publication checks, not by the parser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the implementation list has these yes-or-no elements"
)]
pub struct Matter {
    // Identity.
    /// Implementation code (31 characters); for imported lists the local code. The matter's key.
    pub task_code: String,
    /// Basic code of the catalogue (12 digits).
    pub catalog_code: String,
    /// Handling item: `task_code` and two digits.
    pub task_handle_item: String,
    pub local_catalog_code: String,
    pub local_task_code: String,
    /// Counts published changes from 1; given by the store, never by a pack.
    #[serde(skip)]
    pub version: i32,
    /// Given by the store, never by a pack.
    #[serde(skip)]
    pub state: State,
    pub name: String,
    pub name_en: String,
    /// Name of the main item above it in the catalogue.
    pub main_item: String,
    /// One plain sentence: what the applicant gets.
    pub summary: String,
    pub task_type: TaskType,

    // What runs it here; keys into the same pack or another installed one.
    /// Form that an applicant fills in.
    pub form: Option<String>,
    /// Process that handles a case.
    pub process: Option<String>,
    /// Type code of the certificate that it issues.
    pub certificate: Option<String>,
    /// Decision tables that the process asks, by purpose (`eligibility`, `fee`, `risk`).
    pub decisions: std::collections::BTreeMap<String, String>,

    // Basis and body.
    pub by_law: Vec<Law>,
    pub power_source: Option<u8>,
    /// 1 nation, 2 province, 3 city, 4 county, 5 town, 6 village.
    pub use_level: Option<u8>,
    pub area_code: String,
    pub dept_name: String,
    /// Unified social credit code of the implementing body.
    pub dept_code: String,
    pub dept_type: DeptType,
    /// The body that entrusted, when `dept_type` is entrusted.
    pub entrust_name: String,
    pub other_dept: Vec<String>,
    pub town_name: String,
    pub town_code: String,
    pub village_name: String,
    pub village_code: String,

    // Whom it serves and how.
    /// 1 person, 2 firm, 3 public institution, 4 social organisation, 5 unincorporated firm,
    /// 6 administrative body, 9 other.
    pub server_type: Vec<u8>,
    pub project_type: ProjectType,
    /// 1 window, 2 online, 3 by post.
    pub handle_type: Vec<u8>,
    pub anticipate: Limit,
    pub promise: Limit,
    pub accept_condition: String,
    /// Steps in words, one line each.
    pub handle_flow: String,
    pub links: Vec<Link>,
    pub special_procedures: Vec<SpecialProcedure>,
    pub number_limit: String,
    pub right: String,
    pub duty: String,

    // Materials, fees, result.
    pub materials: Vec<Material>,
    pub is_fee: bool,
    pub is_pay_online: bool,
    pub fees: Vec<Fee>,
    pub result: Outcome,
    pub intermediary: Vec<Intermediary>,

    // Doors.
    pub is_online: bool,
    /// National multi-code 1–9; the depth is the highest.
    pub online_depth: Vec<u8>,
    pub online_url: String,
    pub mobile_url: String,
    pub is_single_login: bool,
    pub is_express: bool,
    pub is_mail_material: bool,
    pub is_mail_result: bool,
    /// Visits that an applicant must make; empty when nobody has said.
    pub limit_scene_num: Option<u8>,
    pub limit_scene_explain: String,
    /// Who approved more than one visit.
    pub limit_scene_approval: String,
    pub handle_area: Option<u8>,
    pub is_schedule: bool,
    pub is_entry_center: bool,
    pub is_service_terminals: bool,
    pub transact_addr: String,
    pub transact_time: String,
    pub consult_phone: String,
    pub complaint_phone: String,
    /// Address of the item on another system, as in imported lists.
    pub link: String,

    // Guide.
    pub user_topics: Vec<String>,
    pub corp_topics: Vec<String>,
    pub review: Remedy,
    pub litigation: Remedy,
    pub faq: Vec<Faq>,
    pub plan_effective_date: Option<NaiveDate>,
    pub plan_cancel_date: Option<NaiveDate>,
}

/// Where a version stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = MatterState)]
pub enum State {
    /// Being written; nobody outside sees it.
    #[default]
    Draft,
    /// From an imported list: found in the guide, not open for applications.
    Listed,
    /// In force (1 在用).
    Published,
    /// In force but closed for new applications (2 暂停).
    Suspended,
    /// Ended (3 取消).
    Cancelled,
    /// Replaced by a later version; cases that began with it keep it.
    Superseded,
}

impl State {
    pub fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Listed => "listed",
            Self::Published => "published",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        let all = [
            Self::Draft,
            Self::Listed,
            Self::Published,
            Self::Suspended,
            Self::Cancelled,
            Self::Superseded,
        ];
        all.into_iter().find(|state| state.code() == code)
    }
}

/// Item type: `01` licence … `10` other power, `20` public service; from 21 local extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskType(pub String);

impl TaskType {
    /// Reads `1`, `01`, the older letters (`XK`) or the Chinese name (`行政许可`).
    pub fn read(text: &str) -> Option<Self> {
        const KNOWN: [(&str, &str, &str); 11] = [
            ("01", "XK", "行政许可"),
            ("02", "CF", "行政处罚"),
            ("03", "QZ", "行政强制"),
            ("04", "ZS", "行政征收"),
            ("05", "JF", "行政给付"),
            ("06", "JC", "行政检查"),
            ("07", "QR", "行政确认"),
            ("08", "JL", "行政奖励"),
            ("09", "CJ", "行政裁决"),
            ("10", "QT", "其他行政权力"),
            ("20", "GG", "公共服务"),
        ];
        let text = text.trim();
        if let Ok(number) = text.parse::<u8>() {
            let is_known = (1..=10).contains(&number) || (20..=99).contains(&number);
            return is_known.then(|| Self(format!("{number:02}")));
        }
        KNOWN
            .iter()
            .find(|(_, letters, name)| letters.eq_ignore_ascii_case(text) || *name == text)
            .map(|(code, ..)| Self((*code).to_owned()))
    }

    pub fn is_licence(&self) -> bool {
        self.0 == "01"
    }

    /// Penalties, coercion and inspections happen ex officio and are never applied for.
    pub fn is_ex_officio(&self) -> bool {
        matches!(self.0.as_str(), "02" | "03" | "06")
    }
}

/// Standing of the implementing body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeptType {
    #[default]
    Statutory,
    Authorised,
    Entrusted,
}

/// Whether a matter is decided on the spot or within a promised time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectType {
    /// 即办件.
    Instant,
    /// 承诺件.
    #[default]
    Promised,
}

/// What a limit is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayUnit {
    #[default]
    WorkingDay,
    NaturalDay,
    Hour,
    Minute,
    Month,
}

/// A time limit; `days` counts units. Absent when nobody has said yet; 0 means that the law sets
/// none, or that the matter is decided on the spot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    pub days: Option<u32>,
    pub unit: DayUnit,
    pub explain: String,
}

/// A legal basis (设定依据).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Law {
    pub name: String,
    pub document: String,
    pub article: String,
    pub text: String,
}

/// A step of the handling (办理流程环节).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    pub name: String,
    pub dept: String,
    pub person: String,
    pub days: u32,
    pub unit: DayUnit,
    /// A special procedure, whose time does not count.
    pub is_special: bool,
    pub special_explain: String,
    pub standard: String,
    pub result: String,
}

/// A step whose time is excluded from the limit (特别程序).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpecialProcedure {
    /// Name by which a process refers to it.
    pub key: String,
    pub name: String,
    /// 听证, 检验, 检测, 检疫, 鉴定, 专家评审, 招标, 拍卖, 公示, 勘验…
    pub kind: String,
    /// Longest time in working days.
    pub max_days: u32,
    pub basis: String,
}

/// Whether a material must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Necessity {
    Required,
    Optional,
    /// May follow later (容缺后补).
    Deferred,
    /// Nobody has said.
    #[default]
    Unset,
}

/// Where a material comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Applicant,
    Government,
    Other,
    /// Nobody has said.
    #[default]
    Unset,
}

/// In which form a material is handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Paper,
    Electronic,
    Either,
    /// Nobody has said.
    #[default]
    Unset,
}

/// Original or copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaterialType {
    #[default]
    Original,
    Copy,
    Both,
}

/// How a material is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    #[default]
    Manual,
    LicenceLibrary,
    SharedInterface,
    Promise,
}

/// A material to be handed in (申请材料).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Material {
    /// Name of the form question that collects its files; equal keys of several matters in one
    /// theme are handed in once.
    pub key: String,
    pub name: String,
    pub kind: MaterialType,
    pub format: Medium,
    pub source: Source,
    pub source_explain: String,
    pub copies: u32,
    pub page_format: String,
    pub need: Necessity,
    /// The material is a form to be filled in, and so needs a blank and a sample.
    pub is_form: bool,
    pub blank: String,
    pub sample: String,
    pub standard: String,
    pub notes: String,
    pub by_law: String,
    /// Type code of the certificate that replaces it (免提交).
    pub licence: Option<String>,
    pub verify: Verify,
}

/// A fee with its basis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fee {
    pub name: String,
    pub standard: String,
    /// In fen, when it is one fixed amount.
    pub amount_fen: Option<i64>,
    pub basis: String,
    pub is_reducible: bool,
}

/// What kind of thing comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultType {
    /// 证照.
    Certificate,
    /// 批文.
    Decision,
    Other,
    /// 无.
    Nothing,
    /// Nobody has said.
    #[default]
    Unset,
}

/// The result of a case (审批结果).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outcome {
    pub kind: ResultType,
    pub name: String,
    pub sample: String,
}

/// A service of an intermediary (中介服务).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intermediary {
    pub name: String,
    pub basis: String,
    pub payer: String,
    pub agencies: Vec<String>,
}

/// Where to seek review (行政复议) or to sue (行政诉讼).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remedy {
    pub dept: String,
    pub addr: String,
    pub phone: String,
    pub url: String,
}

impl Remedy {
    pub fn is_known(&self) -> bool {
        let ways = [&self.addr, &self.phone, &self.url];
        !self.dept.is_empty() && ways.iter().any(|way| !way.is_empty())
    }
}

/// A frequent question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faq {
    pub question: String,
    pub answer: String,
}

impl Matter {
    /// Whether citizens and firms may apply for it now.
    pub fn is_open(&self) -> bool {
        self.state == State::Published && !self.task_type.is_ex_officio()
    }

    /// The highest online depth, 0 when there is none.
    pub fn depth(&self) -> u8 {
        self.online_depth.iter().copied().max().unwrap_or_default()
    }

    /// Online from application to result (全程网办).
    pub fn is_fully_online(&self) -> bool {
        self.is_online && matches!(self.depth(), 6 | 7)
    }

    pub fn is_instant(&self) -> bool {
        self.project_type == ProjectType::Instant
    }

    /// The special procedure of that key.
    pub fn special_procedure(&self, key: &str) -> Option<&SpecialProcedure> {
        self.special_procedures.iter().find(|p| p.key == key)
    }
}
