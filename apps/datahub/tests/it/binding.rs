//! Nothing flows that the catalog does not describe.

use std::sync::Arc;

use catalog::resource::act as entries;
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{
    BY_MARKET, BY_POLICE, House, MARKET, POLICE, entry, findings, migrations, people,
    people_settings, sqlite_people,
};

#[db_test(migrations = migrations)]
async fn a_publication_opens_only_as_its_entry_describes_it(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (_, source) = sqlite_people(&house);
    let mut node = house
        .node("police-1", POLICE, &people_settings("", &source))
        .await;
    node.round(false).await.unwrap();
    let refused = async || findings(&house.open_publication("hukou").await.unwrap_err());
    let told = |field: &str, key: &'static str| (field.to_owned(), key);
    assert_eq!(refused().await, [told("resource", "flow-entry-missing")]);

    let set = |node: &mut exchange::node::run::Node, code: &str| {
        let text = people_settings(code, &source);
        node.config = exchange::node::config::Config::parse(&text).unwrap();
    };
    set(&mut node, "101001/999999");
    node.round(false).await.unwrap();
    assert_eq!(refused().await, [told("resource", "flow-entry-unknown")]);

    let items = [["统一社会信用代码", "uniscid", "C", "18", "", ""]];
    let foreign = entry("102001", "他部门资源（合成）", MARKET, &items);
    let (_, foreign) = house.published(&BY_MARKET, foreign).await;
    set(&mut node, &foreign);
    node.round(false).await.unwrap();
    assert_eq!(refused().await, [told("resource", "flow-entry-foreign")]);

    // The entry says less of one column, something else of another, and has one more.
    let mut described = people();
    described.items[1].length = "20".into();
    described.items[3].kind = "C".into();
    described.items[3].length = "10".into();
    described.items[4].name = "联系电话".into();
    described.items[4].field = "lxdh".into();
    let (id, code) = house.published(&BY_POLICE, described).await;
    set(&mut node, &code);
    node.round(false).await.unwrap();
    assert_eq!(
        refused().await,
        [
            told("columns.xm", "flow-length-differs"),
            told("columns.csrq", "flow-type-differs"),
            told("columns.hjdz", "flow-column-undescribed"),
            told("columns.lxdh", "flow-item-missing"),
        ]
    );

    // Revised, it agrees: the publication opens, and the lake has the table that both describe.
    revise(&house, &id, people()).await;
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    let steward = house.officer("steward").await;
    let table = lake::table(&house.app, &steward, "ods_hukou")
        .await
        .unwrap();
    assert_eq!(table.key, ["gmsfhm"]);
    assert!(table.column("xm").unwrap().is_sensitive());
    let rules: Vec<_> = table.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert!(rules.contains(&"code_xbdm"), "{rules:?}");
    assert_eq!(node.round(false).await.unwrap().sent, 1);

    // A version that says otherwise stops it, and the page says why.
    let mut narrower = people();
    narrower.items[4].length = "20".into();
    revise(&house, &id, narrower).await;
    house.settle().await;
    let (status, page) = house.get(&steward, "/work/flow/hukou").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("比信息项“户籍地址”规定的长度 20 更长"),
        "{page}"
    );
    assert_eq!(node.round(true).await.unwrap().sent, 0, "it is suspended");

    revise(&house, &id, people()).await;
    house.settle().await;
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    let (_, page) = house.get(&steward, "/work/flow/hukou").await;
    assert!(!page.contains("更长") && page.contains("第 4 版"), "{page}");

    // Withdrawn, it stops for good.
    let writer = house.officer(BY_POLICE.examiner).await;
    let row = entries::get(&house.app, &writer, &id).await.unwrap().row;
    entries::withdraw(&house.app, &writer, &id, row.version, "停用")
        .await
        .unwrap();
    let subject = format!("catalog:{id}");
    house.decide(BY_POLICE.approver, &subject, "agree").await;
    house.decide("steward", &subject, "agree").await;
    house.settle().await;
    let (_, page) = house.get(&steward, "/work/flow/hukou").await;
    assert!(page.contains("已撤销"), "{page}");
    assert_eq!(refused().await, [told("resource", "flow-entry-unknown")]);
}

pub async fn revise(house: &House, id: &str, mut entry: catalog::Metadata) {
    let writer = house.officer(BY_POLICE.examiner).await;
    let row = entries::get(&house.app, &writer, id).await.unwrap().row;
    let row = entries::revise(&house.app, &writer, id, row.version)
        .await
        .unwrap();
    entry.code = row.code.clone().unwrap();
    entries::save(&house.app, &writer, id, row.version, entry)
        .await
        .unwrap();
    house.publish_entry(&BY_POLICE, id).await;
}
