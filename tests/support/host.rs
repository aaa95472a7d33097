//! An embedded host that runs the policy module as Kubewarden does: the crates that its engine is
//! built on, one fresh instance a call, sorted keys, and the JSON Patch made by the host.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use json_patch::Patch;
use serde_json::{Value, json};
use testing::requests::payload;
use wapc::WapcHost;
use wasmtime_provider::{WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

/// A module, compiled once.
pub struct Host {
    module: WasmtimeEngineProviderPre,
}

/// What the host makes of an answer.
#[derive(Debug)]
pub struct Outcome {
    /// The answer, as the module gave it.
    pub response: Value,
    /// The JSON Patch that the API server would get.
    pub patch: Patch,
    /// The object with the patch applied.
    pub object: Value,
    /// The log lines that the module sent.
    pub logs: Vec<Value>,
}

impl Host {
    /// Compiles the module that was built; `DATAKIT_POLICY_WASM` names another one.
    pub fn load() -> Self {
        let path = std::env::var_os("DATAKIT_POLICY_WASM").map(PathBuf::from);
        let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policy.wasm");
        let path = path.unwrap_or_else(built);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("no module at {}: {error}; `make policy.wasm` builds it", path.display())
        });
        Self::of(&bytes)
    }

    /// The built module, compiled once for all tests.
    pub fn shared() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(Self::load)
    }

    /// Compiles a module.
    pub fn of(bytes: &[u8]) -> Self {
        let builder = WasmtimeEngineProviderBuilder::new().module_bytes(bytes);
        Self { module: builder.build_pre().expect("the module compiles") }
    }

    /// Calls a function of the module, in a fresh instance.
    pub fn call(&self, function: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.call_with_logs(function, payload).map(|(answer, _)| answer)
    }

    fn call_with_logs(
        &self,
        function: &str,
        payload: &[u8],
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>), String> {
        let logs = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&logs);
        let callback =
            move |_: u64, binding: &str, namespace: &str, operation: &str, line: &[u8]| {
                assert_eq!((binding, namespace, operation), ("kubewarden", "tracing", "log"));
                sink.lock().unwrap().push(line.to_vec());
                Ok(Vec::new())
            };
        let provider = self.module.rehydrate(None).map_err(|error| error.to_string())?;
        let host = WapcHost::new(Box::new(provider), Some(Box::new(callback)));
        let host = host.map_err(|error| error.to_string())?;
        let answer = host.call(function, payload).map_err(|error| error.to_string())?;
        let logs = std::mem::take(&mut *logs.lock().unwrap());
        Ok((answer, logs))
    }

    /// Sends an admission request through the module.
    ///
    /// Settings are JSON text, because the order of their keys matters: the engine sorts them,
    /// which `testing::requests::sorted` does, and `jsonconfig` keeps them.
    pub fn validate(&self, request: &Value, settings: &str) -> Outcome {
        let payload = payload(request, settings);
        let (answer, logs) =
            self.call_with_logs("validate", payload.as_bytes()).expect("the module answers");
        let response: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        let object = request["object"].clone();
        let mutated = response.get("mutated_object").unwrap_or(&object);
        let patch = json_patch::diff(&object, mutated);
        let mut patched = object.clone();
        json_patch::patch(&mut patched, &patch).expect("the patch applies");
        let logs = logs.iter().map(|line| serde_json::from_slice(line).expect("a line is JSON"));
        Outcome { object: patched, response, patch, logs: logs.collect() }
    }

    /// Has the module check settings: nothing where they are valid, else the message.
    pub fn validate_settings(&self, settings: &str) -> Option<String> {
        let answer = self.call("validate_settings", settings.as_bytes());
        let answer: Value = serde_json::from_slice(&answer.expect("the module answers")).unwrap();
        let message = answer["message"].as_str().map(str::to_owned);
        assert_eq!(answer["valid"], json!(message.is_none()));
        message
    }
}
