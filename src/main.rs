//! The door: calls `cli::main`.

fn main() -> std::process::ExitCode {
    vex::cli::main()
}
