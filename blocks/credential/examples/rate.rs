//! How many certificates a second are set and signed here, and what one weighs.
//!
//! `cargo run --release -p credential --example rate -- [count] [threads] [file to write the last to]`

use std::{
    error::Error,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use credential::{
    pdf::{Statement, sign},
    seal::Seal,
    typeset::{Sheet, Typesetter},
};

type Failed = Box<dyn Error + Send + Sync>;

const TEMPLATE: &str = "#import \"/tongban/certificate.typ\": *\n#face(json(\"/data.json\"))\n";

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let target = arguments.next();
    let setter = Typesetter::new(Vec::new())?;
    let folder = std::env::temp_dir().join("tongban-rate-keys");
    let seal = Seal::open(&folder, "示范", chrono::Utc::now())?;
    let start = Instant::now();
    let file = make(&setter, &seal, 0)?;
    eprintln!(
        "the first, fonts included: {:?}, {} bytes",
        start.elapsed(),
        file.len()
    );
    if let Some(target) = target {
        std::fs::write(Path::new(&target), file)?;
    }
    let next = AtomicUsize::new(1);
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<(), Failed> {
        let work = || -> Result<(), Failed> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > count {
                    return Ok(());
                }
                make(&setter, &seal, number)?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(count)?) / seconds;
    eprintln!("{count} certificates on {threads} threads: {rate:.1} a second");
    Ok(())
}

fn make(setter: &Typesetter, seal: &Seal, number: usize) -> Result<Vec<u8>, Failed> {
    let zzbs =
        format!("1.2.156.3005.2.11110000000000019K001.11110000000000019K.{number:010}.001.0");
    let url = format!("https://example.gov.cn/verify/{zzbs}");
    let data = serde_json::json!({
        "type": { "name": "食品经营许可证", "name_en": "Food business licence" },
        "zzbs": zzbs, "number": format!("JY20260302{number:010}"), "verify_url": url,
        "issuer": { "name": "示范市场监督管理局（合成）", "code": "11110000000000019K" },
        "holder": { "name": format!("示例餐饮{number}号店（合成）"), "code": "91321000MA0000023T" },
        "issued_on": "2026-03-02", "demo": true,
        "items": [
            { "title": "经营者名称", "value": format!("示例餐饮{number}号店（合成）") },
            { "title": "统一社会信用代码", "value": "91321000MA0000023T" },
            { "title": "法定代表人", "value": "张小明" },
            { "title": "经营场所", "value": format!("云港市示范区文昌路{number}号") },
            { "title": "主体业态", "value": "餐饮服务经营者" },
            { "title": "经营项目", "value": "热食类食品制售、冷食类食品制售、自制饮品制售" },
            { "title": "有效期", "value": "2026年3月2日 至 2031年3月1日" },
        ],
    });
    let now = chrono::Utc::now();
    let sheet = Sheet {
        template: TEMPLATE,
        data: &data,
        qr: Some(&url),
        metadata: Some("{}"),
        now,
    };
    let plain = setter.render(&sheet)?;
    let statement = Statement {
        organ: "示范市场监督管理局（合成）",
        reason: &zzbs,
        at: now,
    };
    Ok(sign(&plain, seal, &statement)?)
}
