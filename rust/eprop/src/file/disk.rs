//! On disk: a file is replaced as a whole, or not at all.

use std::format;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::string::ToString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use super::write::{Draft, Saved, Sink};
use crate::Error;
use crate::numbers::memory::vec_for;

/// Writes a temporary file in the folder of `path`, and gives it its name when all of it is on the disk.
pub(crate) fn save(of: &impl Saved, path: &Path) -> Result<(), Error> {
    // The file behind a link is replaced, and not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let draft = Draft::of(of)?;
    let mut temporary = Temporary::beside(&path)?;
    let seal = draft.write(&mut temporary)?;
    temporary.seal(seal.at.start, seal.digits.as_bytes())?;
    temporary.rename(&path)
}

/// Makes something of the bytes of a file, which an error of theirs names.
pub(crate) fn load<T>(
    path: &Path,
    make: impl FnOnce(&[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    make(&read(path)?).map_err(|error| in_file(error, path))
}

/// All bytes of a file.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| failure("read", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = vec_for("the bytes of a file", len)?;
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The error of bytes, with the file that they came from.
fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Saved { expected, got } => Error::Saved {
            expected,
            got: format!("{got} ({})", path.display()),
        },
        Error::State { reason } => Error::State {
            reason: format!("{reason} ({})", path.display()),
        },
        other => other,
    }
}

fn failure(what: &'static str, path: &Path, error: &io::Error) -> Error {
    Error::File {
        what,
        path: path.display().to_string(),
        reason: error.to_string(),
        code: error.raw_os_error(),
    }
}

/// A file that goes again, unless it is renamed.
struct Temporary {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Sink for Temporary {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.attempt(|file| file.write_all(bytes))
    }
}

impl Temporary {
    fn beside(path: &Path) -> Result<Self, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = path.with_file_name(format!(".{name}.{process}.{count}.tmp"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let file = Some(BufWriter::with_capacity(1 << 18, file));
                    return Ok(Self { path, file });
                }
                // Left by a process of the same number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failure("write", &path, &error)),
            }
        }
    }

    fn attempt(
        &mut self,
        work: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let done = self.file.as_mut().map_or(Ok(()), work);
        done.map_err(|error| failure("write", &self.path, &error))
    }

    fn seal(&mut self, at: usize, digits: &[u8]) -> Result<(), Error> {
        self.attempt(|file| {
            file.seek(SeekFrom::Start(at as u64))?;
            file.write_all(digits)?;
            file.flush()?;
            file.get_ref().sync_all()
        })
    }

    fn rename(mut self, to: &Path) -> Result<(), Error> {
        // Some systems rename no file that is open.
        let file = self.file.take();
        drop(file);
        fs::rename(&self.path, to).map_err(|error| {
            let _ = fs::remove_file(&self.path);
            failure("replace", to, &error)
        })?;
        sync_folder(to);
        Ok(())
    }
}

/// Without it the name may be lost with the power, and the bytes with it. The new file is there already: a folder that cannot be opened, or that its
/// file system does not sync, is no failure.
#[cfg(unix)]
fn sync_folder(of: &Path) {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) {}
