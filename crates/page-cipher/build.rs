//! Compiles SQLCipher from the sources of the crate `sqlcipher-src` with the C compiler alone.
//!
//! Flags are in `c/with_provider.c`. Nothing is looked up on the system and nothing is downloaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=c/with_provider.c");
    cc::Build::new()
        .file("c/with_provider.c")
        .include(sqlcipher_src::source_dir())
        // The database is as fast in tests as in a release.
        .opt_level(2)
        .debug(false)
        .warnings(false)
        .compile("vitae_sqlcipher");
}
