//! Uploads: what is refused, what is kept, what is cleared away.

use bytes::Bytes;
use chrono::Duration;
use futures::stream;
use kernel::Error;
use store::{
    Blobs, Db,
    blob::{self, Hashed, Kind, Rules, Upload},
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

/// A zip file with empty parts of these names.
fn zip(names: &[&str]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04 parts are not looked at ".to_vec();
    let offset = u32::try_from(bytes.len()).unwrap();
    for name in names {
        let mut entry = b"PK\x01\x02".to_vec();
        entry.resize(46, 0);
        entry[28] = u8::try_from(name.len()).unwrap();
        entry.extend(name.as_bytes());
        bytes.extend(entry);
    }
    let length = u32::try_from(bytes.len()).unwrap() - offset;
    bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
    bytes.extend(length.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

async fn put(blobs: &Blobs, name: &str, content: &[u8]) -> kernel::Result<Upload> {
    let parts: Vec<_> = content
        .chunks(7)
        .map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c)))
        .collect();
    let rules = Rules {
        largest: 1000,
        ..Rules::default()
    };
    blobs
        .put("licence", name, &rules, stream::iter(parts))
        .await
}

async fn refusal(blobs: &Blobs, name: &str, content: &[u8]) -> &'static str {
    match put(blobs, name, content).await {
        Err(Error::Invalid(findings)) => {
            assert_eq!(findings[0].field, "licence");
            findings[0].text.key
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn blobs() -> (tempfile::TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    (folder, blobs)
}

fn count_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn bad_uploads_are_refused_and_leave_nothing() {
    let (folder, blobs) = blobs();
    for blobs in [&blobs, &Blobs::in_memory()] {
        let check = async |name: &str, content: &[u8], key: &str| {
            assert_eq!(refusal(blobs, name, content).await, key, "{name}");
        };
        check("a.pdf", b"", "store-upload-empty").await;
        check("a.pdf", &[b' '; 1001], "store-upload-too-large").await;
        check("a.pdf", PNG, "store-upload-wrong-content").await;
        check("a.png", b"<html><script>", "store-upload-wrong-content").await;
        check("a.docx", &zip(&["evil.exe"]), "store-upload-wrong-content").await;
        check("a.ofd", b"PK\x03\x04 cut off", "store-upload-wrong-content").await;
        check("a.exe", b"MZ", "store-upload-kind-not-allowed").await;
        check("a.pdf.exe", PDF, "store-upload-kind-not-allowed").await;
        check("pdf", PDF, "store-upload-kind-not-allowed").await;
        check("../..", PDF, "store-upload-name-empty").await;
    }
    assert_eq!(count_files(folder.path()), 0);
}

#[tokio::test]
async fn good_uploads_are_told_by_their_content() {
    let (_folder, blobs) = blobs();
    let check = async |name: &str, content: &[u8], media_type: &str| {
        let upload = put(&blobs, name, content).await.unwrap();
        assert_eq!(upload.media_type, media_type, "{name}");
        assert_eq!(upload.size, i64::try_from(content.len()).unwrap());
        assert_eq!(upload.digest, hex::encode(kernel::crypto::sm3(content)));
        upload.name
    };
    assert_eq!(
        check("C:\\我的\\执照.PDF", PDF, "application/pdf").await,
        "执照.PDF"
    );
    check("a.png", PNG, "image/png").await;
    check("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg").await;
    check(
        "a.ofd",
        &zip(&["OFD.xml", "Doc_0/Document.xml"]),
        "application/ofd",
    )
    .await;
    let parts = ["[Content_Types].xml", "xl/workbook.xml"];
    check("a.xlsx", &zip(&parts), Kind::Xlsx.media_type()).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let (folder, blobs) = blobs();
    let parts = [
        Ok(Bytes::from_static(PDF)),
        Err(std::io::Error::other("gone")),
    ];
    let outcome = blobs
        .put("f", "a.pdf", &Rules::default(), stream::iter(parts))
        .await;
    assert!(
        matches!(outcome, Err(Error::Invalid(f)) if f[0].text.key == "store-upload-broken-off")
    );
    assert_eq!(count_files(folder.path()), 0);
}

#[tokio::test]
async fn a_large_upload_is_streamed_in_parts() {
    let (_folder, blobs) = blobs();
    let mib = Bytes::from(vec![b'x'; 1 << 20]);
    let parts = (0..17).map(|n| {
        Ok::<_, std::io::Error>(if n == 0 {
            Bytes::from_static(PDF)
        } else {
            mib.clone()
        })
    });
    let upload = blobs
        .put("f", "a.pdf", &Rules::default(), stream::iter(parts))
        .await
        .unwrap();
    assert_eq!(upload.size, (16 << 20) + i64::try_from(PDF.len()).unwrap());
}

#[store::db_test]
async fn hashed_content_is_kept_under_its_digest_and_read_whole(db: Db) {
    let (folder, on_disk) = blobs();
    // More than a piece of a stream.
    let mark = std::iter::repeat_n(0xff, 4);
    let rows: Bytes = mark.chain((0..=u8::MAX).cycle()).take(100_000).collect();
    for blobs in [&on_disk, &Blobs::in_memory()] {
        let put = async |name: &str, bytes: &Bytes| {
            let content = Hashed::of(bytes.clone());
            blobs.put_hashed(name, Kind::Arrow, content).await
        };
        for (name, bytes, key) in [
            ("a.arrows", PDF, "store-upload-wrong-content"),
            ("a.arrows", b"", "store-upload-empty"),
            ("a.pdf", PDF, "store-upload-kind-not-allowed"),
            ("../..", &rows, "store-upload-name-empty"),
        ] {
            match put(name, &Bytes::copy_from_slice(bytes)).await {
                Err(Error::Invalid(findings)) => assert_eq!(findings[0].text.key, key),
                other => panic!("{name}: {other:?}"),
            }
        }
        let upload = put("a.arrows", &rows).await.unwrap();
        assert_eq!(upload.digest, hex::encode(kernel::crypto::sm3(&rows)));
        assert_eq!(upload.size, 100_000);
        assert_eq!(upload.media_type, Kind::Arrow.media_type());
        let kept = upload.clone();
        db.write(move |tx| {
            let kept = kept.clone();
            async move { blob::keep(&tx, &kept, "exchange_batch:1").await }
        })
        .await
        .unwrap();
        assert_eq!(blobs.get_bytes(&db, &upload.digest).await.unwrap(), rows);
    }
    // What was refused left nothing.
    assert_eq!(count_files(folder.path()), 1);
}

#[store::db_test]
async fn kept_content_comes_back_until_the_last_holder_lets_go(db: Db) {
    let (folder, blobs) = blobs();
    let upload = put(&blobs, "a.pdf", PDF).await.unwrap();
    assert!(matches!(
        blobs.get(&db, &upload.digest).await,
        Err(Error::NotFound { .. })
    ));
    for holder in ["forms_file:1", "forms_file:1", "service_material:2"] {
        let upload = upload.clone();
        db.write(move |tx| {
            let upload = upload.clone();
            async move { blob::keep(&tx, &upload, holder).await }
        })
        .await
        .unwrap();
    }
    let none = Duration::zero();
    assert_eq!(blobs.reconcile(&db, none).await.unwrap().removed, 0);
    assert_eq!(blobs.get_bytes(&db, &upload.digest).await.unwrap(), PDF);
    for holder in ["forms_file:1", "service_material:2"] {
        assert!(blobs.get(&db, &upload.digest).await.is_ok());
        let digest = upload.digest.clone();
        db.write(move |tx| {
            let digest = digest.clone();
            async move { blob::release(&tx, &digest, holder).await }
        })
        .await
        .unwrap();
    }
    assert!(matches!(
        blobs.get(&db, &upload.digest).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(count_files(folder.path()), 1);
    assert_eq!(blobs.reconcile(&db, none).await.unwrap().removed, 1);
    assert_eq!(count_files(folder.path()), 0);
}

#[store::db_test]
async fn what_a_crash_left_is_removed_after_a_day_and_lost_content_is_named(db: Db) {
    let (folder, blobs) = blobs();
    let kept = put(&blobs, "a.pdf", PDF).await.unwrap();
    let upload = kept.clone();
    db.write(move |tx| {
        let upload = upload.clone();
        async move { blob::keep(&tx, &upload, "forms_file:1").await }
    })
    .await
    .unwrap();
    put(&blobs, "b.png", PNG).await.unwrap();
    std::fs::write(folder.path().join("incoming/half#1"), "half").unwrap();
    assert_eq!(
        blobs
            .reconcile(&db, Duration::days(1))
            .await
            .unwrap()
            .removed,
        0,
        "too young"
    );
    let done = blobs.reconcile(&db, Duration::zero()).await.unwrap();
    assert_eq!((done.removed, done.missing), (2, vec![]));
    std::fs::remove_dir_all(folder.path().join("blob")).unwrap();
    assert_eq!(
        blobs
            .reconcile(&db, Duration::zero())
            .await
            .unwrap()
            .missing,
        [kept.digest]
    );
}
