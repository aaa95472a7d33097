//! An agent that an init container copies and variables load.

use crate::pod::container::Container;

/// An agent of one language.
#[derive(Debug)]
pub(crate) struct Agent {
    /// The volume that it is copied to.
    pub(crate) volume: &'static str,
    /// Where that volume is mounted.
    pub(super) directory: &'static str,
    /// The command that copies it.
    pub(super) command: Command,
    /// The file of the library, where a second one beside it breaks the process.
    pub(super) library: Option<&'static str>,
    /// The variables that load it.
    pub(super) loaders: &'static [(&'static str, Loader)],
}

#[derive(Debug)]
pub(super) enum Command {
    Fixed(&'static [&'static str]),
    /// A shell script, made for a flavor of the agent.
    Script(fn(&str) -> String),
}

/// How a variable that loads an agent is made from the value that is there.
#[derive(Debug)]
pub(super) enum Loader {
    /// Set to this where nothing is there; what is there stays.
    Default(&'static str),
    /// Appended, with the space before it.
    Option(&'static str),
    /// Appended after one space, or alone.
    SpacedOption(&'static str),
    /// Paths before and after those that are there, separated by colons; `absent` is used if
    /// there are none.
    Paths { first: Option<&'static str>, absent: Option<&'static str>, last: Option<&'static str> },
}

impl Loader {
    /// Whether a value loads the agent already.
    fn is_loaded(&self, present: &str) -> bool {
        matches!(self, Self::Default(_)) || self.affixes(present).is_none()
    }

    /// What to add before and after the value that is there; nothing where that loads the agent
    /// already.
    pub(super) fn affixes(&self, present: &str) -> Option<(String, String)> {
        match self {
            Self::Default(value) => Some(((*value).to_owned(), String::new())),
            Self::Option(option) => (!present.contains(option.trim_start()))
                .then(|| (String::new(), (*option).to_owned())),
            Self::SpacedOption(option) => (!present.contains(option)).then(|| {
                let space = if present.is_empty() { "" } else { " " };
                (String::new(), format!("{space}{option}"))
            }),
            Self::Paths { first, absent, last } => {
                let own = first.or(*last);
                if own.is_some_and(|own| present.split(':').any(|path| path == own)) {
                    return None;
                }
                if present.is_empty() {
                    let paths: Vec<&str> = [*first, *absent, *last].into_iter().flatten().collect();
                    return Some((paths.join(":"), String::new()));
                }
                let before = first.map(|first| format!("{first}:")).unwrap_or_default();
                let after = last.map(|last| format!(":{last}")).unwrap_or_default();
                Some((before, after))
            }
        }
    }
}

impl Agent {
    /// Whether the variables of a container load this agent, as far as they can be seen.
    pub(crate) fn is_loaded_by(&self, container: &Container) -> bool {
        self.loaders.iter().all(|(name, loader)| match container.env(name) {
            None => false,
            Some(variable) => variable.literal().is_none_or(|it| loader.is_loaded(&it)),
        })
    }

    /// Whether a container loads the library from another directory.
    pub(crate) fn is_elsewhere(&self, container: &Container) -> bool {
        let Some(library) = self.library else {
            return false;
        };
        let is_own =
            |before: &str| before.strip_suffix('/').is_some_and(|it| it.ends_with(self.directory));
        container.says(|text| {
            let mut places = text.match_indices(library);
            places.any(|(place, _)| !is_own(text.get(..place).unwrap_or_default()))
        })
    }

    /// Whether a container mounts the directory of this agent.
    pub(crate) fn is_mounted(&self, container: &Container) -> bool {
        container.mounts.iter().any(|it| it.path == self.directory && it.volume == self.volume)
    }

    /// Removes the mount of that directory.
    pub(crate) fn unmount(&self, container: &mut Container) {
        container.mounts.retain(|it| it.path != self.directory || it.volume != self.volume);
    }

    /// Takes what loads this agent out of the selected variables of a container. Returns whether there
    /// was anything.
    pub(crate) fn disconnect(
        &self,
        container: &mut Container,
        is_meant: impl Fn(&str) -> bool,
    ) -> bool {
        let mut is_changed = false;
        for (name, loader) in self.loaders.iter().filter(|(name, _)| is_meant(name)) {
            let (prefix, suffix) = loader.affixes("").unwrap_or_default();
            let added_alone = prefix + &suffix;
            container.env.retain_mut(|variable| {
                let value = variable.literal().filter(|_| variable.name == *name);
                let Some(value) = value else {
                    return true;
                };
                if *value == *added_alone {
                    is_changed = true;
                    return false;
                }
                if let Some(rest) = loader.without(&value) {
                    is_changed = true;
                    variable.set(&rest);
                }
                true
            });
        }
        is_changed
    }
}

impl Loader {
    /// A value without what this adds to one; nothing where it is not there.
    fn without(&self, value: &str) -> Option<String> {
        match self {
            Self::Default(_) => None,
            Self::Option(option) | Self::SpacedOption(option) => {
                let option = option.trim_start();
                let (before, after) = value.split_once(option)?;
                Some(format!("{}{after}", before.strip_suffix(' ').unwrap_or(before)))
            }
            Self::Paths { first, last, .. } => {
                let own = [*first, *last];
                let is_own = |path: &&str| own.contains(&Some(*path));
                let rest: Vec<&str> = value.split(':').filter(|path| !is_own(path)).collect();
                let rest = rest.join(":");
                (rest != value).then_some(rest)
            }
        }
    }
}
