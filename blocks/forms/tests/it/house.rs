//! A form of a restaurant, people, and a house with this crate's module.

use axum::{Extension, Router, body::Body, http::Request};
use forms::Form;
use http_body_util::BodyExt;
use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, UserId};
use serde_json::{Value, json};
use store::{Blobs, Db};
use tower::ServiceExt;
use web::{App, Page, Texts};

pub const FIRM: &str = "91321000MA0000023T";

/// The application form of a food licence.
pub fn food() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "food-licence",
        "title": "食品经营许可申请",
        "type": "object",
        "x-tongban": {
            "title_en": "Food licence",
            "groups": [
                {"id": "operator", "title": "经营者", "title_en": "Operator"},
                {"id": "place", "title": "经营场所", "title_en": "Premises"},
                {"id": "kitchen", "title": "后厨", "title_en": "Kitchen", "when": {"answer": "cooks", "equals": "yes"}}
            ]
        },
        "required": ["name", "code", "phone", "area", "cook", "health", "plan"],
        "properties": {
            "name": {"type": "string", "title": "经营者名称", "minLength": 2, "maxLength": 50,
                "x-tongban": {"title_en": "Operator’s name", "group": "operator", "source": "party.name", "element": "operator_name", "editable": false}},
            "code": {"type": "string", "title": "统一社会信用代码", "format": "uscc",
                "x-tongban": {"title_en": "Credit code", "group": "operator", "source": "party.code", "element": "operator_code"}},
            "phone": {"type": "string", "title": "联系电话", "format": "phone",
                "x-tongban": {"title_en": "Telephone", "group": "operator", "source": "party.phone", "element": "phone"}},
            "area": {"type": "integer", "title": "面积", "minimum": 5, "maximum": 5000,
                "x-tongban": {"title_en": "Area", "group": "place"}},
            "rent": {"type": "integer", "title": "月租金", "minimum": 0,
                "x-tongban": {"title_en": "Monthly rent", "group": "place", "widget": "money"}},
            "delivery": {"type": "boolean", "title": "提供外卖",
                "x-tongban": {"title_en": "Delivery", "group": "place", "widget": "radios"}},
            "platform": {"type": "string", "title": "外卖平台", "enum": ["own", "other"],
                "x-tongban": {"title_en": "Platform", "group": "place", "when": {"field": "delivery", "equals": true},
                    "options": [{"value": "own", "title": "自营", "title_en": "Own"}, {"value": "other", "title": "第三方", "title_en": "Another"}]}},
            "plan": {"type": "array", "minItems": 1, "title": "平面图",
                "x-tongban": {"title_en": "Floor plan", "group": "place", "file": {"accept": ["pdf", "png"], "max_mb": 1, "max_count": 2}}},
            "cook": {"type": "string", "title": "厨师长身份证号", "format": "citizen-id",
                "x-tongban": {"title_en": "Chef’s number", "group": "kitchen"}},
            "health": {"type": "array", "minItems": 1, "title": "健康证明",
                "x-tongban": {"title_en": "Health certificates", "group": "kitchen", "file": {"accept": ["pdf"], "certificate_type": "11321000MB0000019N002"}}}
        }
    })
}

/// The application form of a signboard; shares operator and telephone with the food licence.
pub fn sign() -> Value {
    json!({
        "$id": "signboard", "title": "户外招牌设置申请",
        "x-tongban": {"title_en": "Signboard", "groups": [
            {"id": "operator", "title": "经营者", "title_en": "Operator"},
            {"id": "board", "title": "招牌", "title_en": "Signboard"}]},
        "required": ["applicant", "phone", "size"],
        "properties": {
            "applicant": {"type": "string", "title": "申请人", "maxLength": 30,
                "x-tongban": {"title_en": "Applicant", "group": "operator", "element": "operator_name", "source": "party.name"}},
            "phone": {"type": "string", "title": "电话", "format": "phone",
                "x-tongban": {"title_en": "Telephone", "group": "operator", "element": "phone"}},
            "size": {"type": "number", "title": "面积", "exclusiveMinimum": 0,
                "x-tongban": {"title_en": "Size", "group": "board"}},
            "area": {"type": "string", "title": "位置", "x-tongban": {"title_en": "Position", "group": "board"}}
        }
    })
}

pub fn form(json: &Value) -> Form {
    Form::parse(&json.to_string()).unwrap()
}

pub struct House {
    pub app: App,
    module_routes: Router,
}

pub fn house(db: &Db) -> House {
    let own = forms::foundation();
    let web = web::foundation();
    let words = own
        .texts
        .iter()
        .chain(web.texts)
        .chain(kernel::TEXTS.iter())
        .copied();
    let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
    app.put(Blobs::in_memory());
    let gate = app.put(Gate::default());
    let module = forms::module(&app).unwrap();
    gate.load(module.policies.clone()).unwrap();
    let module_routes = web::server::router(&app, vec![module], |router| router);
    House { app, module_routes }
}

impl House {
    /// A page in that language, as handlers get it.
    pub fn page(&self, language: web::Language) -> Page {
        let request = Request::builder().uri("/").body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        parts.extensions.insert(language);
        Page::of(&parts, &self.app)
    }

    /// What a program gets when it asks as that actor.
    pub async fn ask(&self, actor: Option<&Actor>, request: Request<Body>) -> (u16, Value) {
        let router = match actor {
            Some(actor) => self.module_routes.clone().layer(Extension(actor.clone())),
            None => self.module_routes.clone(),
        };
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

pub fn a_firm() -> Party {
    Party {
        id: PartyId::new(&kernel::SystemClock),
        kind: PartyKind::Legal,
        name: "示例餐饮有限公司（合成）".into(),
        code: FIRM.into(),
        phone: "13800138000".into(),
        address: "示范区文昌路1号".into(),
    }
}

/// Somebody who acts for a firm.
pub fn an_agent(firm: &Party) -> Actor {
    let own = Party {
        id: PartyId::new(&kernel::SystemClock),
        kind: PartyKind::Natural,
        name: "张小明".into(),
        ..firm.clone()
    };
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "张小明".into(),
        own: Some(own),
        acting_for: Some(firm.clone()),
        assurance: 3,
        ..Actor::system()
    }
}

pub fn an_officer(org: &str) -> Actor {
    let post = Post {
        post: "examiner".into(),
        org: org.into(),
        org_name: "示范局（合成）".into(),
        region: "321002".into(),
        held_for: None,
    };
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "李雷".into(),
        posts: vec![post],
        ..Actor::system()
    }
}
