//! The binary: runs the command line, and exits with its code.

use std::process::ExitCode;

/// A request makes some hundred small allocations on several threads; the system's allocator spends an eighth of the
/// processor's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    conax_gateway::cli::run()
}
