"""`probe` of real servers and of sandboxes: what it says is what they are, and a pair that cannot work is told with the fix."""

import json

import pytest

import lib


def probe(*arguments):
    run = lib.run("probe", *arguments, "--json")
    return run.returncode, json.loads(run.stdout)


@pytest.mark.parametrize("kind", ["milvus", "lite"])
def test_a_real_server(kind, request):
    server = request.getfixturevalue(kind)
    c = lib.client(server)
    lib.make(c, "c")
    code, report = probe(server.uri)
    assert code == 0
    cluster = report["clusters"][0]
    assert cluster["reachable"] and cluster["product"] == ("milvus" if kind == "milvus" else "milvus-lite")
    assert cluster["version"] in c.get_server_version()
    assert cluster["collections"] == 1 and cluster["databases"] == ["default"]
    assert cluster["login_required"] is False
    assert len(cluster["round_trip_ms"]) == 7 and all(0 < ms < 10_000 for ms in cluster["round_trip_ms"])
    if "AllocTimestamp" in cluster["knows"]:
        assert abs(cluster["clock_offset_ms"]) < 5_000
    # Neither has a log that clients may read, and nobody was asked to flush.
    assert "log" not in cluster
    text = lib.run("probe", server.uri).stdout
    assert cluster["version"] in text and "round trip" in text


def test_a_pair_is_judged(milvus, lite):
    lib.make(lib.client(milvus), "c")
    lib.make(lib.client(milvus), "unloaded", load=False)
    code, report = probe(milvus.uri, lite.uri)
    assert code == 0
    assert report["pair"]["capture"].startswith("reconcile") and "2.6.20" in report["pair"]["capture"]
    assert any("unloaded" in line and "not loaded" in line for line in report["pair"]["plan"])
    assert report["pair"]["workable"] and report["pair"]["refused"] == 0
    # One collection that cannot be written is not all well.
    lib.make(lib.client(lite), "c", lib.simple_schema(dim=16))
    code, report = probe(milvus.uri, lite.uri)
    assert code == 1
    assert report["pair"]["workable"] and report["pair"]["refused"] == 1
    assert any(line.startswith("refuse default.c: ") and "16" in line for line in report["pair"]["plan"]), report["pair"]["plan"]
    assert "would not work for 1 of the collections" in lib.run("probe", milvus.uri, lite.uri).stdout
    code, report = probe(milvus.uri, "http://127.0.0.1:9")
    assert code == 64 + 14
    assert not report["pair"]["workable"] and "connection refused" in report["pair"]["obstacles"][0]["what"]


def test_a_log_is_looked_at(sandbox):
    c = lib.client(sandbox)
    lib.make(c, "c")
    code, report = probe(sandbox.uri)
    log = report["clusters"][0]["log"]
    assert code == 0
    assert log["kind"] == "WoodPecker" and log["replication_id"] == "by-dev" and len(log["pchannels"]) == 4
    assert log["flush_all_cluster_id"] is None, "FlushAll is not called unasked"
    assert any("ten minutes" in warning for warning in report["clusters"][0]["warnings"])
    code, report = probe(sandbox.uri, "--flush")
    assert report["clusters"][0]["log"]["flush_all_cluster_id"] == "0"
    assert report["clusters"][0]["log"]["control_channel"].endswith("vcchan")
    code, report = probe(sandbox.uri, sandbox.uri)
    assert code == 1
    assert "same cluster" in report["pair"]["obstacles"][0]["what"]


def test_frames_are_shown_without_logins(lite, tmp_path):
    (tmp_path / "token").write_text("root:Milvus\n")
    run = lib.run("probe", lite.uri, "--trace-frames", "--token-file", tmp_path / "token")
    assert run.returncode == 0, run.stderr
    for wanted in ("SETTINGS stream 0", "HEADERS stream 1", ":path: /milvus.proto.milvus.MilvusService/Connect", "WINDOW_UPDATE",
                   "authorization: <redacted>", "grpc-status: 0"):
        assert wanted in run.stderr
    assert "cm9vdDpNaWx2dXM=" not in run.stderr
