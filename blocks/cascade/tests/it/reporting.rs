//! The catalog on its way up.

use std::sync::Arc;

use cascade::report::{self, REPORT, Reporting};
use catalog::Profile;
use exchange::node::client::{Client, Trouble};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::house::{CENTRE, Centre, POLICE, migrations};

pub async fn name_centre(centre: &Centre) {
    centre
        .app
        .db()
        .write(|tx| async move {
            let city = Profile {
                centre: CENTRE.into(),
                ..Profile::default()
            };
            catalog::profile::install(&tx, "50-city", &city).await
        })
        .await
        .unwrap();
}

fn client(centre: &Centre) -> Client {
    let folder = centre
        .app
        .part::<cascade::Place>()
        .unwrap()
        .superior(cascade::join::NODE);
    Client::member(&folder, &folder.membership().unwrap()).unwrap()
}

#[db_test(migrations = migrations)]
async fn a_node_reports_its_own_catalog_only(db: Db, clock: Arc<ManualClock>) {
    clock.set(chrono::Utc::now());
    let province = Centre::beside().await;
    let city = Centre::open(db).await;
    name_centre(&city).await;
    city.join(&province).await;
    let mut client = client(&city);
    // Nothing was published yet, so nothing is said.
    let sent = report::send(&city.app, &mut client, None).await.unwrap();
    assert_eq!(sent, None);

    let envelope = catalog::cascade::report(&city.app, &identity::Actor::system(), None)
        .await
        .unwrap();
    let key = city
        .app
        .part::<credential::Credentials>()
        .unwrap()
        .metadata_key_pem()
        .unwrap();
    let asked = Reporting {
        envelope: envelope.clone(),
        public_key: key.clone(),
    };
    let taken: report::Taken = client.act(REPORT, &asked).await.unwrap();
    assert!(taken.number > 0);
    // Another organisation's name over the same signature, and a signature of nobody's.
    let refused = async |client: &mut Client, asked: &Reporting| match client
        .act::<report::Taken>(REPORT, asked)
        .await
    {
        Err(Trouble::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut foreign = envelope.clone();
    foreign.body = foreign.body.replace(CENTRE, POLICE);
    let asked = Reporting {
        envelope: foreign,
        public_key: key.clone(),
    };
    assert!(
        refused(&mut client, &asked)
            .await
            .contains("another organisation")
    );
    let mut forged = envelope;
    forged.body = forged
        .body
        .replace("tongban-catalog/1\"", "tongban-catalog/1\" ");
    let asked = Reporting {
        envelope: forged,
        public_key: key,
    };
    assert!(refused(&mut client, &asked).await.contains("signature"));
}
