//! The ODBC driver manager, loaded when it is first needed.
//!
//! Owns the functions that the linker would otherwise want from `libodbc`: each one passes its
//! arguments on to the function of the same name in the library that [`load`] found. So the one
//! executable starts, and can be built, on machines without unixODBC; only whoever names an ODBC
//! source there is told what to install. On Windows the driver manager is part of the system, and
//! nothing of this is compiled.

#[cfg(not(windows))]
mod forward;

/// Where the library may be.
#[cfg(not(windows))]
const NAMES: [&std::ffi::CStr; 4] = [
    c"libodbc.so.2",
    c"libodbc.so.1",
    c"libodbc.so",
    c"libodbc.2.dylib",
];

/// No driver manager on this machine.
#[derive(Debug)]
pub struct Missing;

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "no ODBC driver manager on this machine: install unixODBC (Debian: apt-get install \
             unixodbc; Red Hat, openEuler, Kylin: dnf install unixODBC) and the driver of the database",
        )
    }
}

impl std::error::Error for Missing {}

/// Looks for the driver manager, once. Nothing of ODBC may be called before this has answered
/// `Ok`.
pub fn load() -> Result<(), Missing> {
    #[cfg(windows)]
    return Ok(());
    #[cfg(not(windows))]
    forward::load()
}
