//! `coverage`: which workloads run with the injections, and which without.

mod read;
mod restart;
mod state;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::{Output, Source};
use crate::cluster;
use crate::files::read_once;
use crate::object::{at, list, name, parsed, text};
use crate::policies::{Applied, Namespaces};
use crate::terminal::{Done, Exit, Failure, error, say};
use restart::hold;
use state::{Row, State, crash, row, summary};

#[derive(Args)]
pub(crate) struct Coverage {
    /// What `kubectl get -o json` or `-o yaml` printed; `-` is standard input, and the default
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[arg(short, long = "filename", value_name = "PATH", hide = true)]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// List workloads in these states alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE,…")]
    state: Vec<State>,
    /// How many workloads `-o restart` restarts at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..))]
    max: u8,
    /// Exit with 1 if a workload is in such a state
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table, for people
    #[default]
    #[value(alias = "text")]
    Table,
    Json,
    Yaml,
    /// A script that restarts what is pending or outdated, group by group
    Restart,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Pending, skipped, unreadable-record or crashing
    Missing,
    /// Those, or outdated
    Outdated,
}

impl Coverage {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let mut paths = [&*self.paths, &*self.filenames].concat();
        if paths.is_empty() && !self.source.cluster {
            paths.push(PathBuf::from("-"));
        }
        read_once(paths.iter().chain(&self.source.settings))?;
        let policies = self.source.policies()?;
        let (objects, namespaces, problems) = self.objects(&paths, &policies)?;
        let mut rows = rows(&objects, &policies, &namespaces);
        let fails = |state: State| match state {
            State::Pending | State::Skipped | State::UnreadableRecord | State::Crashing => true,
            state => state == State::Outdated && self.fail_on == Some(FailOn::Outdated),
        };
        let found = self.fail_on.is_some() && rows.iter().any(|row| fails(row.state));
        let states = match (&*self.state, self.output) {
            ([], Format::Restart) => &[State::Pending, State::Outdated],
            (states, _) => states,
        };
        rows.retain(|row| states.is_empty() || states.contains(&row.state));
        let kubectl = &self.source.kubectl;
        let json = || json!({ "workloads": rows, "summary": summary(&rows) });
        match self.output {
            Format::Table => table::print(&rows, kubectl, out)?,
            Format::Restart => write!(out, "{}", restart::script(&rows, self.max, kubectl))?,
            Format::Json => write!(out, "{}", Output::Json.write(&json())?)?,
            Format::Yaml => write!(out, "{}", Output::Yaml.write(&json())?)?,
        }
        Ok(Exit::of(found, problems))
    }

    /// The objects as JSON, the namespaces, and the number of unreadable files.
    fn objects(
        &self,
        paths: &[PathBuf],
        policies: &[Applied],
    ) -> Result<(Vec<String>, Namespaces, usize), Failure> {
        if self.source.cluster {
            let (objects, namespaces) = cluster::read(&self.source, policies, true)?;
            return Ok((objects.iter().map(ToString::to_string).collect(), namespaces, 0));
        }
        let (mut objects, mut namespaces, mut problems) = (Vec::new(), Namespaces::default(), 0);
        for path in paths {
            if let Err(problem) = read::objects(path, &mut objects) {
                problems += 1;
                error(problem);
            }
        }
        let tells = |it: &&String| it.contains("\"Namespace\"") || it.contains("kubewarden");
        objects.iter().filter(tells).for_each(|object| namespaces.add(&parsed(object)));
        Ok((objects, namespaces, problems))
    }
}

/// The namespace and the display name of a workload.
type Key = (String, String);

struct Examined {
    key: Key,
    owner: Option<Key>,
    /// Why it does not come up.
    crash: Option<String>,
    hold: Option<&'static str>,
    rows: Vec<Row>,
}

/// Runs objects through the policies, and groups the rows by workload.
fn rows(objects: &[String], policies: &[Applied], namespaces: &Namespaces) -> Vec<Row> {
    let examine = |json: &String| {
        let object = parsed(json);
        let key = (text(&object, "/metadata/namespace").to_owned(), name(&object));
        let owner = owner(&object).map(|owner| (key.0.clone(), owner));
        let rows = policies.iter().filter_map(|it| row(json, &object, it, namespaces)).collect();
        Examined { key, owner, crash: crash(&object), hold: hold(&object), rows }
    };
    let examined: Vec<Examined> = objects.par_iter().map(examine).collect();
    let owners = examined.iter().filter_map(|it| Some((&it.key, it.owner.as_ref()?)));
    let owners: HashMap<_, _> = owners.collect();
    // Pod, ReplicaSet, Deployment. Bounded, because owners could form a cycle.
    let up = |key, _| owners.get(key).copied().unwrap_or(key);
    let examined: Vec<_> = examined.iter().map(|it| ((0..4).fold(&it.key, up), it)).collect();
    let crashes = examined.iter().filter_map(|(top, it)| Some((*top, it.crash.as_ref()?)));
    let crashes: HashMap<_, _> = crashes.collect();
    let holds: HashMap<_, _> =
        examined.iter().filter_map(|(top, it)| Some((*top, it.hold?))).collect();
    let mut counted: BTreeMap<Row, usize> = BTreeMap::new();
    for (top, it) in &examined {
        for mut row in it.rows.iter().cloned() {
            // What holds a workload holds its Pods.
            row.hold = holds.get(top).copied();
            // A workload crashes with any of its Pods, a Pod on its own.
            let mut crash = crashes.get(top).copied();
            if row.pods {
                row.workload.clone_from(&top.1);
                crash = it.crash.as_ref();
            }
            let is_injected = matches!(row.state, State::UpToDate | State::Outdated);
            if let Some(crash) = crash.filter(|_| is_injected) {
                (row.state, row.reason) = (State::Crashing, Some(say(crash).into_owned()));
            }
            *counted.entry(row).or_default() += 1;
        }
    }
    counted.into_iter().map(|(row, objects)| Row { objects, ..row }).collect()
}

/// The controller of an object. A Pod of a ReplicaSet names its Deployment by the template hash.
fn owner(object: &Value) -> Option<String> {
    let mut owners = list(object, "/metadata/ownerReferences");
    let owner = owners.find(|owner| *at(owner, "/controller") == true)?;
    let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
    let labels = [("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout")];
    let of_hash = labels.iter().find_map(|(label, kind)| {
        let hash = at(object, "/metadata/labels").get(label)?.as_str()?;
        Some(format!("{kind}/{}", name.strip_suffix(hash)?.strip_suffix('-')?))
    });
    let of_hash = of_hash.filter(|_| kind == "ReplicaSet" && text(object, "/kind") == "Pod");
    Some(of_hash.unwrap_or_else(|| format!("{kind}/{name}")))
}
