//! The event of these tests.

use std::sync::Arc;

use kernel::crypto::{GuoMi, Suite};
use serde::{Deserialize, Serialize};
use store::KeySigner;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub text: String,
}

impl store::EventBody for Noted {
    const KIND: &'static str = "test.noted.v1";
}

/// Emits so many events in one write.
pub async fn note(db: &store::Db, count: usize) {
    db.write(move |tx| async move {
        for n in 0..count {
            tx.emit(
                format!("note:{n}"),
                "system",
                &Noted {
                    text: format!("第{n}条"),
                },
            )?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Signs with a key of this test.
pub fn signer() -> Arc<KeySigner> {
    Arc::new(KeySigner::new(GuoMi.generate_key().unwrap()).unwrap())
}
