//! What commands that ask the catalog begin with: the site, the job file that was named, the language,
//! and the catalog.

use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::cli::exit::Exit;
use crate::cli::report::sites;
use crate::cli::wiring::{App, Loaded, complain, open_catalog};
use crate::job::JobFile;
use crate::lang::Lang;

/// Where the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// In the catalog of the site.
    Catalog,
    /// In the stores: a catalog that is empty, and gone afterwards, is filled from them.
    Stores,
}

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
    /// Where one is that is gone afterwards.
    _folder: Option<tempfile::TempDir>,
}

impl Asked {
    /// Opens all of it; jobs that the file does not have are a usage error.
    pub fn open(
        (file, jobs): (Option<&PathBuf>, &[String]),
        site: Option<&Path>,
        app: &App,
    ) -> Result<Asked, Exit> {
        Asked::open_in(History::Catalog, (file, jobs), site, app)
    }

    /// The same, with the answer elsewhere.
    pub fn open_in(
        history: History,
        (file, jobs): (Option<&PathBuf>, &[String]),
        site: Option<&Path>,
        app: &App,
    ) -> Result<Asked, Exit> {
        let paths: Vec<PathBuf> = file.into_iter().cloned().collect();
        let (site, files) = sites(&paths, site)?;
        let file = files.into_iter().next();
        if let Some(file) = &file {
            file.choose(jobs)?;
        }
        let lang = app.language(&site);
        let (catalog, folder) = match history {
            History::Catalog => (open_catalog(&app.world, &site, &app.stop).map_err(unable)?, None),
            History::Stores => {
                let folder = tempfile::tempdir().map_err(unable)?;
                let path = folder.path().join("catalog.sqlite");
                (Catalog::open(&path).map_err(unable)?, Some(folder))
            }
        };
        Ok(Asked { site, file, lang, catalog, _folder: folder })
    }
}

/// Says why there is no answer.
pub fn unable(why: impl ToString) -> Exit {
    complain(&why.to_string());
    Exit::Error
}
