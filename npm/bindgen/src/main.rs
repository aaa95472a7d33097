//! `bindgen MODULE FOLDER`: writes the JavaScript of a module, for browsers and Node alike.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, folder] = &*paths else {
        return Err("usage: bindgen MODULE FOLDER".into());
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .out_name("datakit_injection")
        .input_path(module)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.generate(folder)?;
    Ok(())
}
