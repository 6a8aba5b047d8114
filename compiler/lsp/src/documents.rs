//! The open files.

use crate::Host;
use lsp_types::Uri;
use qcc_diag::FileId;
use qcc_dsl::{Exploration, LoadError, Source, explore};
use std::collections::BTreeMap;

/// Texts of open files by their address.
#[derive(Debug, Default)]
pub(crate) struct Documents(BTreeMap<String, Document>);

/// An open file.
#[derive(Debug)]
struct Document {
    text: String,
    /// The editor's number of this state of the text.
    version: i32,
}

impl Documents {
    pub(crate) fn set(&mut self, uri: &Uri, text: String, version: i32) {
        self.0.insert(uri.as_str().to_string(), Document { text, version });
    }

    pub(crate) fn close(&mut self, uri: &Uri) {
        self.0.remove(uri.as_str());
    }

    pub(crate) fn text(&self, uri: &Uri) -> Option<&str> {
        self.0.get(uri.as_str()).map(|document| document.text.as_str())
    }

    pub(crate) fn version(&self, uri: &Uri) -> Option<i32> {
        self.0.get(uri.as_str()).map(|document| document.version)
    }

    pub(crate) fn uris(&self) -> Vec<Uri> {
        self.0.keys().filter_map(|uri| uri.parse().ok()).collect()
    }

    /// What is known of an open file and those that belong to it. Imported files that are open, too, are read as they are
    /// in the editor.
    pub(crate) fn explore(&self, host: &dyn Host, uri: &Uri) -> Option<(Exploration, FileId)> {
        let (path, text) = (path_of(uri), self.text(uri)?);
        let open: BTreeMap<String, &str> = self
            .0
            .iter()
            .filter_map(|(uri, document)| Some((path_of(&uri.parse().ok()?), document.text.as_str())))
            .collect();
        let current = |source: Source| match open.get(&source.path) {
            Some(text) => Source { text: (*text).to_string(), ..source },
            None => source,
        };
        let sources: Vec<Source> = host.sources(&path, text).into_iter().map(current).collect();
        let mut read = |path: &str| -> Result<Source, LoadError> { host.load(path).map(current) };
        let exploration = explore(&sources, &mut read);
        let file = exploration.file(&path)?;
        Some((exploration, file))
    }
}

/// The path of a file's address; the address itself if it is no file's.
pub(crate) fn path_of(uri: &Uri) -> String {
    let Some(encoded) = uri.as_str().strip_prefix("file://") else { return uri.as_str().to_string() };
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let code = (first == b'%').then(|| others.get(..2).and_then(|hex| std::str::from_utf8(hex).ok())).flatten();
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The address of a file's path.
pub(crate) fn uri_of(path: &str) -> Option<Uri> {
    let absolute = std::path::absolute(path).ok()?;
    let mut uri = String::from("file://");
    for byte in absolute.to_str()?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(byte as char),
            other => uri += &format!("%{other:02X}"),
        }
    }
    uri.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_back_to_their_paths() {
        for path in ["/tmp/my rules/é%20.rules", "/a/b-c_d.rules"] {
            assert_eq!(path_of(&uri_of(path).expect("it has an address")), path);
        }
        assert_eq!(path_of(&"untitled:one".parse().expect("an address")), "untitled:one");
    }
}
