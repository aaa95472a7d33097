//! How much memory the module takes at most.

use wasmtime::{Caller, Engine, Linker, Memory, Module, Store};

use crate::objects::{deployment, java_asked};

/// What the guest asks for, and whether it answered.
struct Call {
    payload: Vec<u8>,
    answered: bool,
}

fn memory(caller: &mut Caller<'_, Call>) -> Memory {
    caller.get_export("memory").and_then(|export| export.into_memory()).unwrap()
}

/// The size of the module's memory after it answered a payload, which it never shrinks.
fn peak(payload: Vec<u8>) -> usize {
    let engine = Engine::default();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policy.wasm");
    let module = Module::from_file(&engine, path).unwrap();
    let mut linker: Linker<Call> = Linker::new(&engine);
    linker
        .func_wrap("wapc", "__guest_request", |mut caller: Caller<'_, Call>, op: i32, at: i32| {
            let payload = caller.data().payload.clone();
            let memory = memory(&mut caller);
            memory.write(&mut caller, op.cast_unsigned() as usize, b"validate").unwrap();
            memory.write(&mut caller, at.cast_unsigned() as usize, &payload).unwrap();
        })
        .unwrap();
    linker
        .func_wrap("wapc", "__guest_response", |mut caller: Caller<'_, Call>, _: i32, _: i32| {
            caller.data_mut().answered = true;
        })
        .unwrap();
    linker.func_wrap("wapc", "__guest_error", |_: i32, _: i32| {}).unwrap();
    linker.func_wrap("wapc", "__console_log", |_: i32, _: i32| {}).unwrap();
    linker.func_wrap("wapc", "__host_response", |_: i32| {}).unwrap();
    linker.func_wrap("wapc", "__host_error", |_: i32| {}).unwrap();
    linker.func_wrap("wapc", "__host_response_len", || 0_i32).unwrap();
    linker.func_wrap("wapc", "__host_error_len", || 0_i32).unwrap();
    let host_call = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| 1_i32;
    linker.func_wrap("wapc", "__host_call", host_call).unwrap();

    let length = i32::try_from(payload.len()).unwrap();
    let mut store = Store::new(&engine, Call { payload, answered: false });
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let init = instance.get_typed_func::<(), ()>(&mut store, "wapc_init").unwrap();
    init.call(&mut store, ()).unwrap();
    let call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "__guest_call").unwrap();
    assert_eq!(call.call(&mut store, (8, length)).unwrap(), 1);
    assert!(store.data().answered);
    instance.get_memory(&mut store, "memory").unwrap().data_size(&store)
}

/// What Kubewarden 1.38 gives an evaluation, in bytes.
const LIMIT: usize = 256 << 20;

#[test]
fn takes_less_than_a_tenth_of_the_limit_for_a_large_object() {
    let settings = r#"{"admission_inject":{"ddtrace":{"images":{"java_agent_image":"h/j:1"},
        "envs":{"A":"1","B":"2","C":"3"}}}}"#;
    let mut object = deployment(&java_asked());
    let variable = |n: usize| serde_json::json!({ "name": format!("VARIABLE_{n}"), "value": "some value of usual length" });
    let container = |index: usize| {
        let env: Vec<_> = (0..820).map(variable).collect();
        serde_json::json!({ "name": format!("c{index}"), "image": "a:1", "env": env })
    };
    object["spec"]["template"]["spec"]["containers"] = (0..60).map(container).collect();
    let size = object.to_string().len();
    assert!(size > 2_900_000, "{size}");
    let request = testing::requests::request("CREATE", &object, None);
    let peak = peak(testing::requests::payload(&request, settings).into_bytes());
    println!(
        "{size} bytes of object: {peak} bytes of memory, {:.1} times",
        peak as f64 / size as f64
    );
    assert!(peak < LIMIT / 10, "{peak} for {size}");
}
