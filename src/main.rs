//! The door: calls the library.

fn main() -> std::process::ExitCode {
    vex::main()
}
