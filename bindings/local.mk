# Bindings for other languages, installed as sources: compilers of Rust, Fortran and Zig read no other's
# output.
rustdir = $(pkgdatadir)/rust
rustsrcdir = $(rustdir)/src
rusttestsdir = $(rustdir)/tests
fortrandir = $(pkgdatadir)/fortran
pythonpkgdir = $(pkgdatadir)/python
zigdir = $(pkgdatadir)/zig
dist_rust_DATA = bindings/rust/Cargo.toml bindings/rust/README.md bindings/rust/build.rs
dist_rustsrc_DATA = bindings/rust/src/arena.rs bindings/rust/src/lib.rs
dist_rusttests_DATA = bindings/rust/tests/arena.rs bindings/rust/tests/scopes.rs
dist_fortran_DATA = bindings/fortran/arenashim.f90
dist_pythonpkg_DATA = bindings/python/README.md bindings/python/arenashim.py bindings/python/gain.py \
	bindings/python/pyproject.toml
dist_zig_DATA = bindings/zig/arenashim.zig
