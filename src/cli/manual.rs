//! `vex man` and `vex completions`: made of the table of the command line, so they are never old.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::args::{self, Args};
use crate::cli::exit::Exit;
use crate::cli::wiring::{complain, tell};

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Exit {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "vex", &mut out);
    tell(String::from_utf8_lossy(&out).trim_end());
    Exit::Success
}

/// Prints one page, or writes the pages of all commands into a folder.
pub fn man(args: &args::Man) -> Exit {
    let mut top = Args::command();
    top.build();
    if let Some(folder) = &args.out {
        return match write_all(&top, folder) {
            Ok(()) => Exit::Success,
            Err(error) => {
                complain(&format!("unable to write the manual into {}: {error}", folder.display()));
                Exit::Error
            }
        };
    }
    let mut found = &top;
    for word in &args.command {
        let Some(next) = found.find_subcommand(word) else {
            let known: Vec<&str> = found.get_subcommands().map(Command::get_name).collect();
            let known = match known.is_empty() {
                true => format!("{} has no commands of its own", found.get_name()),
                false => format!("there are {}", known.join(", ")),
            };
            complain(&format!("there is no command {word}; {known}"));
            return Exit::Usage;
        };
        found = next;
    }
    match page(found) {
        Ok(page) => {
            tell(page.trim_end());
            Exit::Success
        }
        Err(error) => {
            complain(&format!("unable to write the page: {error}"));
            Exit::Error
        }
    }
}

/// A page in roff. Built commands know their full name: `vex-catalog-rebuild`.
fn page(command: &Command) -> std::io::Result<String> {
    let mut out = Vec::new();
    Man::new(command.clone()).render(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn write_all(command: &Command, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    inner.try_for_each(|inner| write_all(inner, folder))
}
