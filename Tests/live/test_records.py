"""`tail`, `record` and `replay` between sandboxes and a real server: what was recorded is what stood there."""

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess

import pytest

import lib
import recordfile


@contextlib.contextmanager
def running(directory, name, *arguments):
    """A command that runs until it is interrupted; its files are NAME.out and NAME.err."""
    with open(directory / f"{name}.out", "w") as output, open(directory / f"{name}.err", "w") as error:
        process = subprocess.Popen(
            lib.servers.dying_with_parent([str(lib.PROGRAM), *map(str, arguments)]), stdout=output, stderr=error)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, (directory / f"{name}.err").read_text()
    finally:
        process.kill()


def history(c, seed):
    """Inserts, upserts, deletes, partitions and a second collection, as chance has it."""
    generator = random.Random(seed)
    for step in range(40):
        first = generator.randrange(200)
        kind = generator.randrange(10)
        if kind < 5:
            c.upsert("c", lib.simple_rows(first, 1 + generator.randrange(20), generator))
        elif kind < 8:
            c.delete("c", ids=[first + i for i in range(generator.randrange(1, 5))])
        elif kind == 8 and not c.has_partition("c", "p"):
            c.create_partition("c", "p")
        elif kind == 9 and not c.has_collection("second"):
            lib.make(c, "second")
            c.insert("second", lib.simple_rows(0, 30, generator))


def recorded(sandbox, tmp_path):
    """A recording of a history, with a tail beside it; gives the file and the tail's lines."""
    c = lib.client(sandbox)
    lib.make(c, "c")
    file = tmp_path / "log.cdcr"
    with running(tmp_path, "tail", "tail", "--uri", sandbox.uri, "--json"):
        with running(tmp_path, "record", "record", "--uri", sandbox.uri, "--follow", file):
            # The head is written once the position is proven; the tail has begun when it has said what it found.
            lib.wait_until(lambda: file.exists() and file.stat().st_size > 0, 30)
            lib.wait_until(lambda: "channels found" in (tmp_path / "tail.err").read_text(), 30)
            history(c, lib.SEED)
            # Messages in two blocks at least: what comes after the first one was written is in another.
            lib.wait_until(lambda: file.read_bytes().count(b"CDCR") > 2, 30, what="a block of messages after head and catalogue")
            c.upsert("c", lib.simple_rows(0, 5))
            wanted = c.query("c", filter="", output_fields=["count(*)"])
            c.flush("c")
            lib.wait_until(lambda: '"ManualFlush"' in (tmp_path / "tail.out").read_text(), 30)
    assert wanted is not None
    return c, file, [json.loads(line) for line in (tmp_path / "tail.out").read_text().splitlines()]


@pytest.mark.parametrize("target", ["sandbox", "milvus"])
def test_a_replayed_recording_is_equal(target, sandbox, tmp_path, request):
    c, file, tail = recorded(sandbox, tmp_path)
    shown = lib.run("decode", "--json", file)
    assert shown.returncode == 0, shown.stderr
    messages = [json.loads(line) for line in shown.stdout.splitlines()]
    # Names come from the catalogue and from what was made before, as they do for tail.
    assert {m.get("collection") for m in tail} == {m.get("collection") for m in messages} >= {"c"}
    # Both began at a proven position, and neither missed or repeated anything.
    assert {(m["pchannel"], m["id"]) for m in tail} == {(m["pchannel"], m["id"]) for m in messages}
    with contextlib.ExitStack() as stack:
        if target == "sandbox":
            second = stack.enter_context(lib.servers.SandboxServer(tmp_path / "second"))
        else:
            second = request.getfixturevalue("milvus")
        for _ in range(2):
            done = lib.run("replay", "--target-uri", second.uri, *([] if _ == 0 else ["--adopt"]), file)
            assert done.returncode == 0, done.stderr + done.stdout
            equal = lib.compare(sandbox, second)
            assert equal.returncode == 0, equal.stdout + equal.stderr


def test_record_and_replay_at_the_same_time(sandbox, tmp_path):
    """The issue's sentence: `tail` and `record` of a sandbox while `replay` feeds another one: equal by `compare`."""
    c = lib.client(sandbox)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 20))
    file = tmp_path / "log.cdcr"
    with lib.servers.SandboxServer(tmp_path / "second") as second:
        # It waits for a file that is not there yet.
        play = subprocess.Popen(
            lib.servers.dying_with_parent([str(lib.PROGRAM), "replay", "--target-uri", second.uri, "--follow", str(file)]),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            with running(tmp_path, "tail", "tail", "--uri", sandbox.uri, "--json"):
                with running(tmp_path, "record", "record", "--uri", sandbox.uri, "--follow", file):
                    lib.wait_until(lambda: file.exists() and file.stat().st_size > 0, 30)
                    lib.wait_until(lambda: "channels found" in (tmp_path / "tail.err").read_text(), 30)
                    c.upsert("c", lib.simple_rows(0, 20))
                    history(c, lib.SEED + 1)
                    # What is recorded arrives while it is still being recorded.
                    lib.wait_until(lambda: lib.client(second).has_collection("c") and lib.count(lib.client(second), "c") > 20, 60)
                    history(c, lib.SEED + 2)
                    c.flush("c")
                    lib.wait_until(lambda: '"ManualFlush"' in (tmp_path / "tail.out").read_text(), 30)
            # The recording was ended, so the replay ends by itself.
            output, error = play.communicate(timeout=60)
            assert play.returncode == 0, error
        finally:
            play.kill()
        assert "default.c:" in output
        equal = lib.compare(sandbox, second)
        assert equal.returncode == 0, equal.stdout + equal.stderr + error
        shown = lib.run("decode", "--json", file)
        tail = [json.loads(line) for line in (tmp_path / "tail.out").read_text().splitlines()]
        messages = [json.loads(line) for line in shown.stdout.splitlines()]
        assert {(m["pchannel"], m["id"]) for m in tail} == {(m["pchannel"], m["id"]) for m in messages}


# --- native

def native_history(sandbox):
    """A log that holds the creation of everything."""
    c = lib.client(sandbox)
    lib.make(c, "c")
    history(c, lib.SEED)
    return c


def record_all(sandbox, file):
    done = lib.run("record", "--uri", sandbox.uri, file)
    assert done.returncode == 0, done.stderr


def replay_native(target, file, *options):
    return lib.run("replay", "--target-uri", target.uri, "--apply", "native", *options, file)


def as_primary(target):
    """Makes a standby readable for `compare`, which needs no role, and its clients writable."""
    done = lib.run("promote", "--target-uri", target.uri, "--yes")
    assert done.returncode == 0, done.stderr


def test_a_native_replay_makes_a_standby_that_is_equal(tmp_path):
    file = tmp_path / "log.cdcr"
    with lib.servers.SandboxServer(tmp_path / "a", "--cluster-id", "src", "--pchannels", 2) as source, \
            lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst", "--pchannels", 2) as target:
        c = native_history(source)
        record_all(source, file)
        dry = lib.run("replay", "--dry-run", "--apply", "native", file)
        assert dry.returncode == 0, dry.stdout + dry.stderr
        assert "messages for a standby of src with 2 pchannels" in dry.stdout
        middle = lib.count(c, "c")
        done = replay_native(target, file)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "dst, a standby now, has everything of the recording on 2 pchannels" in done.stdout
        assert lib.compare(source, target).returncode == 0
        # A file that holds the same twice.
        record_all(source, file)
        assert "stand there again" in lib.run("replay", "--dry-run", file).stdout
        # Again: nothing is sent twice, and what has come since goes on where the standby is.
        again = json.loads(replay_native(target, file, "--json").stdout)
        assert again["messages"] == 0
        c.insert("c", lib.simple_rows(5000, 30))
        later = tmp_path / "later.cdcr"
        record_all(source, later)
        more = replay_native(target, later, "--json")
        assert more.returncode == 0, more.stderr
        assert 0 < json.loads(more.stdout)["messages"] < 20
        assert lib.compare(source, target).returncode == 0
        assert lib.count(c, "c") == middle + 30


def test_native_replay_refuses_what_would_break_a_standby(tmp_path):
    file = tmp_path / "log.cdcr"
    with lib.servers.SandboxServer(tmp_path / "a", "--cluster-id", "src", "--pchannels", 2) as source, \
            lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst", "--pchannels", 2) as target:
        c = native_history(source)
        record_all(source, file)
        # A choice of a part.
        for options in (["--collection", "c"], ["--database", "*"], ["--rename", "c=d"], ["--adopt"]):
            refused = replay_native(target, file, *options)
            assert refused.returncode == 2 and "all or nothing" in refused.stderr, refused.stderr
        # A recording that begins in the middle.
        late = tmp_path / "late.cdcr"
        with running(tmp_path, "record", "record", "--uri", source.uri, "--follow", late):
            lib.wait_until(lambda: late.exists() and late.stat().st_size > 0, 30)
            c.insert("c", lib.simple_rows(7000, 1))
            lib.wait_until(lambda: '"7000"' in lib.run("decode", "--json", late).stdout or "7000" in lib.run("decode", late).stdout, 30)
        refused = replay_native(target, late)
        assert refused.returncode == 1
        assert "does not hold the creation of default.c" in refused.stderr, refused.stderr
        # A target that is not empty.
        lib.make(lib.client(target), "mine")
        refused = replay_native(target, file)
        assert refused.returncode == 1 and "the target is not empty (default.mine)" in refused.stderr, refused.stderr
        assert lib.client(target).list_collections() == ["mine"]


def bend(message, **properties):
    """The message with other properties; None takes one away."""
    for name, value in properties.items():
        if value is None:
            del message.properties[name]
        else:
            message.properties[name] = value
    return message


@pytest.mark.parametrize("properties, part", [
    ({"_t": "99"}, "_t"), ({"_v": "7"}, "_v"), ({"_v": None}, "_v"), ({"_h": None}, "_h"), ({"_rh": "CgNhYmM="}, "_rh"),
])
def test_force_never_sends_what_kills(properties, part, tmp_path):
    """One damaged message at the end: nothing at all is sent, with or without --force."""
    file = tmp_path / "log.cdcr"
    with lib.servers.SandboxServer(tmp_path / "a", "--cluster-id", "src", "--pchannels", 2) as source, \
            lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst", "--pchannels", 2) as target:
        lib.make(lib.client(source), "c")
        lib.client(source).insert("c", lib.simple_rows(0, 5))
        record_all(source, file)
        recordfile.rewrite(file, lambda message: bend(message, **properties) if message.properties["_t"] == "2" else message)
        for options in ([], ["--force"]):
            refused = replay_native(target, file, *options)
            assert refused.returncode == 1, refused.stdout + refused.stderr
            assert f"is held back: {part}: " in refused.stderr and "Nothing was sent" in refused.stderr, refused.stderr
        assert lib.client(target).list_collections() == []
        info = lib.run("call", "GetReplicateInfo", '{"source_cluster_id": "src", "target_pchannel": "dst-rootcoord-dml_0"}',
                       "--uri", target.uri, "--timeout", "5")
        assert info.stdout.strip() == "{}", "the target is no standby"


@pytest.mark.parametrize("version", ["2.6.23", "3.0.1"])
def test_a_native_replay_into_milvus_own_code(version, log_witness, tmp_path):
    """A log that a real server wrote, from a file, into a target that is Milvus's own message code."""
    folder = pathlib.Path(__file__).resolve().parents[1] / "MilvusWireTests" / "Fixtures" / "wal-live" / "source"
    source = log_witness("--log", folder, "--flush-all", "start", version="2.6.23")
    file = tmp_path / "log.cdcr"
    done = lib.run("record", "--uri", source.uri, file, "--flush")
    assert done.returncode == 0, done.stderr
    target = log_witness("--cluster-id", "cdc-dst", "--pchannels", 4, version=version)
    played = replay_native(target, file, "--json")
    assert played.returncode == 0, played.stderr
    taken = [e for e in target.events() if e["event"] == "replicated" and e.get("applied")]
    assert len(taken) == json.loads(played.stdout)["messages"] > 0
    assert not [e for e in target.events() if e["event"] == "panic"] and target.process.poll() is None
    assert json.loads(replay_native(target, file, "--json").stdout)["messages"] == 0


def test_a_damaged_recording_says_where_and_stops(sandbox, tmp_path):
    _, file, _ = recorded(sandbox, tmp_path)
    whole = file.read_bytes()
    blocks = [i for i in range(len(whole)) if whole[i:i + 4] == b"CDCR"]
    assert len(blocks) > 4, "head, catalogue, two blocks of messages, end"
    damaged = bytearray(whole)
    place = blocks[len(blocks) // 2] + 30
    damaged[place] ^= 0x55
    file.write_bytes(damaged)
    dry = lib.run("replay", "--dry-run", file)
    assert dry.returncode == 1
    assert f"damage at byte {blocks[len(blocks) // 2]}:" in dry.stdout
    with lib.servers.SandboxServer(tmp_path / "second") as second:
        refused = lib.run("replay", "--target-uri", second.uri, file)
        assert refused.returncode == 1
        assert "--force" in refused.stderr
        assert lib.run("replay", "--target-uri", second.uri, "--force", file).returncode == 0
    # A file that was cut off is played as far as it goes.
    file.write_bytes(whole[:-3])
    with lib.servers.SandboxServer(tmp_path / "third") as third:
        cut = lib.run("replay", "--target-uri", third.uri, file)
        assert cut.returncode == 0, cut.stderr
        assert "damage at byte" in cut.stderr


def test_only_the_owner_may_read_a_recording(sandbox, tmp_path):
    lib.make(lib.client(sandbox), "c")
    assert lib.run("record", "--uri", sandbox.uri, tmp_path / "x.cdcr").returncode == 0
    assert os.stat(tmp_path / "x.cdcr").st_mode & 0o777 == 0o600
