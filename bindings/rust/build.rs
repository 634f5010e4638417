//! With the feature `arena`: finds libarena.a, by the folder in LIBARENA_DIR or by pkg-config.

use std::{env, process::Command};

fn installed() -> Option<String> {
    let output = Command::new("pkg-config")
        .args(["--variable=libdir", "arenashim-arena"])
        .output()
        .ok()?;
    let folder = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (output.status.success() && !folder.is_empty()).then_some(folder)
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBARENA_DIR");
    if env::var_os("CARGO_FEATURE_ARENA").is_none() {
        return;
    }
    match env::var("LIBARENA_DIR").ok().or_else(installed) {
        Some(folder) => println!("cargo:rustc-link-search=native={folder}"),
        None => panic!(
            "the feature `arena` needs libarena.a: set LIBARENA_DIR to its folder, or \
             PKG_CONFIG_PATH to that of arenashim-arena.pc"
        ),
    }
}
