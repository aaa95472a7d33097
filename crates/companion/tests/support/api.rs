//! An API server in the test's own process, over HTTP on loopback: objects with versions, lists in pages, watches with
//! bookmarks, rights, and faults that a test asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// An API server that answers until the test ends.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Store>,
    /// Changes with each event, and with each change of what watches do.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Store {
    version: u64,
    /// Watches from older versions get 410.
    oldest: u64,
    objects: BTreeMap<Key, Value>,
    events: Vec<Event>,
    calls: BTreeMap<(String, String), u64>,
    used: BTreeSet<Right>,
    rules: Option<Vec<Right>>,
    faults: Vec<Fault>,
    watches: Watches,
}

/// What watches do, and which generation of them: those of an older one end.
#[derive(Clone, Copy, Debug, Default)]
struct Watches {
    generation: u64,
    is_broken: bool,
    is_paused: bool,
    is_released: bool,
}

type Key = (String, String, String);

#[derive(Clone)]
struct Event {
    version: u64,
    kind: &'static str,
    resource: String,
    object: Value,
}

/// A verb on a resource, in a namespace or in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub group: String,
    pub resource: String,
    pub verb: String,
    pub namespace: String,
}

/// What happens to the next calls of a verb on a resource.
#[derive(Clone)]
pub struct Fault {
    pub verb: &'static str,
    pub resource: &'static str,
    pub times: usize,
    pub effect: Effect,
}

#[derive(Clone, Debug)]
pub enum Effect {
    /// The call is refused with this code and reason.
    Refused(u16, &'static str),
    /// The call is carried out, and the connection breaks before the answer is whole.
    AnswerLost,
    /// The answer comes late; the call is carried out at once.
    Slow(Duration),
    /// The call is carried out late.
    Late(Duration),
    /// The call is carried out once the test releases it.
    Held,
    /// Somebody else writes the object first.
    Overtaken,
}

/// A request, as far as the API server looks at it.
struct Call {
    right: Right,
    name: Option<String>,
    query: BTreeMap<String, String>,
    body: Value,
}

impl Api {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { store: Mutex::default(), changes: watch::Sender::new(0) };
        let api = Self { address, shared: Arc::new(shared) };
        api.shared.store.lock().version = 100;
        let router = Router::new().fallback(answer).with_state(api.shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        api
    }

    /// A client of it, in the namespace `datakit`.
    pub fn client(&self) -> Client {
        let mut config = Config::new(format!("http://{}", self.address).parse().unwrap());
        config.default_namespace = "datakit".to_owned();
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u", "namespace": "datakit" } }],
            "current-context": "x",
        })
        .to_string()
    }

    /// Writes an object, as somebody else would.
    pub fn put(&self, resource: &str, namespace: &str, name: &str, mut object: Value) -> Value {
        let mut store = self.shared.store.lock();
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        object["metadata"]["name"] = json!(name);
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let written = store.write(key, object);
        drop(store);
        self.changed();
        written
    }

    /// Deletes an object.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) {
        let mut store = self.shared.store.lock();
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let mut object = store.objects.remove(&key).unwrap();
        store.version += 1;
        object["metadata"]["resourceVersion"] = json!(store.version.to_string());
        store.push("DELETED", resource, object);
        drop(store);
        self.changed();
    }

    /// The objects of a resource, by name.
    pub fn objects(&self, resource: &str) -> BTreeMap<String, Value> {
        let store = self.shared.store.lock();
        let objects = store.objects.iter().filter(|((of, _, _), _)| of == resource);
        objects.map(|((_, _, name), object)| (name.clone(), object.clone())).collect()
    }

    /// Each object of a resource that was ever written, in order.
    pub fn history(&self, resource: &str) -> Vec<Value> {
        let store = self.shared.store.lock();
        let events = store.events.iter().filter(|event| event.resource == resource);
        events.map(|event| event.object.clone()).collect()
    }

    /// How often a verb on a resource was asked for.
    pub fn calls(&self, verb: &str, resource: &str) -> u64 {
        let store = self.shared.store.lock();
        store.calls.get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or_default()
    }

    /// All calls by verb and resource.
    pub fn all_calls(&self) -> BTreeMap<(String, String), u64> {
        self.shared.store.lock().calls.clone()
    }

    /// The rights that calls needed.
    pub fn used(&self) -> BTreeSet<Right> {
        self.shared.store.lock().used.clone()
    }

    /// Allows these and nothing else; without, everything.
    pub fn allow(&self, rules: Option<Vec<Right>>) {
        self.shared.store.lock().rules = rules;
    }

    /// Asks for a fault.
    pub fn fail(&self, verb: &'static str, resource: &'static str, times: usize, effect: Effect) {
        self.shared.store.lock().faults.push(Fault { verb, resource, times, effect });
    }

    /// Ends all faults.
    pub fn recover(&self) {
        let mut store = self.shared.store.lock();
        store.faults.clear();
        store.watches.is_paused = false;
        drop(store);
        self.changed();
    }

    /// Ends all watches; in the middle of an object, or properly.
    pub fn end_watches(&self, is_broken: bool) {
        let mut store = self.shared.store.lock();
        store.watches.generation += 1;
        store.watches.is_broken = is_broken;
        drop(store);
        self.changed();
    }

    /// Lets watches stay open and tell nothing more: caches grow old.
    pub fn pause_watches(&self) {
        self.shared.store.lock().watches.is_paused = true;
    }

    /// Forgets all events, so that a watch cannot go on where another ended.
    pub fn forget_events(&self) {
        let mut store = self.shared.store.lock();
        store.version += 1;
        store.oldest = store.version;
    }

    /// Lets held calls go on.
    pub fn release(&self) {
        self.shared.store.lock().watches.is_released = true;
        self.changed();
    }

    fn changed(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}

impl Store {
    fn write(&mut self, key: Key, mut object: Value) -> Value {
        self.version += 1;
        let old = self.objects.get(&key);
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        let stamp = old.map_or_else(
            || json!(format!("uid-{}", self.version)),
            |old| old["metadata"]["uid"].clone(),
        );
        metadata["uid"] = stamp;
        let generation = old.and_then(|old| old["metadata"]["generation"].as_u64()).unwrap_or(0);
        metadata["generation"] = json!(generation + 1);
        // As long as nobody gives others.
        if let Some(fields) = old.and_then(|old| old["metadata"].get("managedFields"))
            && metadata["managedFields"].is_null()
        {
            metadata["managedFields"] = fields.clone();
        }
        self.push(kind, &key.0, object.clone());
        self.objects.insert(key, object.clone());
        object
    }

    fn push(&mut self, kind: &'static str, resource: &str, object: Value) {
        let version = self.version;
        self.events.push(Event { version, kind, resource: resource.to_owned(), object });
    }

    fn allows(&self, right: &Right) -> bool {
        // Everybody may ask what they may do.
        right.group == "authorization.k8s.io"
            || self.rules.as_ref().is_none_or(|rules| {
                rules.iter().any(|rule| {
                    let everywhere = Right { namespace: String::new(), ..right.clone() };
                    rule == right || *rule == everywhere
                })
            })
    }

    fn fault(&mut self, right: &Right) -> Option<Effect> {
        let fault = self.faults.iter_mut().find(|fault| {
            fault.times > 0 && fault.verb == right.verb && fault.resource == right.resource
        })?;
        fault.times -= 1;
        Some(fault.effect.clone())
    }
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    respond(code, &body)
}

fn respond(code: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

async fn read(request: Request) -> Option<Call> {
    let (head, body) = request.into_parts();
    let path: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let (group, rest) = match &path[..] {
        ["apis", group, _version, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, resource, name) = match rest {
        ["namespaces", namespace, resource] => (*namespace, *resource, None),
        ["namespaces", namespace, resource, name] => (*namespace, *resource, Some(*name)),
        [resource] => ("", *resource, None),
        [resource, name] => ("", *resource, Some(*name)),
        _ => return None,
    };
    let pairs = head.uri.query().unwrap_or_default().split('&');
    let decode =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query: BTreeMap<String, String> = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decode(value)))
        .collect();
    let is_watch = query.get("watch").is_some_and(|value| value == "true");
    let verb = match (head.method, name) {
        (Method::GET, Some(_)) => "get",
        (Method::GET, None) if is_watch => "watch",
        (Method::GET, None) => "list",
        (Method::POST, _) => "create",
        (Method::PUT, _) => "update",
        (Method::PATCH, _) => "patch",
        _ => return None,
    };
    let right = Right {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: verb.to_owned(),
        namespace: namespace.to_owned(),
    };
    let name = name.map(str::to_owned);
    let body = to_bytes(body, usize::MAX).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Call { right, name, query, body })
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(call) = read(request).await else { return status(404, "NotFound", "no such path") };
    let (is_allowed, fault) = {
        let mut store = shared.store.lock();
        let counted = (call.right.verb.clone(), call.right.resource.clone());
        *store.calls.entry(counted).or_default() += 1;
        if call.right.group != "authorization.k8s.io" {
            store.used.insert(call.right.clone());
        }
        (store.allows(&call.right), store.fault(&call.right))
    };
    if !is_allowed {
        return status(
            403,
            "Forbidden",
            &format!("cannot {} {}", call.right.verb, call.right.resource),
        );
    }
    match fault {
        Some(Effect::Refused(code, reason)) => return status(code, reason, "refused by the test"),
        Some(Effect::Late(late)) => tokio::time::sleep(late).await,
        Some(Effect::Held) => {
            let mut changes = shared.changes.subscribe();
            while !shared.store.lock().watches.is_released {
                changes.changed().await.unwrap();
            }
        }
        Some(Effect::Overtaken) => overtake(&shared, &call),
        _ => {}
    }
    let response = match &*call.right.verb {
        "watch" => return follow(&shared, &call),
        "list" => list(&shared, &call),
        "get" => get(&shared, &call),
        "create" if call.right.group == "authorization.k8s.io" => review(&shared, call),
        _ => write(&shared, call),
    };
    match fault {
        Some(Effect::AnswerLost) => {
            let parts = [Ok("{\"apiVersion\":"), Err(std::io::Error::other("broken by the test"))];
            Response::new(Body::from_stream(stream::iter(parts)))
        }
        Some(Effect::Slow(slow)) => {
            tokio::time::sleep(slow).await;
            response
        }
        _ => response,
    }
}

/// Writes what is there once more, so that the call conflicts.
fn overtake(shared: &Shared, call: &Call) {
    let mut store = shared.store.lock();
    let name = call.name.clone().unwrap_or_default();
    let key = (call.right.resource.clone(), call.right.namespace.clone(), name);
    if let Some(object) = store.objects.get(&key).cloned() {
        store.write(key, object);
    }
    drop(store);
    shared.changes.send_modify(|count| *count += 1);
}

fn review(shared: &Shared, call: Call) -> Response {
    let asked = &call.body["spec"]["resourceAttributes"];
    let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
    let right = Right {
        group: text("group"),
        resource: text("resource"),
        verb: text("verb"),
        namespace: text("namespace"),
    };
    let mut body = call.body;
    body["status"] = json!({ "allowed": shared.store.lock().allows(&right) });
    respond(201, &body)
}

fn get(shared: &Shared, call: &Call) -> Response {
    let store = shared.store.lock();
    let name = call.name.clone().unwrap_or_default();
    let key = (call.right.resource.clone(), call.right.namespace.clone(), name);
    store.objects.get(&key).map_or_else(
        || status(404, "NotFound", &format!("\"{}\" not found", key.2)),
        |object| respond(200, object),
    )
}

fn is_selected(call: &Call, object: &Value) -> bool {
    let namespace = &call.right.namespace;
    let is_here = namespace.is_empty() || object["metadata"]["namespace"] == **namespace;
    let selector = call.query.get("labelSelector").and_then(|it| it.split_once('='));
    is_here && selector.is_none_or(|(key, value)| object["metadata"]["labels"][key] == *value)
}

fn list(shared: &Shared, call: &Call) -> Response {
    let store = shared.store.lock();
    let objects =
        store.objects.iter().filter(|((resource, _, _), _)| *resource == call.right.resource);
    let items: Vec<Value> =
        objects.map(|(_, object)| object.clone()).filter(|it| is_selected(call, it)).collect();
    let number = |key: &str| call.query.get(key).and_then(|text| text.parse::<usize>().ok());
    let (start, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
    let end = start.saturating_add(limit).min(items.len());
    let more = if end < items.len() { end.to_string() } else { String::new() };
    respond(
        200,
        &json!({
            "kind": "List", "apiVersion": "v1",
            "metadata": { "resourceVersion": store.version.to_string(), "continue": more },
            "items": items[start..end],
        }),
    )
}

fn write(shared: &Shared, call: Call) -> Response {
    let mut store = shared.store.lock();
    let named = call.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let name = call.name.unwrap_or(named);
    let key = (call.right.resource, call.right.namespace, name);
    let stored = store.objects.get(&key).map(|it| it["metadata"]["resourceVersion"].clone());
    let given = &call.body["metadata"]["resourceVersion"];
    let response = match (&*call.right.verb, stored) {
        ("create", Some(_)) => status(409, "AlreadyExists", "already exists"),
        ("create", None) => respond(201, &store.write(key, call.body)),
        (_, None) => status(404, "NotFound", "not found"),
        (_, Some(_)) if given.is_null() => {
            status(422, "Invalid", "must be specified for an update")
        }
        (_, Some(stored)) if stored != *given => status(409, "Conflict", "has been modified"),
        (_, Some(_)) => respond(200, &store.write(key, call.body)),
    };
    drop(store);
    shared.changes.send_modify(|count| *count += 1);
    response
}

/// The state of one watch.
struct Follower {
    shared: Arc<Shared>,
    changes: watch::Receiver<u64>,
    call: Call,
    generation: u64,
    version: u64,
    next: usize,
    is_ended: bool,
    breaks: bool,
}

fn follow(shared: &Arc<Shared>, call: &Call) -> Response {
    let generation = shared.store.lock().watches.generation;
    let version = call.query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let follower = Follower {
        shared: shared.clone(),
        changes: shared.changes.subscribe(),
        call: Call {
            right: call.right.clone(),
            name: None,
            query: call.query.clone(),
            body: Value::Null,
        },
        generation,
        version,
        next: 0,
        is_ended: false,
        breaks: false,
    };
    let lines = stream::unfold(follower, |mut follower| async move {
        let line = follower.line().await?;
        Some((line, follower))
    });
    let mut response = Response::new(Body::from_stream(lines.boxed()));
    response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

impl Follower {
    /// The next lines of a watch; an error breaks the connection, nothing ends it.
    async fn line(&mut self) -> Option<std::io::Result<String>> {
        if std::mem::take(&mut self.breaks) {
            return Some(Err(std::io::Error::other("broken by the test")));
        }
        if self.is_ended {
            return None;
        }
        loop {
            // What comes after this look wakes the wait below.
            self.changes.mark_unchanged();
            if let Some(line) = self.look() {
                return line;
            }
            self.changes.changed().await.ok()?;
        }
    }

    #[expect(clippy::option_option, reason = "nothing new, the end of the watch, or lines")]
    fn look(&mut self) -> Option<Option<std::io::Result<String>>> {
        let store = self.shared.store.lock();
        if store.watches.generation != self.generation {
            self.is_ended = true;
            self.breaks = store.watches.is_broken;
            let half = "{\"type\":\"MODIFIED\",\"object\":{\"kind\":";
            return Some(self.breaks.then(|| Ok(half.to_owned())));
        }
        if store.watches.is_paused {
            return None;
        }
        if self.version < store.oldest {
            self.is_ended = true;
            let gone = json!({ "type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too old resource version", "reason": "Expired", "code": 410,
            }});
            return Some(Some(Ok(format!("{gone}\n"))));
        }
        let mut lines = String::new();
        let new = store.events.iter().skip(self.next).filter(|event| event.version > self.version);
        for event in new {
            if event.resource == self.call.right.resource && is_selected(&self.call, &event.object)
            {
                lines += &format!("{}\n", json!({ "type": event.kind, "object": event.object }));
            }
        }
        self.next = store.events.len();
        if lines.is_empty() && store.version > self.version {
            // What changed concerns somebody else: a bookmark says how far this watch is.
            let bookmark = json!({ "type": "BOOKMARK", "object": {
                "kind": "Bookmark", "apiVersion": "v1",
                "metadata": { "resourceVersion": store.version.to_string(), "creationTimestamp": null },
            }});
            lines = format!("{bookmark}\n");
        }
        self.version = self.version.max(store.version);
        if lines.is_empty() { None } else { Some(Some(Ok(lines))) }
    }
}
