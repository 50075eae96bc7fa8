//! `/gallery`: every component with its sample states, for those who build pages and for the
//! browser tests.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Finding, Text};

use crate::{
    Fields, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Happening, Light, Pager, Step, StepState, Tab, Tone},
};

const LONG: &str = "长江三角洲生态绿色一体化发展示范区跨区域餐饮服务食品经营许可与门店招牌设置联合办理窗口\
    AveryveryverylongwordthatnobodybrokeintopartsAveryveryverylongwordthatnobodybrokeintoparts";
const RIGHT_TO_LEFT: &str = "مطعم الشرق للمأكولات (合成)";

/// `GET /gallery`.
pub async fn show(p: Page) -> Result<Html, WebError> {
    let at = p.app.clock().now();
    Html::page(&Gallery {
        states: vec![
            ("empty", Fields::new()),
            ("long", filled(LONG)),
            ("error", filled("12").rejected(findings())),
            ("rtl", filled(RIGHT_TO_LEFT)),
        ],
        choices: choices(),
        steps: steps(),
        happenings: happenings(at),
        facts: facts(),
        crumbs: vec![
            Crumb::new("首页", "/"),
            Crumb::new(LONG, "/guide"),
            Crumb::new("组件", ""),
        ],
        tabs: vec![
            Tab::new("待办", "/gallery", true).count(12),
            Tab::new("已办", "/gallery", false),
            Tab::new(LONG, "/gallery", false),
        ],
        pager: Pager::new("/gallery", "status=open", Some("a"), Some("b")),
        tones: [
            Tone::Plain,
            Tone::Accent,
            Tone::Good,
            Tone::Warning,
            Tone::Danger,
        ],
        lights: [
            Light::Green,
            Light::Yellow,
            Light::Red,
            Light::Paused,
            Light::Waiting,
            Light::Done,
        ],
        at,
        long: LONG,
        right_to_left: RIGHT_TO_LEFT,
        p,
    })
}

#[derive(askama::Template)]
#[template(path = "web/gallery.html")]
struct Gallery {
    p: Page,
    states: Vec<(&'static str, Fields)>,
    choices: Vec<Choice>,
    steps: Vec<Step>,
    happenings: Vec<Happening>,
    facts: Vec<Fact>,
    crumbs: Vec<Crumb>,
    tabs: Vec<Tab>,
    pager: Pager,
    tones: [Tone; 5],
    lights: [Light; 6],
    at: DateTime<Utc>,
    long: &'static str,
    right_to_left: &'static str,
}

/// Fields of each state have names of their own, so that labels find their field.
fn filled(value: &str) -> Fields {
    FIELDS.iter().fold(Fields::new(), |fields, name| {
        let value = if *name == "date" { "2026-03-02" } else { value };
        STATES.iter().fold(fields, |fields, state| {
            fields.with(format!("{name}-{state}"), value)
        })
    })
}

const FIELDS: [&str; 7] = ["name", "date", "kind", "seat", "extra", "note", "file"];
const STATES: [&str; 4] = ["empty", "long", "error", "rtl"];

fn findings() -> Vec<Finding> {
    FIELDS
        .iter()
        .map(|name| Finding::new(format!("{name}-error"), Text::new("web-gallery-finding")))
        .collect()
}

fn choices() -> Vec<Choice> {
    vec![
        Choice::new("small", "小型餐饮").help("使用面积不超过 150 平方米"),
        Choice::new(LONG, LONG),
        Choice::new(RIGHT_TO_LEFT, RIGHT_TO_LEFT),
    ]
}

fn steps() -> Vec<Step> {
    vec![
        Step::new("选择情形", StepState::Done).link("/gallery"),
        Step::new("填写信息", StepState::Now),
        Step::new("上传材料", StepState::Ahead),
        Step::new("确认提交", StepState::Ahead),
    ]
}

fn happenings(at: DateTime<Utc>) -> Vec<Happening> {
    let ago = |hours| at - TimeDelta::hours(hours);
    let happening = |hours, title: &str, who: &str, text: &str, tone| Happening {
        at: ago(hours),
        title: title.to_owned(),
        who: who.to_owned(),
        text: text.to_owned(),
        tone,
    };
    vec![
        happening(1, "现场核查", "李核查（合成）", "", Tone::Accent),
        happening(20, "补正通知", RIGHT_TO_LEFT, LONG, Tone::Warning),
        happening(
            26,
            "受理",
            "王窗口（合成）",
            "材料齐全，符合法定形式。",
            Tone::Good,
        ),
        happening(27, "提交", "", "", Tone::Plain),
    ]
}

fn facts() -> Vec<Fact> {
    vec![
        Fact::new("企业名称", "云港市好味道餐饮店（合成）").source("来自市场主体登记"),
        Fact::new("事项", LONG).link("/guide"),
        Fact::new("经营者", RIGHT_TO_LEFT),
        Fact::new("备注", ""),
    ]
}
