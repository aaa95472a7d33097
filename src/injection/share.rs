//! Directories that containers share, for one to write and another to read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::parts::{empty_dir, mount, volume};
use super::{Ask, Plan};
use crate::injection::containers::sharing_containers;
use crate::injection::skip::Skip;
use crate::pod::Pod;
use crate::pod::container::VolumeMount;
use crate::pod::volume::VolumeSource;
use crate::rules::read::is_mountable;

/// More directories than anybody collects; each is looked for in every container.
const MAX_DIRECTORIES: usize = 256;

/// More mounts than any pod needs: each of the directories in each of 64 containers.
const MAX_MOUNTS: usize = 64 * MAX_DIRECTORIES;

/// Directories that an image cannot do without: an emptyDir would hide what is in them.
const ESSENTIAL: &[&str] = &[
    "", "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr",
    "var", "home", "opt",
];

/// Whether an emptyDir must not be mounted at a path.
pub(super) fn is_essential(path: &str) -> bool {
    let inner = path.trim_matches('/');
    let in_usr = inner.strip_prefix("usr/").is_some_and(|rest| !rest.contains('/'));
    in_usr || ESSENTIAL.contains(&inner)
}

/// The directory of a path with wildcards: of the part before the first of them, without slashes at
/// its end, as Go's `filepath.Dir` gives it.
pub(super) fn directory(pattern: &str) -> &str {
    let (fixed, _) = pattern.split_once(['*', '?', '[', '{']).unwrap_or((pattern, ""));
    let directory = fixed.rsplit_once('/').map_or("", |(directory, _)| directory);
    match directory.trim_end_matches('/') {
        "" if fixed.starts_with('/') => "/",
        trimmed => trimmed,
    }
}

/// A directory as the settings give it: one with wildcards means the directory before the first; a
/// slash at its end goes where the pod mounts the directory without it.
pub(super) fn given_directory<'d>(path: &'d str, pod: &Pod, ask: &Ask) -> Cow<'d, str> {
    if path.contains(['*', '?', '[', '{']) {
        return Cow::Borrowed(directory(path));
    }
    if let Some(without) = path.strip_suffix('/')
        && sharing_containers(pod, ask.context.options)
            .any(|(_, it)| it.mount_at(without).is_some())
    {
        return Cow::Borrowed(without);
    }
    Cow::Borrowed(path)
}

/// Why directories of the list are not shared; each reason is told once, with their number.
#[derive(Default)]
struct Unshared {
    unclean: usize,
    essential: usize,
    mounted: usize,
}

impl Unshared {
    fn notes(&self, notes: &mut Vec<String>) {
        for (count, reason) in [
            (self.unclean, "not an absolute, clean path"),
            (self.essential, "an image cannot do without it"),
            (self.mounted, "a container mounts a volume there that is not an emptyDir"),
        ] {
            match count {
                0 => {}
                1 => notes.push(format!("1 directory is not shared: {reason}")),
                _ => notes.push(format!("{count} directories are not shared: {reason}")),
            }
        }
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
    ask: &Ask<'_, 'a>,
    plan: &mut Plan<'a>,
) -> Result<Vec<VolumeMount<'a>>, Skip> {
    let mut seen = BTreeSet::new();
    let mut distinct: Vec<Cow<str>> = Vec::new();
    for directory in directories {
        if seen.insert(directory.clone()) {
            distinct.push(directory);
        }
        if distinct.len() > MAX_DIRECTORIES {
            return Err(Skip::TooManyDirectories(MAX_DIRECTORIES));
        }
    }
    let containers = sharing_containers(pod, ask.context.options).count();
    if distinct.len().saturating_mul(containers) > MAX_MOUNTS {
        return Err(Skip::TooManyMounts(MAX_MOUNTS));
    }
    let mut unshared = Unshared::default();
    let mut mounts = Vec::new();
    for (index, directory) in distinct.iter().enumerate() {
        if !is_mountable(directory) {
            unshared.unclean = unshared.unclean.saturating_add(1);
            continue;
        }
        if is_essential(directory) {
            unshared.essential = unshared.essential.saturating_add(1);
            continue;
        }
        let mut is_mounted = false;
        let mut shared = None;
        for (_, container) in sharing_containers(pod, ask.context.options) {
            let Some(mount) = container.mount_at(directory) else {
                continue;
            };
            is_mounted = true;
            let volume = pod.volume(&mount.volume);
            let is_empty_dir = volume.is_some_and(|it| it.source == VolumeSource::EmptyDir)
                && !ask.context.claims.contains(&*mount.volume);
            if is_empty_dir && !mount.has_sub_path_expr {
                shared = Some(mount);
                break;
            }
        }
        let mount = match shared {
            Some(shared) => VolumeMount::new(
                shared.volume.clone(),
                shared.path.clone(),
                shared.sub_path.clone(),
            ),
            None if is_mounted => {
                unshared.mounted = unshared.mounted.saturating_add(1);
                continue;
            }
            None => {
                let new = empty_dir(&format!("{prefix}-{index}"), ask);
                mount(volume(pod, new, ask, &mut plan.edits)?, directory.clone().into_owned())
            }
        };
        for (place, container) in sharing_containers(pod, ask.context.options) {
            if container.mount_at(directory).is_none() {
                plan.edits.mounts.push((place, mount.clone()));
            }
        }
        mounts.push(mount);
    }
    unshared.notes(&mut plan.notes);
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("/data/logs//", "/data/logs"),
            ("/data//logs/x.log", "/data//logs"),
            ("//x.log", "/"),
            ("/x.log", "/"),
            ("/*.log", "/"),
            ("*.log", ""),
            ("logs/x.log", "logs"),
            ("", ""),
        ] {
            assert_eq!(directory(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn knows_what_an_image_cannot_do_without() {
        for path in
            ["/", "/bin", "/etc/", "/usr", "/usr/lib", "/usr/local/", "/var", "/opt", "/home"]
        {
            assert!(is_essential(path), "{path}");
        }
        for path in ["/data", "/var/log", "/usr/share/nginx", "/opt/app", "/tmp", "/etc/app"] {
            assert!(!is_essential(path), "{path}");
        }
    }
}
