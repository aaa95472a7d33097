//! Objects of the API server, which accepts more than the client can decode.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Resource;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// An object that is decoded whatever its times are.
///
/// One object that cannot be decoded fails the list of all. The API server stores times until the end of the year 9999;
/// jiff's end a day earlier. Only whether a Lease has a time matters, so that any stands for one that cannot be read;
/// `managedFields` are left out, and a write without them leaves them as they are.
#[derive(Clone, Debug, Serialize)]
pub struct Stored<K>(pub K);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Stored<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(from)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            let _fields = metadata.remove("managedFields");
        }
        for path in ["/spec/acquireTime", "/spec/renewTime"] {
            if let Some(time) = object.pointer_mut(path)
                && Option::<MicroTime>::deserialize(&*time).is_err()
            {
                *time = json!(MicroTime(Timestamp::UNIX_EPOCH));
            }
        }
        K::deserialize(object).map(Self).map_err(D::Error::custom)
    }
}

impl<K: Resource> Resource for Stored<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}
