//! What commands that ask the catalog begin with: the site, the job file that was named, the language,
//! and the catalog.

use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::cli::args::Language;
use crate::cli::exit::Exit;
use crate::cli::language::language;
use crate::cli::report::sites;
use crate::cli::wiring::{App, Loaded, complain, open_catalog};
use crate::job::JobFile;
use crate::lang::Lang;

/// What is asked, and of whom.
pub struct Asked {
    /// The site.
    pub site: JobFile,
    /// The job file, if one is named.
    pub file: Option<Loaded>,
    /// The language of the answer.
    pub lang: Lang,
    /// The catalog.
    pub catalog: Catalog,
}

impl Asked {
    /// Opens all of it; jobs that the file does not have are a usage error.
    pub fn open(
        (file, jobs): (Option<&PathBuf>, &[String]),
        site: Option<&Path>,
        lang: Option<Language>,
        app: &App,
    ) -> Result<Asked, Exit> {
        let paths: Vec<PathBuf> = file.into_iter().cloned().collect();
        let (site, files) = sites(&paths, site)?;
        let file = files.into_iter().next();
        if let Some(file) = &file {
            file.choose(jobs)?;
        }
        let lang = language(lang, site.site.language.as_deref());
        let catalog = open_catalog(&app.world, &site, &app.stop).map_err(unable)?;
        Ok(Asked { site, file, lang, catalog })
    }
}

/// Says why there is no answer.
pub fn unable(why: impl ToString) -> Exit {
    complain(&why.to_string());
    Exit::Error
}
