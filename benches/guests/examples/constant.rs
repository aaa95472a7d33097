//! A guest that does nothing: what is left is the host's own cost.

#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    bench_guests::register(|_| Ok(br#"{"accepted":true}"#.to_vec()));
}
