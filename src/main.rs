//! The door: calls `cli::main`.

use vex::cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
