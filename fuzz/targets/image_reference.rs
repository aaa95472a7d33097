//! What is read as an image reference is written back, and takes a tag.
#![no_main]

use datakit_injection::rules::image::ImageReference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(image) = ImageReference::parse(text) {
        assert_eq!(image.to_string(), text);
        let tagged = image.with_tag("v1").expect("a tag");
        assert_eq!(ImageReference::parse(&tagged.to_string()), Ok(tagged));
    }
});
