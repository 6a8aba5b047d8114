//! Tensor data in files beside the model.
//!
//! A model names these files itself, so the names are not trusted: only a plain relative path below the model's folder is
//! opened, and only if no part of it is a symbolic link.

use crate::map::map_file;
use crate::proto::StringStringEntryProto;
use bytes::Bytes;
use qcc_diag::Diagnostic;
use rustc_hash::FxHashMap;
use std::path::{Component, Path, PathBuf};

/// What to do about a data file that does not fit.
const OTHER_DATA: &str = "the data file may be truncated or belong to another model: copy both anew";

/// The data files opened so far.
pub(crate) struct ExternalData {
    folder: Option<PathBuf>,
    files: FxHashMap<String, Result<Bytes, String>>,
}

impl ExternalData {
    /// Files of `folder`.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_path_buf), files: FxHashMap::default() }
    }

    /// The `size` bytes that the entries of a tensor describe.
    pub(crate) fn read(
        &mut self,
        entries: &[StringStringEntryProto],
        size: usize,
        what: &str,
    ) -> Result<Bytes, Diagnostic> {
        let error = |message: String| Diagnostic::error("external-data", format!("{what}: {message}"));
        let entry = |key: &str| entries.iter().find(|e| e.key() == key).map(|e| e.value());
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => match text.parse::<usize>() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(error(format!("the {key} of its external data is `{text}`, which is no size"))),
            },
        };
        let location = entry("location").ok_or_else(|| error("its external data has no location".into()))?;
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?;
        let help = format!("the data file must lie beside the model: keep `{location}` in the model's folder");
        let file = match self.open(location) {
            Ok(file) => file,
            Err(message) => return Err(error(message).help(help)),
        };
        let rest = file.len().checked_sub(offset);
        let length = length.or(rest.map(|r| r.min(size))).unwrap_or(size);
        if length != size {
            let message = format!("it needs {size} bytes, its external data has {length}");
            return Err(error(message).help(OTHER_DATA));
        }
        if rest.is_none_or(|rest| rest < length) {
            let message = format!(
                "its external data ends at byte {}, but `{location}` has only {} bytes",
                offset.saturating_add(length),
                file.len()
            );
            return Err(error(message).help(OTHER_DATA));
        }
        Ok(file.slice(offset..offset + length))
    }

    fn open(&mut self, location: &str) -> Result<Bytes, String> {
        if let Some(known) = self.files.get(location) {
            return known.clone();
        }
        let opened = self.open_new(location);
        self.files.insert(location.to_string(), opened.clone());
        opened
    }

    fn open_new(&self, location: &str) -> Result<Bytes, String> {
        let relative = Path::new(location);
        let folder = self.folder.as_ref().ok_or("it has external data, but the model was not read from a folder")?;
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || !plain {
            return Err(format!("its external data `{location}` lies outside of the model's folder"));
        }
        let cannot = |e: std::io::Error| format!("cannot read its external data `{location}`: {e}");
        let mut path = folder.clone();
        for part in relative.components() {
            path.push(part);
            if path.symlink_metadata().map_err(cannot)?.file_type().is_symlink() {
                return Err(format!("its external data `{location}` goes through a symbolic link"));
            }
        }
        map_file(&path).map_err(cannot)
    }
}
