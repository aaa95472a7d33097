//! The containers that injections add, by name, and the containers that are the user's.

use crate::options::Options;
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef};

pub(super) const LIB_INIT: &str = "datakit-lib-init";
pub(super) const OTEL_LIB_INIT: &str = "datakit-otel-lib-init";
pub(super) const LOGFWD: &str = "datakit-logfwd";
pub(super) const FLAMESHOT: &str = "datakit-flameshot";
pub(super) const PROFILER: &str = "datakit-profiler";

const SIDECARS: [&str; 3] = [LOGFWD, FLAMESHOT, PROFILER];

/// Whether an injection adds a container of that name.
pub(super) fn is_added(name: &str) -> bool {
    is_sidecar(name) || is_agent(name)
}

/// Whether an injection adds a container of that name to copy an agent.
pub(super) fn is_agent(name: &str) -> bool {
    matches!(name, LIB_INIT | OTEL_LIB_INIT)
}

/// The regular containers that the user wrote and the options do not ignore.
pub(crate) fn own_containers<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    options: &Options,
) -> impl Iterator<Item = (ContainerRef, &'p Container<'a>)> {
    let regular = pod.containers.iter().enumerate();
    let own = regular.filter(|(_, container)| {
        !is_sidecar(&container.name) && !options.ignored_containers.contains(&container.name)
    });
    own.map(|(place, container)| (ContainerRef::Regular(place), container))
}

/// The containers that share directories: the user's, and the sidecars of this policy.
pub(super) fn sharing_containers<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    options: &Options,
) -> impl Iterator<Item = (ContainerRef, &'p Container<'a>)> {
    pod.all_containers().filter(|(place, container)| shares(*place, container, options))
}

/// Whether a container shares directories.
pub(super) fn shares(place: ContainerRef, container: &Container, options: &Options) -> bool {
    let is_ignored = || options.ignored_containers.contains(&container.name);
    let is_regular = matches!(place, ContainerRef::Regular(_));
    is_sidecar(&container.name) || (is_regular && !is_ignored())
}

fn is_sidecar(name: &str) -> bool {
    SIDECARS.contains(&name)
}
