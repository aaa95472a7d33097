//! Directories that containers share, for one to write and another to read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::parts::{empty_dir, mount, volume};
use super::{Ask, Plan};
use crate::collections::map;
use crate::injection::containers::{is_agent, shares, sharing_containers};
use crate::injection::skip::{ContainerName as Name, Skip};
use crate::json::{Shape, Value};
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, VolumeMount, below};
use crate::pod::lists::elements;
use crate::pod::mounts::{Found, Mounts};
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
    // The kernel's file systems: a runtime refuses mounts in them.
    let is_kernels = inner.starts_with("proc/") || inner.starts_with("sys/");
    in_usr || is_kernels || ESSENTIAL.contains(&inner)
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
    needed: usize,
}

impl Unshared {
    fn notes(&self, notes: &mut Vec<String>) {
        for (count, reason) in [
            (self.unclean, "not an absolute, clean path"),
            (self.essential, "an image cannot do without it"),
            (self.mounted, "a container mounts something there that is not an emptyDir"),
            (self.needed, "the working directory or program of a container is there"),
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
/// A directory that is on an emptyDir already stays there: one that is mounted at it, or above it.
/// Where a container mounts something else there, the directory is left out: an emptyDir would hide
/// what is in it. Every other directory gets the volume `PREFIX-N`, N being its place.
pub(super) fn share<'d, 'a>(
    pod: &Pod<'_, 'a>,
    directories: impl Iterator<Item = Cow<'d, str>>,
    prefix: &str,
    ask: &Ask<'_, 'a>,
    plan: &mut Plan<'a>,
) -> Result<Vec<VolumeMount<'a>>, Skip> {
    let directories = distinct(directories)?;
    let sharing = sharing_containers(pod, ask.context.options).count();
    if directories.len().saturating_mul(sharing) > MAX_MOUNTS {
        return Err(Skip::TooManyMounts(MAX_MOUNTS));
    }
    // A native sidecar starts first: what is below another directory must be on its volume.
    let rank = |directory: &str| if ask.context.native_sidecars { directory.len() } else { 0 };
    let ranked = directories.into_iter().map(|(place, it)| ((rank(&it), place), it));
    let directories = map(ranked);
    let containers: Vec<Sharer> = pod.all_containers().map(Sharer::of).collect();
    let is_needed =
        |directory: &str| containers.iter().any(|it| it.shares(ask) && it.needs(directory));
    let mut unshared = Unshared::default();
    let mut unmounted = Unmounted::default();
    let mut mounts: Vec<VolumeMount> = Vec::new();
    for ((_, index), directory) in &directories {
        if let Some(count) = unshared.of(directory) {
            *count = count.saturating_add(1);
            continue;
        }
        let covers = |mount: &VolumeMount| below(directory, &mount.path).is_some();
        if ask.context.native_sidecars && mounts.iter().any(covers) {
            continue;
        }
        let mount = match place(pod, directory, &containers, ask) {
            Place::Shared(mount) => mount,
            Place::Taken => {
                unshared.mounted = unshared.mounted.saturating_add(1);
                continue;
            }
            Place::Free if is_needed(directory) => {
                unshared.needed = unshared.needed.saturating_add(1);
                continue;
            }
            Place::Free => {
                let new = empty_dir(&format!("{prefix}-{index}"), ask);
                mount(volume(pod, new, ask, &mut plan.edits)?, directory.clone().into_owned())
            }
        };
        mount_everywhere(pod, &containers, directory, &mount, ask, plan, &mut unmounted);
        mounts.push(mount);
    }
    unshared.notes(&mut plan.notes);
    unmounted.notes(&mut plan.notes);
    Ok(mounts)
}

/// A container, and what it has where.
struct Sharer<'p, 'a> {
    place: ContainerRef,
    mounts: Mounts<'p, 'a>,
    /// Its working directory and its program, which an emptyDir must not hide.
    needs: Vec<Cow<'a, str>>,
}

impl<'p, 'a> Sharer<'p, 'a> {
    fn of((place, container): (ContainerRef, &'p Container<'a>)) -> Self {
        static COMMAND: Shape = Shape::Array(&Shape::Text);
        let command = elements(container.body.get("command"), &COMMAND);
        let program = command.first().and_then(Value::as_str);
        let needs = container.body.get_str("workingDir").into_iter().chain(program);
        let needs = needs.filter(|path| path.starts_with('/')).collect();
        Self { place, mounts: Mounts::of(container), needs }
    }

    /// Whether directories are shared with it.
    fn shares(&self, ask: &Ask) -> bool {
        shares(self.place, self.mounts.container, ask.context.options)
    }

    /// Whether its mounts are looked at. Init containers of agents hold no logs.
    fn is_looked_at(&self, ask: &Ask) -> bool {
        let name = &self.mounts.container.name;
        !is_agent(name) && !ask.context.options.ignored_containers.contains(name)
    }

    /// Whether it needs what its image has in a directory.
    fn needs(&self, directory: &str) -> bool {
        self.needs.iter().any(|path| {
            path.trim_end_matches('/') == directory.trim_end_matches('/')
                || below(path, directory).is_some()
        })
    }
}

/// Mounts a directory in every container that has nothing there.
fn mount_everywhere<'p, 'a>(
    pod: &Pod<'_, 'a>,
    containers: &[Sharer<'p, 'a>],
    directory: &str,
    mount: &VolumeMount<'a>,
    ask: &Ask<'_, 'a>,
    plan: &mut Plan<'a>,
    unmounted: &mut Unmounted<'p>,
) {
    for sharer in containers.iter().filter(|sharer| sharer.shares(ask)) {
        let Sharer { place, mounts, .. } = sharer;
        let of_volume = mounts.above(directory, |it| it.volume == mount.volume);
        if of_volume.is_some_and(|(there, rest)| is_part(there, &rest, mount)) {
            continue;
        }
        match mounts.find(directory, counts(ask)) {
            Found::Image if sharer.needs(directory) => {
                unmounted.needed.insert(&mounts.container.name);
            }
            Found::Image => plan.edits.mounts.push((*place, mount.clone())),
            // As the reference does.
            Found::On(there) if is_empty_dir(pod, there, ask) => {
                plan.edits.mounts.push((*place, mount.clone()));
            }
            Found::At(there) if is_part(there, "", mount) => {}
            _ => {
                unmounted.unread.insert(&mounts.container.name);
            }
        }
    }
}

/// The containers in which a shared directory is not mounted.
#[derive(Default)]
struct Unmounted<'p> {
    /// They have another volume there.
    unread: BTreeSet<&'p str>,
    /// It would hide what they need.
    needed: BTreeSet<&'p str>,
}

impl Unmounted<'_> {
    fn notes(&self, notes: &mut Vec<String>) {
        for name in &self.unread {
            let name = Name::new(name);
            notes.push(format!(
                "container {name} mounts another volume at a shared directory; only the first is read"
            ));
        }
        for name in &self.needed {
            let name = Name::new(name);
            notes.push(format!(
                "a shared directory is not mounted in container {name}, whose working directory or \
                 program is there"
            ));
        }
    }
}

/// The directories, each once, with their places.
fn distinct<'d>(
    directories: impl Iterator<Item = Cow<'d, str>>,
) -> Result<Vec<(usize, Cow<'d, str>)>, Skip> {
    let mut seen = BTreeSet::new();
    let mut distinct = Vec::new();
    for directory in directories {
        if seen.insert(directory.clone()) {
            distinct.push((distinct.len(), directory));
        }
        if distinct.len() > MAX_DIRECTORIES {
            return Err(Skip::TooManyDirectories(MAX_DIRECTORIES));
        }
    }
    Ok(distinct)
}

impl Unshared {
    /// The count of directories that are like this one; nothing where nothing speaks against it.
    fn of(&mut self, directory: &str) -> Option<&mut usize> {
        if !is_mountable(directory) {
            Some(&mut self.unclean)
        } else if is_essential(directory) {
            Some(&mut self.essential)
        } else {
            None
        }
    }
}

/// What the containers of a pod have at a directory.
enum Place<'a> {
    /// An emptyDir that all can mount.
    Shared(VolumeMount<'a>),
    /// Something that no other container can mount.
    Taken,
    Free,
}

/// Finds what the containers of a pod have at a directory: what is mounted at it, else above it.
fn place<'a>(
    pod: &Pod<'_, 'a>,
    directory: &str,
    containers: &[Sharer<'_, 'a>],
    ask: &Ask<'_, 'a>,
) -> Place<'a> {
    let (mut at, mut above) = (Place::Free, Place::Free);
    for Sharer { mounts, .. } in containers.iter().filter(|it| it.is_looked_at(ask)) {
        let (place, mount, rest) = match mounts.find(directory, counts(ask)) {
            Found::Image => continue,
            Found::On(mount) if is_empty_dir(pod, mount, ask) => continue,
            Found::On(_) | Found::Device => (&mut at, None, String::new()),
            Found::At(mount) => (&mut at, Some(mount), String::new()),
            Found::Below(mount, rest) => (&mut above, Some(mount), rest),
        };
        let shared = mount.filter(|mount| is_empty_dir(pod, mount, ask));
        match (&place, shared) {
            (Place::Shared(_), _) | (Place::Taken, None) => {}
            (_, Some(mount)) => *place = Place::Shared(shared_at(directory, mount, &rest)),
            (Place::Free, None) => *place = Place::Taken,
        }
    }
    if matches!(at, Place::Free) { above } else { at }
}

/// Which mounts above a directory count: the reference mounts a new volume below its own. A native
/// sidecar could not start that way, if it mounts them read-only before anything is in them.
fn counts(ask: &Ask) -> impl Fn(&VolumeMount) -> bool + Copy {
    let is_native = ask.context.native_sidecars;
    move |mount| !mount.is_added || is_native && mount.is_read_only
}

fn is_empty_dir(pod: &Pod, mount: &VolumeMount, ask: &Ask) -> bool {
    let volume = pod.volume(&mount.volume);
    volume.is_some_and(|it| it.source == VolumeSource::EmptyDir)
        && !ask.context.claims.contains(&*mount.volume)
        && !mount.has_sub_path_expr
}

/// The mount of a directory that is in a mounted volume.
fn shared_at<'a>(directory: &str, mount: &VolumeMount<'a>, rest: &str) -> VolumeMount<'a> {
    if rest.is_empty() {
        let VolumeMount { volume, path, sub_path, .. } = mount;
        return VolumeMount::new(volume.clone(), path.clone(), sub_path.clone());
    }
    let sub_path = sub_path_of(mount, rest).into();
    VolumeMount::new(mount.volume.clone(), directory.to_owned().into(), Some(sub_path))
}

fn sub_path_of(mount: &VolumeMount, rest: &str) -> String {
    match &mount.sub_path {
        Some(sub_path) => format!("{}/{rest}", sub_path.trim_end_matches('/')),
        None => rest.to_owned(),
    }
}

/// Whether what a container mounts, or a directory below it, is what another mount has.
fn is_part(there: &VolumeMount, rest: &str, mount: &VolumeMount) -> bool {
    let sub_path = match rest {
        "" => there.sub_path.as_deref().map(str::to_owned),
        rest => Some(sub_path_of(there, rest)),
    };
    there.volume == mount.volume && sub_path.as_deref() == mount.sub_path.as_deref()
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
        for path in [
            "/",
            "/bin",
            "/etc/",
            "/usr",
            "/usr/lib",
            "/usr/local/",
            "/var",
            "/opt",
            "/home",
            "/proc/1/fd",
            "/sys/kernel/debug/",
        ] {
            assert!(is_essential(path), "{path}");
        }
        for path in
            ["/data", "/var/log", "/usr/share/nginx", "/opt/app", "/tmp", "/etc/app", "/process"]
        {
            assert!(!is_essential(path), "{path}");
        }
    }
}
