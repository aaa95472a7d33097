//! The mounts of a container, to be found by path. Many are sorted, so that those above a path are found
//! without a look at all others.

use std::cmp::Reverse;

use super::container::{Container, VolumeMount, below, names, within};
use crate::collections::map;

/// As many are looked through faster than they are sorted.
const FEW: usize = 16;

/// The mounts of a container.
#[derive(Debug)]
pub(crate) struct Mounts<'c, 'a> {
    pub(crate) container: &'c Container<'a>,
    /// Sorted by the names in their paths; of several on one directory the first comes last. Empty
    /// where there are few.
    nodes: Vec<Node<'c, 'a>>,
}

#[derive(Debug)]
struct Node<'c, 'a> {
    mount: &'c VolumeMount<'a>,
    /// The names in its path.
    names: Vec<&'c str>,
    /// The place of the nearest one above it, or of the next one on its directory.
    above: Option<usize>,
}

/// What a container finds at a path.
#[derive(Clone, Debug)]
pub(crate) enum Found<'c, 'a> {
    /// What its image has there.
    Image,
    /// A mount at exactly that path.
    At(&'c VolumeMount<'a>),
    /// A mount on that directory under another path (`/data/`), which Kubernetes tells from this one.
    On(&'c VolumeMount<'a>),
    /// A mount above it, and where the path is in that.
    Below(&'c VolumeMount<'a>, String),
    /// A block device.
    Device,
}

impl<'c, 'a> Mounts<'c, 'a> {
    pub(crate) fn of(container: &'c Container<'a>) -> Self {
        match container.mounts.len() {
            ..=FEW => Self { container, nodes: Vec::new() },
            _ => Self::sorted(container),
        }
    }

    fn sorted(container: &'c Container<'a>) -> Self {
        let mounts = container.mounts.iter().enumerate();
        let key = |(place, mount): (usize, &'c VolumeMount<'a>)| {
            ((names(&mount.path).collect::<Vec<_>>(), Reverse(place)), mount)
        };
        let mut tree = Self { container, nodes: Vec::with_capacity(container.mounts.len()) };
        for ((names, _), mount) in map(mounts.map(key)) {
            let above = tree.nearest(tree.nodes.len(), &names);
            tree.nodes.push(Node { mount, names, above });
        }
        tree
    }

    /// What the container finds at a path; of the mounts on and above it, those that are meant count.
    pub(crate) fn find(
        &self,
        path: &str,
        is_meant: impl Fn(&VolumeMount) -> bool,
    ) -> Found<'c, 'a> {
        if let Some(mount) = self.at(path) {
            return Found::At(mount);
        }
        if self.container.has_device_on(path) {
            return Found::Device;
        }
        match self.on_or_above(path, is_meant) {
            None => Found::Image,
            Some((mount, rest)) if rest.is_empty() => Found::On(mount),
            Some((mount, rest)) => Found::Below(mount, rest),
        }
    }

    /// The mount at exactly that path.
    fn at(&self, path: &str) -> Option<&'c VolumeMount<'a>> {
        if self.nodes.is_empty() {
            return self.container.mount_at(path);
        }
        let names: Vec<&str> = names(path).collect();
        let on_directory = self.nodes.iter().skip(self.before(&names));
        let on_directory = on_directory.take_while(|node| node.names == names);
        on_directory.filter(|node| node.mount.path == path).last().map(|node| node.mount)
    }

    /// The nearest of some mounts on or above a path, and where the path is in that.
    fn on_or_above(
        &self,
        path: &str,
        is_meant: impl Fn(&VolumeMount) -> bool,
    ) -> Option<(&'c VolumeMount<'a>, String)> {
        if self.nodes.is_empty() {
            let meant = self.container.mounts.iter().filter(|mount| is_meant(mount));
            let around = meant.filter_map(|mount| Some((mount, within(path, &mount.path)?)));
            return around.min_by_key(|(_, rest)| rest.len());
        }
        let names: Vec<&str> = names(path).collect();
        let count = self.nodes.partition_point(|node| node.names <= names);
        let mount = self.nearest_meant(count, &names, is_meant)?;
        Some((mount, within(path, &mount.path)?))
    }

    /// The nearest of some mounts above a path, and where the path is in that.
    pub(crate) fn above(
        &self,
        path: &str,
        is_meant: impl Fn(&VolumeMount) -> bool,
    ) -> Option<(&'c VolumeMount<'a>, String)> {
        if self.nodes.is_empty() {
            return self.container.mount_above(path, is_meant);
        }
        let names: Vec<&str> = names(path).collect();
        let mount = self.nearest_meant(self.before(&names), &names, is_meant)?;
        Some((mount, below(path, &mount.path)?))
    }

    /// How many nodes come before a path.
    fn before(&self, names: &[&str]) -> usize {
        self.nodes.partition_point(|node| &*node.names < names)
    }

    /// Of the first `count` nodes, the nearest on or above a path whose mount is meant.
    fn nearest_meant(
        &self,
        count: usize,
        names: &[&str],
        is_meant: impl Fn(&VolumeMount) -> bool,
    ) -> Option<&'c VolumeMount<'a>> {
        let mut node = self.nodes.get(self.nearest(count, names)?)?;
        while !is_meant(node.mount) {
            node = self.nodes.get(node.above?)?;
        }
        Some(node.mount)
    }

    /// The last of the first `count` nodes that is on or above a path, which none of them follows.
    fn nearest(&self, count: usize, names: &[&str]) -> Option<usize> {
        let mut place = count.checked_sub(1)?;
        let mut node = self.nodes.get(place)?;
        let pairs = node.names.iter().zip(names);
        let common = pairs.take_while(|(one, other)| one == other).count();
        while node.names.len() > common {
            place = node.above?;
            node = self.nodes.get(place)?;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Value;

    fn path() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("a"), Just("a-b"), Just("b"), Just(""), Just(".")];
        prop::collection::vec(name, 1..5).prop_map(|names| format!("/{}", names.join("/")))
    }

    proptest! {
        #[test]
        fn sorted_mounts_are_found_as_those_that_are_looked_through(
            mounts in prop::collection::vec((path(), 0..3_u8), 1..12), path in path(), volume in 0..4_u8
        ) {
            let text = |(path, volume): &(String, u8)| {
                format!(r#"{{"name":"{volume}","mountPath":"{path}"}}"#)
            };
            let texts: Vec<String> = mounts.iter().map(text).collect();
            static SHAPE: crate::json::Shape = crate::json::Shape::Object(&[]);
            let mut container = Container::new("x");
            container.mounts = texts
                .iter()
                .filter_map(|text| VolumeMount::read(Value::open(text, &SHAPE).unwrap()))
                .collect();
            prop_assert_eq!(container.mounts.len(), mounts.len());
            let is_meant = |mount: &VolumeMount| volume == 3 || mount.volume == volume.to_string();
            let place = |(mount, rest): (&VolumeMount, String)| {
                (container.mounts.iter().position(|it| std::ptr::eq(it, mount)), rest)
            };
            prop_assert_eq!(
                Mounts::sorted(&container).above(&path, is_meant).map(place),
                container.mount_above(&path, is_meant).map(place)
            );
            let (sorted, few) = (Mounts::sorted(&container), Mounts::of(&container));
            prop_assert_eq!(
                sorted.on_or_above(&path, is_meant).map(place),
                few.on_or_above(&path, is_meant).map(place)
            );
            let at = |mount: &VolumeMount| place((mount, String::new()));
            prop_assert_eq!(sorted.at(&path).map(at), few.at(&path).map(at));
        }
    }
}
