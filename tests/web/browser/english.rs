//! The words of every page in English (S166: pt-BR is the language of all the other tests).

use crate::common::browser::Browser;
use crate::web::browser::site::{ADMIN, Site};
use crate::web::pages::estate;

/// A page, what names some of its elements, and their words.
type Page = (&'static str, &'static [(&'static str, &'static [&'static str])]);

const PAGES: [Page; 11] = [
    (
        "/backups?q=servidor05",
        &[
            ("h1", &["Backups"]),
            (".head h1 + p", &["See your backups in detail"]),
            (".tabs a", &["All 81", "Success 72", "Alert 5", "Error 4", "Runs"]),
            (
                "#backups thead th:not(:last-child)",
                &["#", "Host name", "Status", "Size", "Started", "Ended", "Upload status"],
            ),
            (".pager nav > *", &["« Previous", "Page 1 of 1", "Next »"]),
            ("#backups tbody tr:nth-child(1) td:nth-child(3)", &["Error"]),
        ],
    ),
    ("/backups?q=nothing+of+it", &[(".none", &["No backup matches."])]),
    (
        "/backups/81",
        &[
            ("h1", &["Backup details"]),
            (
                "#cartoes section:nth-child(1) dt",
                &[
                    "Host name",
                    "Database",
                    "Size",
                    "Started",
                    "Finished",
                    "Duration",
                    "Backup status",
                ],
            ),
            (
                "#cartoes section:nth-child(2) dt",
                &[
                    "File",
                    "File size",
                    "File path",
                    "Bucket",
                    "Started",
                    "Finished",
                    "Duration",
                    "Upload status",
                ],
            ),
            ("#copias h2", &["Copies"]),
            ("#etapas h2", &["Time per step"]),
            ("[aria-labelledby=c5] h2", &["Restore this backup"]),
        ],
    ),
    (
        "/fontes",
        &[
            ("h1", &["Sources"]),
            (
                "#fontes thead th",
                &[
                    "Source",
                    "RPO now",
                    "Limit",
                    "Last proven copy",
                    "Copies",
                    "Measured RTO",
                    "Last drill",
                ],
            ),
        ],
    ),
    ("/restauracoes", &[("h1", &["Restore drills"]), ("[data-print]", &["Print"])]),
    (
        "/execucoes",
        &[("h1", &["Runs"]), ("#rotinas tr:first-child .btn", &["Run now", "Change schedule"])],
    ),
    (
        "/usuarios",
        &[
            ("h1", &["Users"]),
            (".head h1 + p", &["Create, manage and change access to the system"]),
            (
                "#lista thead th:not(:last-child)",
                &["#", "User", "Privilege", "Last access", "Created"],
            ),
            ("#lista .btn.main", &["Add"]),
            ("#lista tbody tr:first-child td:nth-child(3)", &["Administrator"]),
        ],
    ),
    (
        "/usuarios/2/excluir",
        &[
            ("dialog h2", &["Really remove this user's access?"]),
            ("dialog .acts > *", &["Cancel", "Remove"]),
        ],
    ),
    (
        "/usuarios/novo",
        &[
            ("h1", &["Add a user"]),
            (".head h1 + p", &["Add a user to the system"]),
            (
                "main .form label",
                &["Name", "Login", "Password", "Repeat password", "Access", "Created"],
            ),
            ("#p option", &["Administrator", "Client"]),
            ("#d-h", &["Set by the system."]),
            ("main .acts > *", &["Cancel", "Save"]),
        ],
    ),
    (
        "/auditoria",
        &[
            ("h1", &["Audit"]),
            ("thead th", &["When", "Who", "Action", "Target", "Before", "After"]),
        ],
    ),
    ("/nothing-here", &[("h1", &["Nothing here"]), (".btn.main", &["See all backups"])]),
];

#[test]
fn every_page_has_its_words_in_english() {
    let site = Site::start();
    let browser = Browser::start(estate::ZONE);
    site.sign_in(&browser, ADMIN, "en");
    let mut wrong = Vec::new();
    for (path, words) in PAGES {
        site.go(&browser, path);
        assert_eq!(browser.attribute("html", "lang"), "en", "{path}");
        for (css, expected) in words {
            let found = browser.texts(css);
            if found != *expected {
                wrong.push(format!("{path} {css}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What is told after something was done, and what was wrong with a form.
    for (done, title) in [
        ("excluido", "The user's access was removed"),
        ("alterado", "The user was changed."),
        ("cadastrado", "User added!"),
    ] {
        site.go(&browser, &format!("/usuarios?feito={done}"));
        assert_eq!(browser.texts("dialog:modal h2"), [title]);
    }
    site.go(&browser, "/usuarios/novo");
    browser.press("Save");
    browser.until("return document.querySelector('dialog:modal') !== null");
    assert_eq!(browser.texts("dialog:modal h2"), ["The user was not added. Fill in all fields."]);
}
