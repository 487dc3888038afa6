//! The inspector's pages: HTML, style sheet and scripts from `assets/`, embedded in the program.

use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/inspector/assets");
/// The HTML file of every page.
pub const PAGE: &str = "index.html";

/// A file of the pages.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// The media type.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: &'static [u8],
}

/// The file with this name.
pub fn asset(name: &str) -> Option<Asset> {
    let media_type = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Some(Asset { media_type, bytes: FILES.get_file(name)?.contents() })
}
