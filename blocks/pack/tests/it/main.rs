//! Packs good and bad, checked and installed on both databases.
#![expect(
    clippy::unused_async,
    reason = "tests over a database are asynchronous, whether they wait or not"
)]

use std::sync::Arc;

use pack::{Loaders, PackError, Source, check, install, installed};
use store::Db;
use web::{App, Settings, Texts};

fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(registry::migrations());
    all.extend(workflow::migrations());
    all.extend(lake::migrations());
    all.extend(catalog::migrations());
    all.extend(flow::migrations());
    all.extend(pack::migrations());
    all
}

/// The application as far as this block needs it.
fn app(db: Db) -> App {
    let app = App::new(db, Settings::default(), Texts::new([]));
    app.put(Loaders::of_blocks());
    app
}

const MANIFEST: &str = r#"
id = "small"
version = "1.0.0"
title = { zh = "小", en = "Small" }
"#;

const FORM: &str = r#"{
  "$id": "f",
  "title": "表",
  "type": "object",
  "properties": {
    "licence": {
      "type": "array",
      "title": "营业执照",
      "x-tongban": { "file": { "certificate_type": "nobody" } }
    }
  }
}"#;

fn a_pack(files: &[(&str, &str)]) -> Source {
    let own = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let has_manifest = files.iter().any(|(path, _)| *path == "pack.toml");
    let manifest = (!has_manifest).then(|| ("pack.toml".to_owned(), MANIFEST.into()));
    Source::of_files("test", own.chain(manifest))
}

fn found(app: &App, files: &[(&str, &str)]) -> Vec<String> {
    match check(app, &a_pack(files)) {
        Ok(findings) => findings.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[store::db_test(migrations = crate::migrations)]
async fn mistakes_are_told_with_file_line_and_remedy(db: Db) {
    assert_eq!(installed(&db).await.unwrap(), []);
    let app = app(db);
    // Nothing wrong.
    assert_eq!(found(&app, &[]), [""; 0]);
    // A reference to nothing, on its line.
    let dangling = found(&app, &[("forms/f.json", FORM)]);
    assert_eq!(dangling.len(), 1);
    assert!(
        dangling[0].starts_with("forms/f.json:9: there is no certificate type \"nobody\"; "),
        "{dangling:?}"
    );
    // JSON that ends too early.
    let broken = found(&app, &[("forms/f.json", "{\n\"a\":\n")]);
    assert!(broken[0].starts_with("forms/f.json:3: "), "{broken:?}");
    // TOML with an unknown key.
    let wrong = found(
        &app,
        &[("organisations/a.toml", "organisation = []\n\nfoo = 1\n")],
    );
    assert!(
        wrong[0].starts_with("organisations/a.toml:3: unknown field `foo`"),
        "{wrong:?}"
    );
    // A file that nobody reads.
    let stray = found(&app, &[("matrix/a.txt", "")]);
    assert!(
        stray[0].contains("nothing here reads files in \"matrix\""),
        "{stray:?}"
    );
    // A needed pack that is nowhere.
    let manifest = format!("{MANIFEST}needs = [\"elsewhere\"]\n");
    let needs = found(&app, &[("pack.toml", &manifest)]);
    assert!(needs[0].contains("\"elsewhere\""), "{needs:?}");
    // A calendar with a day that does not exist.
    let day = found(
        &app,
        &[(
            "calendars/2026.toml",
            "year = 2026\noff = [\"02-30\"]\nwork = []\n",
        )],
    );
    assert_eq!(day.len(), 1, "{day:?}");
}

#[store::db_test(migrations = crate::migrations)]
async fn a_process_is_checked_by_the_rules_of_its_standard(db: Db) {
    assert_eq!(installed(&db).await.unwrap(), []);
    let app = app(db);
    let model = |end: &str, call: &str| {
        format!(
            r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" id="d" targetNamespace="t">
<process id="p" isExecutable="true">
<startEvent id="start"/>
<userTask id="t" name="审查" tongban:candidates="examiner@${{org}}"{call}/>
<endEvent id="end"/>
<sequenceFlow id="a" sourceRef="start" targetRef="t"/>
{end}
</process>
</definitions>"#
        )
    };
    let flow = r#"<sequenceFlow id="b" sourceRef="t" targetRef="end"/>"#;
    assert_eq!(
        found(&app, &[("processes/p.bpmn", &model(flow, ""))]),
        [""; 0]
    );
    // An end that nothing leads to.
    let unreachable = found(&app, &[("processes/p.bpmn", &model("", ""))]);
    assert!(
        unreachable
            .iter()
            .any(|f| f.starts_with("processes/p.bpmn:5: ")),
        "{unreachable:?}"
    );
    // A form that nobody brings.
    let dangling = found(
        &app,
        &[(
            "processes/p.bpmn",
            &model(flow, r#" tongban:form="nowhere""#),
        )],
    );
    assert!(
        dangling[0].starts_with("processes/p.bpmn:4: there is no form \"nowhere\""),
        "{dangling:?}"
    );
    // A file that is no XML.
    let broken = found(&app, &[("processes/p.bpmn", "hello")]);
    assert_eq!(broken.len(), 1, "{broken:?}");
}

#[store::db_test(migrations = crate::migrations)]
async fn one_login_name_is_given_once(db: Db) {
    assert_eq!(installed(&db).await.unwrap(), []);
    let app = app(db);
    let officers = "officer = [{ login = \"a\", name = \"甲\" }, { login = \"a\", name = \"乙\" }]";
    let double = found(&app, &[("officers/a.toml", officers)]);
    assert!(
        double[0].contains("the login name \"a\" is defined already"),
        "{double:?}"
    );
}

#[store::db_test(migrations = crate::migrations)]
async fn the_demo_city_installs_once_and_again_changes_nothing(db: Db) {
    let app = app(db.clone());
    let base = Source::embedded("base-cn").unwrap();
    let city = Source::embedded("demo-city").unwrap();
    assert_eq!(check(&app, &base).unwrap(), []);
    assert_eq!(check(&app, &city).unwrap(), []);
    let refused = install(&app, &city).await;
    assert!(matches!(refused, Err(PackError::Needs(id)) if id == "base-cn"));
    install(&app, &base).await.unwrap();
    let report = install(&app, &city).await.unwrap();
    assert_eq!(report.changed["parties"], 381);
    let again = install(&app, &city).await.unwrap();
    assert!(again.was_there && again.changed.is_empty());
    let ids: Vec<_> = installed(&db)
        .await
        .unwrap()
        .into_iter()
        .map(|p| p.id)
        .collect();
    assert_eq!(ids, ["base-cn", "demo-city"]);
    let sexes = pack::codes(&db, "sex").await.unwrap();
    assert_eq!(sexes[1].1, "男性");
}

#[store::db_test(migrations = crate::migrations)]
async fn an_upgrade_replaces_and_nothing_is_taken_back(db: Db) {
    let app = app(db);
    let of = |version: &str, title: &str| {
        let manifest = MANIFEST.replace("1.0.0", version);
        let form = format!(
            r#"{{"$id":"f","title":"{title}","type":"object","properties":{{"a":{{"type":"string","title":"甲"}}}}}}"#
        );
        a_pack(&[("pack.toml", &manifest), ("forms/f.json", &form)])
    };
    install(&app, &of("1.0.0", "旧")).await.unwrap();
    install(&app, &of("1.1.0", "新")).await.unwrap();
    let form = pack::form(app.db().read(), "f").await.unwrap();
    assert_eq!(form.title.zh, "新");
    let back = install(&app, &of("1.0.0", "旧")).await;
    assert!(matches!(back, Err(PackError::Older { .. })), "{back:?}");
}

#[store::db_test(migrations = crate::migrations)]
async fn a_pack_with_a_mistake_leaves_nothing_behind(db: Db) {
    let app = app(db.clone());
    let refused = install(&app, &a_pack(&[("forms/f.json", FORM)])).await;
    assert!(matches!(refused, Err(PackError::Mistakes(f)) if f.len() == 1));
    assert_eq!(installed(&db).await.unwrap(), []);
    assert!(pack::form(db.read(), "f").await.is_err());
}

/// Packs of base registries, in the order of installing.
const REGISTRIES: [&str; 10] = [
    "base-cn",
    "demo-city",
    "base-departments",
    "base-population",
    "base-entity",
    "base-credit",
    "base-economy",
    "base-place",
    "base-catalog",
    "demo-data",
];

#[store::db_test(migrations = crate::migrations)]
async fn base_registries_get_their_tables(db: Db) {
    let app = app(db.clone());
    for name in REGISTRIES {
        let source = Source::embedded(name).unwrap();
        assert_eq!(check(&app, &source).unwrap(), [], "{name}");
        install(&app, &source).await.unwrap();
    }
    let titles = registry::titles(&app).await.unwrap();
    assert_eq!(titles.len(), 15);
    assert_eq!(titles["population"].zh, "人口基础信息库");
    let sources = registry::source::list(db.read()).await.unwrap();
    let police = sources.iter().find(|s| s.id == "police").unwrap();
    assert_eq!(police.title_zh, "公安");
    assert_eq!(police.org, "113210009900000767");
    let enterprises = catalog::resource::store::of_code(db.read(), "102001/000001").await;
    assert_eq!(
        enterprises.unwrap().unwrap().number,
        1,
        "published by its pack"
    );
    let installed = install(&app, &Source::embedded("demo-data").unwrap()).await;
    installed.unwrap();
}

#[store::db_test(migrations = crate::migrations)]
async fn mistakes_of_a_registry_are_told_on_their_lines(db: Db) {
    assert_eq!(installed(&db).await.unwrap(), []);
    let app = app(db);
    let good = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "dogs", "title": "犬", "type": "object",
  "x-tongban": { "title_en": "Dogs", "key": ["tag"] },
  "required": ["tag"],
  "properties": {
    "tag": { "type": "string", "title": "牌号", "maxLength": 9,
      "x-tongban": { "title_en": "Tag", "sensitivity": 1, "authority": ["nobody"] } },
    "sex": { "type": "string", "title": "性别", "maxLength": 1,
      "x-tongban": { "title_en": "Sex", "sensitivity": 1, "code_table": "none" } }
  }
}"#;
    let dangling = found(&app, &[("registries/dogs.json", good)]);
    assert_eq!(dangling.len(), 2, "{dangling:?}");
    assert!(
        dangling[0].starts_with("registries/dogs.json:8: there is no source \"nobody\""),
        "{dangling:?}"
    );
    assert!(
        dangling[1].starts_with("registries/dogs.json:10: there is no code table \"none\""),
        "{dangling:?}"
    );
    let bad = good.replace("\"sensitivity\": 1, \"code_table\"", "\"code_table\"");
    let told = found(&app, &[("registries/dogs.json", &bad)]);
    assert_eq!(
        told,
        [
            "registries/dogs.json:9: properties/sex: the field has no level of sensitivity; write \
          \"sensitivity\": 1 public, 2 internal, 3 sensitive, 4 highly sensitive or 5 important"
        ]
    );
    let named = found(&app, &[("registries/cats.json", good)]);
    assert!(
        named
            .iter()
            .any(|f| f.contains("name the file after its $id")),
        "{named:?}"
    );
}

#[test]
fn a_folder_without_manifest_is_no_pack() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Source::folder(folder.path()).is_err());
    std::fs::write(folder.path().join("pack.toml"), MANIFEST).unwrap();
    let source = Source::folder(folder.path()).unwrap();
    assert_eq!(source.files().count(), 1);
    let _ = Arc::new(source);
}

#[store::db_test(migrations = crate::migrations)]
async fn an_old_number_is_known_by_a_region_that_once_was(db: Db) {
    use kernel::code::citizen::{self, CitizenError};
    let app = app(db);
    app.put(workflow::Engine::default());
    pack::module(&app).unwrap();
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap();
    let number = |region: &str| citizen::build(region, day("2001-05-05"), 1).unwrap();
    let today = day("2026-03-02");
    // 崇文区 of Beijing ended in 2010, 昌平县 in 1999; 包河区 has the code of an older 郊区;
    // 321000 is a city, 320000 a province; no province-level check knows 810000.
    for region in ["110103", "110221", "340111", "321000", "320000", "810000"] {
        assert!(citizen::parse(&number(region), today).is_ok(), "{region}");
    }
    for region in ["110199", "321099", "659999", "370001"] {
        let refused = citizen::parse(&number(region), today);
        assert_eq!(refused, Err(CitizenError::Region), "{region}");
    }
    // Lists of those years are not at hand, so her number is believed.
    let older = citizen::build("110299", day("1975-05-05"), 1).unwrap();
    assert!(citizen::parse(&older, today).is_ok());
}

#[store::db_test(migrations = crate::migrations)]
async fn a_table_of_old_regions_is_checked_line_by_line(db: Db) {
    let table = "code,name,from,until\n110103,崇文区,1981,2010\n1101,x,1981,\n";
    let found = found(&app(db), &[("history/regions.csv", table)]);
    assert!(found[0].starts_with("history/regions.csv:3: "), "{found:?}");
}

#[store::db_test(migrations = crate::migrations)]
async fn mistakes_of_a_catalog_are_told_on_their_lines(db: Db) {
    let app = app(db);
    let resource = "publish = true\n[resource]\nname = \"甲\"\nclass = \"101009\"\nprovider = \"113210009900000767\"\n";
    let files = [
        ("catalog/50-city.toml", "centre = \"nobody\"\n"),
        (
            "catalog/60-cycles.toml",
            "cycles = [\n{ code = \"1\", zh = \"甲\", interval = \"1D\" },\n]\n",
        ),
        ("classes/city.csv", "code,name_zh,name_en\n12,甲,A\n"),
        ("resources/one.toml", resource),
        ("resources/two.toml", "[resource]\nnmae = \"甲\"\n"),
    ];
    let mut told = found(&app, &files);
    told.sort();
    let has = |place: &str| told.iter().any(|line| line.starts_with(place));
    for place in [
        "catalog/50-city.toml:1:",
        "catalog/60-cycles.toml:2:",
        "classes/city.csv:2:",
        "resources/one.toml:4:",
        "resources/two.toml:2:",
    ] {
        assert!(has(place), "{place}: {told:#?}");
    }
}
