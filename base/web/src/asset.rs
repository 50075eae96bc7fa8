//! Bundled styles, scripts and icons: content-hashed names, embedded in the executable, cached by
//! browsers for good.

use std::{collections::HashMap, sync::OnceLock};

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/dist/"]
#[allow_missing = true]
struct Bundles;

/// The address of a bundled file by its plain name, as `app.css`.
pub fn href(name: &str) -> String {
    // In development the files are read from disk, so that a new bundle shows without a restart.
    let hashed = if cfg!(debug_assertions) {
        read_manifest().remove(name)
    } else {
        MANIFEST.get_or_init(read_manifest).get(name).cloned()
    };
    // Before the bundles are built every address must still be one that answers 404.
    format!("/assets/{}", hashed.as_deref().unwrap_or(name))
}

static MANIFEST: OnceLock<HashMap<String, String>> = OnceLock::new();

/// Plain name to hashed name, as the build wrote it.
fn read_manifest() -> HashMap<String, String> {
    Bundles::get("manifest.json")
        .and_then(|file| serde_json::from_slice(&file.data).ok())
        .unwrap_or_default()
}

/// `GET /assets/{name}`. The build left a gzip twin beside what gains by it.
pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("gzip"));
    let twin = if takes_gzip {
        Bundles::get(&format!("{name}.gz"))
    } else {
        None
    };
    let is_zipped = twin.is_some();
    let Some(file) = twin.or_else(|| Bundles::get(&name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = mime_guess::from_path(&name).first_or_octet_stream();
    let kind = match kind.type_() {
        mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
        _ => kind.to_string(),
    };
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, kind)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::VARY, "accept-encoding");
    if is_zipped {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let body = Body::from(file.data.into_owned());
    response
        .body(body)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
