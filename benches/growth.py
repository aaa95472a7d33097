#!/usr/bin/env python3
"""Counts the instructions that the policy takes natively for lists that a stranger can make long, at n, 2n and 3n
elements. Fails where the third n takes much more than the second: the work must grow linearly. Names have one length,
because texts of different lengths are told apart at once."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent
PROGRAM = FOLDER / "target/release/datakit_injection"
JAVA = json.loads((FOLDER / "fuzz/seeds/payload/java.json").read_text())
N = 400
LIMIT = 1.25


def annotated(keys, value):
    def change(template, n):
        template["metadata"]["annotations"].update({f"{keys}{i:05}": value for i in range(n)})
    return change


def labelled(template, n):
    template["metadata"]["labels"].update({f"label{i:05}": "x" for i in range(n)})


def with_variables(template, n):
    template["spec"]["containers"][0]["env"] = [{"name": f"V{i:05}", "value": "x"} for i in range(n)]


def with_mounts(template, n):
    template["spec"]["volumes"] = [{"name": f"v{i:05}", "emptyDir": {}} for i in range(n)]
    mounts = [{"name": f"v{i:05}", "mountPath": f"/v{i:05}"} for i in range(n)]
    template["spec"]["containers"][0]["volumeMounts"] = mounts


def with_directories(template, n):
    deep = "/d" * 20
    with_mounts(template, n)
    for i, mount in enumerate(template["spec"]["containers"][0]["volumeMounts"]):
        mount["mountPath"] = f"{deep}/m{i:05}"
    # At most 256 are taken.
    files = [f"{deep}/l{i:05}/x.log" for i in range(n // 5)]
    instances = [{"datakit_addr": "h:1", "loggings": [{"logfiles": files, "source": "x"}]}]
    template["metadata"]["annotations"]["admission.datakit/logfwd.instances"] = json.dumps(instances)


def with_containers(template, n):
    template["spec"]["containers"] = [{"name": f"c{i:05}", "image": "x"} for i in range(n)]


CASES = {
    "unknown annotations": annotated("admission.datakit/a", ""),
    "malformed annotations": annotated("admission.datakit/a", 1),
    "records of others": annotated("admission.datakit/injected.a", '{"v":1}'),
    "other annotations": annotated("example.com/a", "x"),
    "labels": labelled,
    "variables": with_variables,
    "volumes and mounts": with_mounts,
    "mounts and log directories": with_directories,
    "containers": with_containers,
}


def payload(change, n, is_update):
    """The creation of an object, or an update that gives its template another label."""
    changed = copy.deepcopy(JAVA)
    request = changed["request"]
    change(request["object"]["spec"]["template"], n)
    # The same list outside the template, where annotations do nothing.
    request["object"]["metadata"]["annotations"] = {f"admission.datakit/b{i:05}": "" for i in range(n)}
    if is_update:
        stored = copy.deepcopy(request["object"])
        request["object"]["spec"]["template"]["metadata"]["labels"]["new"] = "yes"
        changed["request"] |= {"operation": "UPDATE", "oldObject": stored}
    return json.dumps(changed)


def count(text):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", PROGRAM]
    messages = subprocess.run(command, input=text, text=True, capture_output=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", messages)[1])


status = 0
for name, change in CASES.items():
    for is_update in (False, True):
        first, second, third = (count(payload(change, n, is_update)) for n in (N, 2 * N, 3 * N))
        growth = (third - second) / (second - first)
        print(f"{name + (', updated' if is_update else ''):32} {third:12} {growth:6.2f}")
        if growth > LIMIT:
            status = f"{name}: the work does not grow linearly"
sys.exit(status)
