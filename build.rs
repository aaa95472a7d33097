//! Links the module with memory to start with: growing it is a call to the host at every request.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-bins=--initial-memory=4194304");
    }
}
