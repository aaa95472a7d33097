//! Directories that containers share, for one to write and another to read.

use std::borrow::Cow;

use super::parts::{empty_dir, mount, volume};
use super::{Context, Plan, Skip};
use crate::pod::{Pod, VolumeMount, VolumeSource};
use crate::settings::is_mountable;

/// More directories than anybody collects; each is looked for in every container.
const MAX_DIRECTORIES: usize = 256;

/// The directory of a path with wildcards: of what stands before the first of them.
pub(super) fn directory(pattern: &str) -> &str {
    let (fixed, _) = pattern.split_once(['*', '?', '[', '{']).unwrap_or((pattern, ""));
    match fixed.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => "",
    }
}

/// Plans the sharing of directories among the containers of a pod, and gives their mounts.
///
/// An emptyDir that a container already mounts there is used; where one mounts something else, the
/// directory is left out. Every other directory gets the volume `PREFIX-N`, N being its place.
pub(super) fn share<'d, 'a>(
    pod: &Pod<'_, 'a>,
    directories: impl Iterator<Item = Cow<'d, str>>,
    prefix: &str,
    context: Context,
    plan: &mut Plan<'a>,
) -> Result<Vec<VolumeMount<'a>>, Skip> {
    let mut distinct: Vec<Cow<str>> = Vec::new();
    for directory in directories {
        if !distinct.contains(&directory) {
            distinct.push(directory);
        }
        if distinct.len() > MAX_DIRECTORIES {
            return Err(Skip::TooManyDirectories(MAX_DIRECTORIES));
        }
    }
    let mut mounts = Vec::new();
    for (index, directory) in distinct.iter().enumerate() {
        if !is_mountable(directory) {
            plan.notes.push(format!(
                "directory {} of the list is not shared: it is not an absolute, clean path",
                index.saturating_add(1)
            ));
            continue;
        }
        let there = pod.sharing_containers().filter_map(|(_, c)| c.mount_at(directory));
        let there: Vec<_> = there.collect();
        let shared = there.iter().find(|mount| {
            let volume = pod.volume(&mount.volume);
            volume.is_some_and(|volume| volume.source == VolumeSource::EmptyDir)
                && !mount.has_sub_path_expr
        });
        let mount = match shared {
            Some(shared) => VolumeMount::new(
                shared.volume.clone(),
                shared.path.clone(),
                shared.sub_path.clone(),
            ),
            None if !there.is_empty() => {
                plan.notes.push(format!(
                    "directory {} of the list is not shared: a container mounts a volume there \
                     that is no emptyDir",
                    index.saturating_add(1)
                ));
                continue;
            }
            None => {
                let new = empty_dir(&format!("{prefix}-{index}"), context);
                mount(volume(pod, new, &mut plan.edits), directory.clone().into_owned())
            }
        };
        for (place, container) in pod.sharing_containers() {
            if container.mount_at(directory).is_none() {
                plan.edits.mounts.push((place, mount.clone()));
            }
        }
        mounts.push(mount);
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn takes_the_directory_before_the_first_wildcard() {
        for (pattern, expected) in [
            ("/var/log/app/*.log", "/var/log/app"),
            ("/tmp/opt/**/*.log", "/tmp/opt"),
            ("/data/logs/err.log", "/data/logs"),
            ("/var/log/app*", "/var/log"),
            ("/var/log/app-?/x.log", "/var/log"),
            ("/var/log/[ab]/x.log", "/var/log"),
            ("/var/log/{a,b}/x.log", "/var/log"),
            ("/var/log/", "/var/log"),
            ("/x.log", "/"),
            ("/*.log", "/"),
            ("*.log", ""),
            ("logs/x.log", "logs"),
            ("", ""),
        ] {
            assert_eq!(directory(pattern), expected, "{pattern}");
        }
    }
}
