//! Prompts that are files.

use std::path::Path;

use millstream_core::{Error, ErrorKind, FileFormat, Prompt, Result};

/// Reads the prompt in the file at `path`, whose name ends with `.toml` or `.json`: see [`Prompt::parse`].
///
/// ```no_run
/// use millstream::prelude::*;
///
/// let chain = millstream::prompt_from_file("prompts/support.toml")? | model_from_env()?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `invalid_input` if the file cannot be read; `bad_template`, with file, line and key, for what is wrong in it.
pub fn prompt_from_file(path: impl AsRef<Path>) -> Result<Prompt> {
    let path = path.as_ref();
    let format = FileFormat::of(path)?;
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("the prompt {} cannot be read: {error}", path.display());
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })?;
    Prompt::parse(&text, format)
        .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())).with_source(error))
}
