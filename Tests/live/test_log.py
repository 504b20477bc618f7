"""The log, end to end: recordings of real servers, served by Milvus's own message code, followed into a real server."""

import re
import time

import pytest
from pymilvus import DataType

import lib
from recordings import Recording

# The recorded main workload, on either line and either log, and as a standby received it.
WORKLOADS = ["source", "source-rocksmq", "source-v3", "target"]
ALWAYS_STOPPED = {"default.c_struct", "default.c_vec1", "shop.c_vec2_moved"}
STOPPED = {
    # Lite cannot make a text field longer.
    "lite": ALWAYS_STOPPED | {"default.c_int64"},
    # No nulls, one vector field, no sparse vectors, no geometry.
    "milvus": ALWAYS_STOPPED | {"default.c_int64", "default.c_bm25", "default.c_rich"},
}


def witness_for(recording, log_witness, *arguments):
    return log_witness(*arguments, version="3.0.1" if recording.name == "source-v3" else "2.6.23")


def begin(bridges, source, target, **options):
    """A bridge that follows all channels of the source, and its task."""
    bridge = bridges(source)
    task = bridge.create(target, db_collections={"*": [{"name": "*"}]}, capture="wal", **options)

    def followed():
        progress = bridge.progress(task)
        return progress["phase"] == "following" and len(progress["pchannels"]) > 0

    lib.wait_until(followed, 60, what="all channels are followed")
    return bridge, task


def wait_read(bridge, task, seconds=60):
    """Until everything that was in the log at this instant has been read, on every channel."""
    now = int(time.time() * 1000) + 500

    def read():
        progress = bridge.progress(task)
        marks = [p["watermark"] for p in progress["pchannels"]]
        assert marks and all(milliseconds(mark) >= now for mark in marks), marks
        return progress

    return lib.wait_until(read, seconds, 0.2, "the log has been read up to now")


def milliseconds(instant):
    import datetime
    return datetime.datetime.fromisoformat(instant).timestamp() * 1000


def readable(target, stood):
    """The collection on the target, loaded so that its rows can be read."""
    c = lib.client(target, stood.database)
    if not lib.is_loaded(c, stood.name):
        vector = next(f["name"] for f in stood.fields if "Vector" in f["data_type"])
        if vector not in lib.indexes(c, stood.name) and "Lite" not in target.name:
            lib.add_index(c, stood.name, vector, "FLAT")
        c.load_collection(stood.name)
    return c


def assert_stands(target, stood, progress):
    """The collection on the target is what the log left: schema, indexes, aliases, load state, rows; what is missing is in the view."""
    view = next(x for x in progress["collections"] if x["source"] == stood.path)
    notes = "\n".join(progress["not_replicated"])
    c = lib.client(target, stood.database)
    shape, dynamic = lib.fields(c, stood.name)
    expected = {f["name"]: f["data_type"].upper().replace("_", "") for f in stood.fields}
    assert {name: field[0].replace("_", "") for name, field in shape.items()} == expected and dynamic == stood.dynamic
    names = {f["fieldID"]: f["name"] for f in stood.fields}
    found = lib.indexes(c, stood.name)
    for index in stood.indexes.values():
        field = names[index["fieldID"]]
        assert field in found or f"index {index['index_name']} on {field}" in notes, (field, found, notes)
    assert set(found) <= {names[i["fieldID"]] for i in stood.indexes.values()}
    assert set(c.list_aliases(stood.name).get("aliases", [])) == stood.aliases
    if stood.loaded:
        assert lib.is_loaded(c, stood.name)
    c = readable(target, stood)
    rows = lib.rows(c, stood.name)
    refused = re.match(r"(\d+) rows were not written", view["last_error"] or "")
    assert len(rows) + int(refused.group(1) if refused else 0) == len(stood.rows), view
    assert lib.count(c, stood.name) == len(rows), "a key came twice"
    fields = {int(f["fieldID"]): f["name"] for f in stood.fields}
    for key, row in rows.items():
        (written,) = stood.rows[key]
        for field, value in written.items():
            if field in fields:
                assert row[fields[field]] == value, (stood.path, key, fields[field])


@pytest.mark.parametrize("kind", ["lite", "milvus"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_recorded_session_written_again_ends_as_it_did(name, kind, request, bridges, log_witness):
    target = request.getfixturevalue(kind)
    recording = Recording(name)
    witness = witness_for(recording, log_witness, "--pchannels", ",".join(recording.pchannels))
    bridge, task = begin(bridges, witness, target)
    recording.append_to(witness)
    progress = wait_read(bridge, task)
    stood = {s.path: s for s in recording.end.values()}
    assert {x["source"] for x in progress["collections"]} == set(stood)
    stopped = {x["source"] for x in progress["collections"] if x["state"] == "stopped"}
    # An array of structs holds up the two collections that only the 3.0 session has.
    assert stopped == (STOPPED[kind] | {"default.x3", "default.x3r"}) & set(stood)
    assert all(x["last_error"] and x["hint"] for x in progress["collections"] if x["state"] == "stopped")
    for path in set(stood) - stopped:
        assert_stands(target, stood[path], progress)
    notes = "\n".join(progress["not_replicated"])
    for named in ("user alice", "role reader", "an import", *(["snapshot snap1"] if name == "source-v3" else [])):
        assert named in notes


@pytest.mark.parametrize("kind", ["lite", "milvus"])
def test_a_recorded_session_read_as_it_is_ends_as_it_did(kind, request, bridges, log_witness):
    """With the server's own ids and ticks, and the catalogue as it was when the session had ended."""
    target = request.getfixturevalue(kind)
    recording = Recording("source")
    witness = log_witness("--log", recording.folder, "--rpc", recording.rpc, "--flush-all", "start")
    bridge, task = begin(bridges, witness, target, initial_copy=False)
    progress = wait_read(bridge, task)
    assert progress["capture_reason"] == "asked for" and len(progress["pchannels"]) == 4
    stood = {s.path: s for s in recording.end.values()}
    stopped = {x["source"] for x in progress["collections"] if x["state"] == "stopped"}
    assert stopped == STOPPED[kind] - ({"default.c_int64"} if kind == "lite" else set())
    for path in set(stood) - stopped:
        assert_stands(target, stood[path], progress)
    assert any("user" in note for note in progress["not_replicated"]), progress["not_replicated"]

    bridge.kill()
    bridge.start()
    progress = wait_read(bridge, task)
    for path in set(stood) - stopped:
        assert_stands(target, stood[path], progress)


@pytest.mark.parametrize("name,notes", [
    ("switchover/a", [r"cdc-src → cdc-dst\)$", r"cdc-dst → cdc-src\): cdc-src is a standby now", "it stands alone"]),
    ("switchover/b", [r"cdc-src → cdc-dst\): cdc-dst is a standby now", r"cdc-dst → cdc-src\)$", "it stands alone"]),
    ("promote", [r"cdc-src → cdc-dst\): cdc-dst is a standby now", "it stands alone.*by force"]),
])
def test_a_recorded_change_of_roles_is_explained(name, notes, lite, bridges, log_witness):
    recording = Recording(name)
    witness = log_witness("--pchannels", ",".join(recording.pchannels))
    bridge, task = begin(bridges, witness, lite)
    recording.append_to(witness)
    progress = wait_read(bridge, task)
    for note in notes:
        assert any(re.search(note, text) for text in progress["not_replicated"]), (note, progress["not_replicated"])
    # The header that says so holds the tokens of both clusters.
    assert "root:Milvus" not in lib.json.dumps(progress) + bridge.log.read_text()
    for stood in recording.end.values():
        assert_stands(lite, stood, progress)


def test_what_came_from_the_target_is_not_sent_back(tmp_path, bridges, log_witness):
    recording = Recording("switchover/a")
    witness = log_witness("--pchannels", ",".join(recording.pchannels))
    with lib.servers.SandboxServer(tmp_path / "target", "--cluster-id", "cdc-dst") as target:
        bridge, task = begin(bridges, witness, target)
        recording.append_to(witness)
        progress = wait_read(bridge, task)
        assert any("came to the source from the target itself" in note for note in progress["not_replicated"])
        (stood,) = recording.end.values()
        own = sum(len(m["body"]["rowIDs"]) for m in recording.messages if m["type_name"] == "Insert" and "replicate_header" not in m)
        assert 0 < own < stood.row_count
        assert len(lib.rows(readable(target, stood), stood.name)) == own


def test_a_recorded_switch_of_the_log_is_explained(lite, bridges, log_witness):
    recording = Recording("wal-switch")
    witness = log_witness("--log", recording.folder, "--flush-all", "start")
    bridge, task = begin(bridges, witness, lite)
    began = time.monotonic()

    def explained():
        notes = bridge.progress(task)["not_replicated"]
        assert any("RocksMQ" in note and "WoodPecker" in note for note in notes), notes
        return True

    lib.wait_until(explained, 10, what="the switch is in the task's view")
    print(f"noticed after {time.monotonic() - began:.1f} s")


def test_users_of_a_recording_are_never_printed_with_their_secrets(lite, bridges, log_witness):
    recording = Recording("source")
    secrets = [m["body"]["credential_info"][k] for m in recording.messages if m["type_name"] == "AlterUser"
               for k in ("encrypted_password", "sha256_password") if k in m["body"]["credential_info"]]
    assert secrets
    witness = log_witness("--pchannels", ",".join(recording.pchannels))
    bridge, task = begin(bridges, witness, lite)
    recording.append_to(witness)
    progress = wait_read(bridge, task)
    seen = lib.json.dumps(progress) + bridge.log.read_text() + "".join(
        f.read_text(errors="replace") for f in bridge.data.rglob("*") if f.is_file())
    assert not [secret for secret in secrets if secret in seen]
    assert any("alice" in note and "password" in note for note in progress["not_replicated"])
