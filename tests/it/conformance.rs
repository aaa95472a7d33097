//! What the reference answered, case by case, natively and on the module.

use datakit_injection::policy;
use datakit_injection::validation::validate;
use serde_json::Value;

use crate::host::Host;
use testing::cases::{Case, FAULTY, KINDS, all_recorded, normalised, without_record};
use testing::requests::{payload, sorted};

#[track_caller]
fn check(case: &Case, kind: &str, object: &Value, changed: bool, how: &str) {
    let expected = case.expected(kind);
    let mut object = object.clone();
    if kind != "Pod" {
        let has_record = without_record(&mut object);
        assert_eq!(has_record, case.mutated, "{} as {kind}, {how}: record", case.id);
    }
    assert_eq!(
        normalised(&object),
        normalised(&expected),
        "{} as {kind}, {how}: got {object:#}",
        case.id
    );
    assert_eq!(changed, case.mutated, "{} as {kind}, {how}", case.id);
}

#[test]
fn native_answers_are_those_of_the_reference() {
    for case in all_recorded() {
        for (kind, _) in KINDS {
            let request = case.request(kind);
            let answer = policy::evaluate(payload(&request, case.settings.get()).as_bytes());
            let mutated = answer.mutated_object();
            let object = mutated.map(|text| serde_json::from_str(text).unwrap());
            let object = object.unwrap_or_else(|| request["object"].clone());
            check(&case, kind, &object, mutated.is_some(), "natively");
        }
    }
}

#[test]
fn answers_of_the_module_are_those_of_the_reference() {
    let host = Host::shared();
    let mut count = 0;
    for case in all_recorded() {
        for (kind, _) in KINDS {
            let outcome = host.validate(&case.request(kind), case.settings.get());
            assert_eq!(outcome.response["accepted"], true);
            check(&case, kind, &outcome.object, !outcome.patch.is_empty(), "on the module");
            count += 1;
        }
    }
    println!("{count} recorded answers hold on the module");
}

/// The engine sorts the keys of the settings, so variables come in another order: the same ones, and
/// each after those that it refers to.
#[test]
fn sorted_settings_give_the_same_but_for_the_order_of_variables() {
    fn sort_env(value: &mut Value) {
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(sort_env),
            Value::Object(members) => {
                members.values_mut().for_each(sort_env);
                if let Some(Value::Array(env)) = members.get_mut("env") {
                    env.sort_by_key(|variable| variable["name"].to_string());
                }
            }
            _ => {}
        }
    }
    fn check_references(case: &Case, object: &Value) {
        for container in object["spec"]["containers"].as_array().unwrap() {
            let env = container["env"].as_array().into_iter().flatten();
            let names: Vec<_> = env.clone().map(|v| v["name"].as_str().unwrap()).collect();
            for (index, variable) in env.enumerate() {
                let value = variable["value"].as_str().unwrap_or_default();
                for name in &names[index..] {
                    assert!(!value.contains(&format!("$({name})")), "{}: {name}", case.id);
                }
            }
        }
    }
    for case in all_recorded() {
        let request = case.request("Pod");
        let payload = payload(&request, &sorted(case.settings.get()));
        let answer = policy::evaluate(payload.as_bytes());
        let mut object = answer
            .mutated_object()
            .map_or_else(|| request["object"].clone(), |text| serde_json::from_str(text).unwrap());
        check_references(&case, &object);
        let mut expected = case.expected.clone();
        sort_env(&mut object);
        sort_env(&mut expected);
        assert_eq!(normalised(&object), normalised(&expected), "{}", case.id);
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for case in all_recorded() {
        for (kind, _) in KINDS {
            let mut request = case.request(kind);
            let first = policy::evaluate(payload(&request, case.settings.get()).as_bytes());
            let object = first.mutated_object().map(|text| serde_json::from_str(text).unwrap());
            request["object"] = object.unwrap_or_else(|| request["object"].clone());
            let answer = policy::evaluate(payload(&request, case.settings.get()).as_bytes());
            assert_eq!(answer.mutated_object(), None, "{} as {kind}", case.id);
            // The same without a record, as an Operator left it.
            without_record(&mut request["object"]);
            let answer = policy::evaluate(payload(&request, case.settings.get()).as_bytes());
            assert_eq!(answer.mutated_object(), None, "{} as {kind}", case.id);
        }
    }
}

#[test]
fn recorded_settings_are_valid_but_for_the_errors_that_were_recorded() {
    for case in all_recorded() {
        let errors = validate(case.settings.get());
        assert_eq!(!errors.is_empty(), FAULTY.contains(&&*case.id), "{}: {errors:?}", case.id);
    }
}
