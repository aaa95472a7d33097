//! The list of volumes with which the cluster autoscaler may remove a node: names, separated by
//! commas, in one annotation of the pod.
//! <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>

use crate::collections::set;

/// A list with names at its end, and which of them are new; nothing where all are there.
pub(crate) fn with(list: &str, names: &[String]) -> Option<(String, Vec<String>)> {
    let present = set(list.split(',').map(str::trim));
    let new = names.iter().filter(|name| !present.contains(&***name));
    let new: Vec<String> = new.cloned().collect();
    let text = new.join(",");
    let text = if list.is_empty() { text } else { format!("{list},{text}") };
    (!new.is_empty()).then_some((text, new))
}

/// Whether all of some names are in a list.
pub(crate) fn has(list: &str, names: &[String]) -> bool {
    let present = set(list.split(',').map(str::trim));
    names.iter().all(|name| present.contains(&**name))
}

/// A list without names that were added; all of it where one of them is missing, because the list
/// was replaced then.
pub(crate) fn without(list: &str, names: &[String]) -> String {
    let added = names.join(",");
    match list.strip_suffix(&added) {
        Some("") => return String::new(),
        Some(rest) if rest.ends_with(',') => {
            return rest.strip_suffix(',').unwrap_or(rest).to_owned();
        }
        _ => {}
    }
    if !has(list, names) {
        return list.to_owned();
    }
    let names = set(names.iter().map(|name| &**name));
    let rest = list.split(',').filter(|name| !names.contains(name.trim()));
    rest.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_what_it_adds() {
        let names = ["x".to_owned(), "y".to_owned()];
        for (list, expected, added) in [
            ("", "x,y", 2),
            ("a", "a,x,y", 2),
            ("a, b", "a, b,x,y", 2),
            ("a,", "a,,x,y", 2),
            (" ", " ,x,y", 2),
            ("x,a", "x,a,y", 1),
            ("a, y ", "a, y ,x", 1),
        ] {
            let (with, new) = with(list, &names).unwrap();
            assert_eq!((&*with, new.len()), (expected, added), "{list}");
            assert_eq!(without(&with, &new), list);
        }
        assert_eq!(with("y,x", &names), None);
        assert_eq!(without("x,a, y", &names), "a");
        assert_eq!(without("a,x", &names), "a,x");
        assert_eq!(without("b", &names), "b");
    }
}
