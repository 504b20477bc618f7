"""The commands of the program against real servers: exit codes and what a person and a script read."""

import json
import os
import signal
import subprocess
import time

import pytest

import lib


def filled(server, name="c", count=100):
    c = lib.client(server)
    lib.make(c, name)
    c.insert(name, lib.simple_rows(0, count))
    return c


def sync(source, target, *options, **settings):
    return lib.run("sync", "--source-uri", source.uri, "--target-uri", target.uri, *options, **settings)


def test_sync_copy_only_copies_and_ends(pair, tmp_path):
    source, target = pair
    s, t = filled(source, count=3000), lib.client(target)
    done = sync(source, target, "--copy-only", "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "3,000" in done.stderr + done.stdout
    assert lib.difference(s, t, "c") is None
    again = sync(source, target, "--copy-only", "--data-dir", tmp_path / "data")
    assert again.returncode == 0, again.stderr


def test_sync_follows_until_it_is_interrupted(milvus, lite, tmp_path):
    s, t = filled(milvus), lib.client(lite)
    with open(tmp_path / "progress", "w") as progress:
        process = subprocess.Popen(lib.servers.dying_with_parent(
            [lib.PROGRAM, "sync", "--source-uri", milvus.uri, "--target-uri", lite.uri, "--collection", "c", "--interval", "1",
             "--data-dir", tmp_path / "data"]), stderr=progress, stdout=progress)
    try:
        lib.wait_same(s, t, "c")
        s.insert("c", lib.simple_rows(100, 50))
        lib.wait_same(s, t, "c")
        process.send_signal(signal.SIGINT)
        code = process.wait(15)
    finally:
        process.kill()
    text = (tmp_path / "progress").read_text()
    assert code == 0, text
    assert "rows/s" in text and "MB/s" in text and "lag" in text and "%" in text


def test_sync_renames_and_selects(milvus, lite, tmp_path):
    s, t = filled(milvus, "a"), lib.client(lite)
    filled(milvus, "b")
    done = sync(milvus, lite, "--copy-only", "--collection", "a", "--rename", "a=z", "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert lib.difference(s, t, "a", "z") is None
    assert t.list_collections() == ["z"]


def test_sync_that_copies_once_ends_without_what_is_not_there(milvus, lite, tmp_path):
    """A name that the source lacks is waited for by a task that goes on; --copy-only says it and ends with 1."""
    s, t = filled(milvus, "a"), lib.client(lite)
    done = sync(milvus, lite, "--copy-only", "--collection", "a", "--collection", "flims", "--data-dir", tmp_path / "data")
    assert done.returncode == 1, done.stderr
    assert "default.flims was not copied: there is no such collection on the source" in done.stderr
    assert lib.difference(s, t, "a", "a") is None
    nothing = sync(milvus, lite, "--copy-only", "--database", "shpo", "--data-dir", tmp_path / "other")
    assert nothing.returncode == 1 and "nothing was copied" in nothing.stderr, nothing.stderr


def test_compare_says_that_a_collection_is_not_there(milvus, lite):
    filled(milvus, "a")
    done = lib.run("compare", "--source-uri", milvus.uri, "--target-uri", lite.uri, "--collection", "flims")
    assert done.returncode == 1 and "failed: there is no such collection on the source\n" in done.stdout, (done.stdout, done.stderr)


def test_sync_says_what_a_collection_waits_for(milvus, lite, tmp_path):
    filled(milvus, "a").release_collection("a")
    command = [str(lib.PROGRAM), "sync", "--source-uri", milvus.uri, "--target-uri", lite.uri, "--data-dir", str(tmp_path / "data")]
    with open(tmp_path / "progress", "w") as progress:
        process = subprocess.Popen(lib.servers.dying_with_parent(command), stdin=subprocess.DEVNULL, stdout=progress, stderr=progress)
        try:
            lib.wait_until(lambda: "default.a waits: the source has not loaded the collection" in (tmp_path / "progress").read_text(), 60)
        finally:
            process.terminate()
            process.wait(30)


def test_sync_without_a_source_fails_with_the_status_of_the_call(lite, tmp_path):
    port = lib.servers.free_ports(1)[0]
    done = lib.run("sync", "--source-uri", f"http://127.0.0.1:{port}", "--target-uri", lite.uri, "--copy-only", "--data-dir", tmp_path / "data", timeout=60)
    assert done.returncode == 64 + 14, (done.returncode, done.stderr)
    assert f"127.0.0.1:{port}" in done.stderr and "refused" in done.stderr


def test_compare_of_equal_clusters_says_equal_and_ends_with_0(pair, tmp_path):
    source, target = pair
    filled(source)
    filled(source, "d", 50)
    assert sync(source, target, "--copy-only", "--data-dir", tmp_path / "data").returncode == 0
    done = lib.compare(source, target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal" in done.stdout.lower() and "c" in done.stdout
    report = json.loads(lib.compare(source, target, "--json").stdout)
    assert report["verdict"] == "equal"


@pytest.mark.parametrize("change", ["missing", "extra", "changed"])
def test_compare_names_a_differing_row_and_ends_with_1(pair, tmp_path, change):
    source, target = pair
    filled(source, count=2000)
    assert sync(source, target, "--copy-only", "--data-dir", tmp_path / "data").returncode == 0
    t = lib.client(target)
    if change == "missing":
        t.delete("c", ids=[1234])
    elif change == "extra":
        t.insert("c", [{"id": 4321, "n": 1, "vector": [0] * 8}])
    else:
        t.upsert("c", [{"id": 777, "n": -1, "vector": [0] * 8}])
    lib.count(t, "c")  # A strong read: the change is visible from here on.
    key = {"missing": "1234", "extra": "4321", "changed": "777"}[change]
    done = lib.compare(source, target)
    assert done.returncode == 1, done.stdout + done.stderr
    assert key in done.stdout
    report = lib.compare(source, target, "--json")
    assert report.returncode == 1 and json.loads(report.stdout)["verdict"] == "different" and key in report.stdout


def test_compare_names_a_differing_schema_and_a_missing_collection(milvus, lite):
    filled(milvus, "both")
    lib.make(lib.client(lite), "both", lib.simple_schema(dim=16))
    filled(milvus, "gone")
    done = lib.compare(milvus, lite)
    assert done.returncode == 1
    assert "both" in done.stdout and "dim" in done.stdout and "gone" in done.stdout


def test_compare_of_one_collection_ignores_the_others(milvus, lite, tmp_path):
    filled(milvus, "a")
    filled(milvus, "b")
    assert sync(milvus, lite, "--copy-only", "--collection", "a", "--data-dir", tmp_path / "data").returncode == 0
    assert lib.compare(milvus, lite, "--collection", "a").returncode == 0
    assert lib.compare(milvus, lite).returncode == 1


def test_compare_that_cannot_reach_a_side_ends_with_the_status_of_the_call(milvus):
    port = lib.servers.free_ports(1)[0]
    done = lib.run("compare", "--source-uri", milvus.uri, "--target-uri", f"http://127.0.0.1:{port}")
    assert done.returncode == 64 + 14 and str(port) in done.stderr


def test_serve_check_shows_the_configuration_without_secrets_and_probes_the_source(milvus, tmp_path):
    token = tmp_path / "token"
    token.write_text("root:very-secret\n")
    done = lib.run("serve", "--check", "--source-uri", milvus.uri, "--source-token-file", token, "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "2.3.5" in done.stdout and milvus.address in done.stdout
    assert "very-secret" not in done.stdout + done.stderr


def test_serve_on_a_taken_port_says_so(bridges):
    running = bridges()
    done = lib.run("serve", "--listen", f"127.0.0.1:{running.port}", "--data-dir", running.directory / "other", timeout=20)
    assert done.returncode == 1
    assert str(running.port) in done.stderr and "in use" in done.stderr


def test_serve_ends_with_0_on_sigterm_while_a_task_runs(milvus, lite, bridges):
    filled(milvus)
    bridge = bridges(milvus)
    bridge.create(lite, "c")
    started = time.monotonic()
    assert bridge.stop() == 0
    assert time.monotonic() - started < 10


def test_progress_does_not_wait_for_what_a_paused_task_never_becomes(sandboxes, bridges):
    source, target = sandboxes("a"), sandboxes("b")
    filled(source)
    bridge = bridges(source)
    task = bridge.create(target, "c")
    server = ("--server", bridge.url)
    assert lib.run("progress", task, "--until", "copied", "--interval", "0.1", *server).returncode == 0
    bridge.call("pause", task_id=task)
    assert lib.run("progress", task, "--until", "copied", *server).returncode == 0, "what is true is not waited for"
    done = lib.run("progress", task, "--until", "caught_up", *server, timeout=20)
    assert done.returncode == 1
    assert "the task is paused, so caught_up is not waited for" in done.stderr


@pytest.mark.parametrize("command, side", [("promote", "target"), ("detach", "source")])
def test_an_old_server_is_in_no_replication(milvus, command, side):
    done = lib.run(command, f"--{side}-uri", milvus.uri, "--cluster-id", "a", "--yes")
    assert done.returncode == 1
    assert "it is in no replication (that needs 2.6.20, 3.0.0 or later)" in done.stderr


def test_the_stripped_program_is_small(tmp_path):
    stripped = tmp_path / "cdc-bridge"
    subprocess.run(["strip", "-o", stripped, lib.PROGRAM], check=True)
    assert os.path.getsize(stripped) <= 25 << 20, os.path.getsize(stripped)
