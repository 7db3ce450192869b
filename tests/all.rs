//! One test binary: every file below is a module of it.
