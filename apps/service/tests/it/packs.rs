//! The packs of the house with everything that this crate loads, and the guide that comes of it.

use std::{collections::BTreeSet, sync::Arc};

use identity::Gate;
use kernel::ShiftedClock;
use pack::{Source, check, install};
use service::{
    case::{State, number::Numbers, store as cases},
    matter, theme,
};
use store::Db;
use web::{App, Settings, Texts};

fn app(db: &Db) -> App {
    let words = service::guide::TEXTS
        .iter()
        .chain(web::foundation().texts)
        .copied();
    let app = App::new(db.clone(), Settings::default(), Texts::new(words));
    let policies = service::POLICIES.iter().copied();
    app.put(Gate::of(policies).unwrap());
    app.put(Numbers::default());
    app.put(workflow::Engine::default());
    pack::module(&app).unwrap();
    service::case::flow::register(&app).unwrap();
    service::guide::module(&app).unwrap();
    app
}

async fn install_all(app: &App) {
    for name in ["base-cn", "restaurant", "demo-city", "demo-office"] {
        let report = install(app, &Source::embedded(name).unwrap())
            .await
            .unwrap();
        assert!(!report.was_there);
    }
}

const FOOD: &str = "11321000990000033R3000131012000";

#[store::db_test(migrations = crate::world::migrations)]
async fn the_restaurant_is_whole_and_installs_once(db: Db) {
    let app = app(&db);
    let source = Source::embedded("restaurant").unwrap();
    assert_eq!(check(&app, &source).unwrap(), []);
    install_all(&app).await;
    assert!(install(&app, &source).await.unwrap().was_there);

    let food = matter::get_in_force(db.read(), FOOD).await.unwrap();
    assert_eq!(
        (food.version, food.name.as_str()),
        (1, "食品经营许可（新办）")
    );
    let theme = theme::store::get(db.read(), "open-restaurant")
        .await
        .unwrap();
    for part in &theme.parts {
        let matter = matter::get_in_force(db.read(), &part.matter).await.unwrap();
        assert!(
            pack::form(db.read(), matter.form.as_deref().unwrap())
                .await
                .is_ok()
        );
    }
    // The merged list is shorter than the departments' lists together.
    let mut matters = Vec::new();
    for part in &theme.parts {
        matters.push(matter::get_in_force(db.read(), &part.matter).await.unwrap());
    }
    let (_, saved) = theme::merged_materials(&matters);
    assert_eq!(saved, 3);
}

#[store::db_test(migrations = crate::world::migrations)]
async fn a_dangling_reference_is_told_with_its_line(db: Db) {
    let app = app(&db);
    let whole = Source::embedded("restaurant").unwrap();
    let files = whole
        .files()
        .map(|file| (file.path.clone(), file.bytes.to_vec()));
    let without = files.filter(|(path, _)| path != "forms/signboard.json");
    let findings = check(&app, &Source::of_files("restaurant", without)).unwrap();
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("matters/signboard.toml:7: there is no form \"signboard\""),
        "{told:?}"
    );
    assert!(pack::installed(&db).await.unwrap().is_empty());
}

/// A clock shared by database and demo.
async fn open_at(clock: Arc<ShiftedClock>) -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("demo.db").display());
    let settings = store::Settings {
        url,
        ..store::Settings::default()
    };
    let db = Db::open(&settings, clock).await.unwrap();
    let mut all = store::migrations();
    all.extend(crate::world::migrations());
    store::migrate(&db, all).await.unwrap();
    (db, folder)
}

#[tokio::test]
async fn the_demo_city_has_cases_in_many_states() {
    let clock = Arc::new(ShiftedClock::default());
    let (db, _folder) = open_at(clock.clone()).await;
    let app = app(&db);
    install_all(&app).await;
    let settle = async || Ok::<(), std::io::Error>(());
    let accounts = service::demo::populate(&app, &clock, settle).await.unwrap();
    assert!(accounts.iter().any(|account| account.user == "clerk"));
    let search = cases::Search {
        regions: vec!["321000".into()],
        limit: 200,
        ..cases::Search::default()
    };
    let (all, _) = cases::list(db.read(), &search).await.unwrap();
    let states: BTreeSet<_> = all.iter().map(|case| case.state().code()).collect();
    for state in [
        State::Submitted,
        State::Correcting,
        State::Accepted,
        State::Suspended,
        State::Closed,
        State::NotAccepted,
        State::Withdrawn,
        State::Aborted,
    ] {
        assert!(
            states.contains(state.code()),
            "{} of {states:?}",
            state.code()
        );
    }
    let again = service::demo::populate(&app, &clock, settle).await.unwrap();
    assert_eq!(again.len(), accounts.len());
    let (after, _) = cases::list(db.read(), &search).await.unwrap();
    assert_eq!(after.len(), all.len());
}

/// A page of the guide as a reader gets it.
async fn page(app: &App, path: &str) -> (u16, String) {
    use tower::ServiceExt;
    let (router, _) = service::guide::page::routes().split_for_parts();
    let request = axum::http::Request::get(path)
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = router
        .with_state(app.clone())
        .oneshot(request)
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[store::db_test(migrations = crate::world::migrations)]
async fn the_guide_shows_what_a_reader_needs(db: Db) {
    let app = app(&db);
    install_all(&app).await;
    let list = "department,name,item_code,task_type\n区经信局,企业投资项目备案,LISTED-1,10\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.csv");
    std::fs::write(&file, list).unwrap();
    let options = service::import::Options::default();
    let report = service::import::matters(&app, &file, &options, |_, _| {})
        .await
        .unwrap();
    assert!(report.is_clean());
    assert!(report.lacks.iter().all(|lack| !lack.message.is_empty()));

    let (status, home) = page(&app, "/").await;
    assert_eq!(status, 200);
    assert!(home.contains("食品经营许可（新办）"));
    let (_, found) = page(&app, "/guide?q=%E9%A3%9F%E5%93%81").await;
    assert!(found.contains("食品经营许可（新办）") && !found.contains("户外招牌设置许可"));
    let (_, topic) = page(
        &app,
        "/guide?for=firm&topic=%E5%BA%94%E6%80%A5%E6%B6%88%E9%98%B2",
    )
    .await;
    assert!(topic.contains("消防安全检查") && !topic.contains("烟草专卖零售许可证核发"));
    let (status, food) = page(&app, &format!("/guide/{FOOD}")).await;
    assert_eq!(status, 200);
    for words in [
        "5 个工作日",
        "免提交",
        "第三十五条",
        "行政复议",
        "什么情况要现场核查？",
        "现场核查",
    ] {
        assert!(food.contains(words), "{words}");
    }
    let (status, listed) = page(&app, "/guide/LISTED-1").await;
    assert_eq!(status, 200);
    assert!(listed.contains("此事项目前只有目录信息"));
    assert_eq!(page(&app, "/guide/nothing").await.0, 404);
}
