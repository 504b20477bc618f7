"""`cdc-bridge tap` between the official client and real servers: a session behaves as without it."""

import contextlib
import json
import signal
import statistics
import subprocess
import time

import grpc
import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

import lib


@contextlib.contextmanager
def tap(server, *options, directory):
    """A tap before the server; gives its URI, and its lines once it has ended."""
    lines = directory / "tap.out"
    with open(lines, "w") as output, open(directory / "tap.err", "w") as error:
        process = subprocess.Popen(
            lib.servers.dying_with_parent([str(lib.PROGRAM), "tap", "127.0.0.1:0", server.uri, *options]), stdout=output, stderr=error)
    try:
        first = lib.wait_until(lambda: [line for line in lines.read_text().splitlines() if line.startswith("listening on ")], 20)
        yield "http://" + first[0].removeprefix("listening on ")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, (directory / "tap.err").read_text()
    finally:
        process.kill()


def session(uri, name):
    """What an ordinary program does with Milvus, and everything that it gets."""
    seen = []
    c = lib.Client(uri=uri)
    schema = c.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    c.create_collection(name, schema=schema, consistency_level="Strong")
    index = c.prepare_index_params()
    index.add_index("vector", index_type="IVF_FLAT", metric_type="L2", params={"nlist": 8})
    c.create_index(name, index)
    c.load_collection(name)
    rows = [{"id": i, "title": f"t{i}", "vector": [i / 7, 1, 0, 0, 0, 0, 0, i / 11], "extra": i * 2} for i in range(500)]
    seen.append(c.insert(name, rows)["insert_count"])
    seen.append(lib.plain(c.search(name, data=[rows[7]["vector"], rows[400]["vector"]], limit=5, output_fields=["title"])))
    seen.append(sorted(lib.plain(c.query(name, filter="id < 20", output_fields=["title", "extra", "vector"])), key=lambda row: row["id"]))
    deleted = c.delete(name, ids=[1, 2, 3])
    seen.append(deleted["delete_count"] if isinstance(deleted, dict) else list(deleted))
    seen.append(lib.plain(c.query(name, filter="", output_fields=["count(*)"])))
    seen.append(sorted(field["name"] for field in c.describe_collection(name)["fields"]))
    with pytest.raises(Exception) as failure:
        c.query(name, filter="nonsense ===", output_fields=["id"])
    seen.append(type(failure.value).__name__)
    seen.append(getattr(failure.value, "code", None))
    c.drop_collection(name)
    seen.append(c.has_collection(name))
    c.close()
    return seen


@pytest.mark.parametrize("kind", ["milvus", "lite"])
def test_a_session_through_a_tap_is_the_same(kind, request, tmp_path):
    server = request.getfixturevalue(kind)
    wanted = session(server.uri, "plain")
    with tap(server, "--json", directory=tmp_path) as uri:
        assert session(uri, "plain") == wanted
    calls = [json.loads(line) for line in (tmp_path / "tap.out").read_text().splitlines()[1:]]
    methods = {call["method"] for call in calls}
    assert {"CreateCollection", "CreateIndex", "LoadCollection", "Insert", "Search", "Query", "Delete", "DropCollection"} <= methods
    # The query that cannot be read fails in Milvus, not in gRPC.
    assert any(call["method"] == "Query" and (call.get("milvus") or call["status"] != "ok") for call in calls)


@pytest.mark.parametrize("kind", ["milvus", "lite"])
def test_added_latency(kind, request, tmp_path, capsys):
    server = request.getfixturevalue(kind)
    c = lib.client(server)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 200))

    def times(client, count):
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            client.get_server_version()
            taken.append((time.perf_counter() - start) * 1000)
        return taken

    with tap(server, "--quiet", directory=tmp_path) as uri:
        through = lib.Client(uri=uri)
        times(c, 50), times(through, 50)
        direct, tapped = [], []
        # In turns, so that a busy machine is busy for both.
        for _ in range(10):
            direct += times(c, 50)
            tapped += times(through, 50)
    plain, more = statistics.median(direct), statistics.median(tapped)
    with capsys.disabled():
        print(f"\ntap before {kind}: GetVersion p50 {plain:.3f} ms direct, {more:.3f} ms through the tap, {more - plain:.3f} ms added")
    assert more - plain < 20


def test_faults_reach_the_client(lite, tmp_path):
    with tap(lite, "--fault", "ListDatabases=status:PERMISSION_DENIED:not you", directory=tmp_path) as uri:
        c = lib.Client(uri=uri)
        assert c.list_collections() == []
        with pytest.raises(Exception, match="not you"):
            c.list_databases(timeout=5)


def test_a_log_that_goes_through_can_be_recorded(sandbox, tmp_path):
    lib.make(lib.client(sandbox), "c")
    lib.client(sandbox).insert("c", lib.simple_rows(0, 10))
    file = tmp_path / "through.cdcr"
    with tap(sandbox, "--record", str(file), directory=tmp_path) as uri:
        dumped = lib.run("dump", "--uri", uri, "--json")
        assert dumped.returncode == 0, dumped.stderr
    shown = lib.run("decode", "--json", file)
    assert shown.returncode == 0, shown.stderr
    wanted = {json.loads(line)["id"] for line in dumped.stdout.splitlines()}
    assert wanted and wanted <= {json.loads(line).get("id") for line in shown.stdout.splitlines()}


def test_compressed_calls_go_through_and_are_shown(lite, tmp_path):
    """A client that compresses with gzip: the server gets it so, and the tap shows what was in it."""
    c = lib.client(lite)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 50))
    file = tmp_path / "calls.cdcr"
    name = "a collection that is not there " * 20
    request = milvus_pb2.HasCollectionRequest(collection_name=name)

    def ask(uri):
        with grpc.insecure_channel(uri.removeprefix("http://"), compression=grpc.Compression.Gzip) as channel:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            answer = stub.HasCollection(request, timeout=20)
            rows = stub.Query(milvus_pb2.QueryRequest(collection_name="c", expr="id < 40", output_fields=["id"], consistency_level=0), timeout=20)
        return answer.SerializeToString(deterministic=True), rows.SerializeToString(deterministic=True)

    wanted = ask(lite.uri)
    with tap(lite, "--json", "--messages", "--record", str(file), directory=tmp_path) as uri:
        assert ask(uri) == wanted
    calls = {call["method"]: call for line in (tmp_path / "tap.out").read_text().splitlines()[1:] if (call := json.loads(line))}
    sent = [event for event in calls["HasCollection"]["events"] if "request" in event][0]
    assert sent["compression"] == "gzip" and sent["wire_bytes"] < sent["bytes"] == request.ByteSize()
    assert sent["request"]["collection_name"] == name
    assert calls["HasCollection"]["request_bytes"] == sent["wire_bytes"]
    # The recording has whole calls.
    decoded = lib.run("decode", "--json", file)
    assert decoded.returncode == 0, decoded.stderr
    events = [json.loads(line) for line in decoded.stdout.splitlines()]
    by_method = [e["event"] for e in events if e["method"] == "Query"]
    assert by_method == ["began", "request", "answer", "ended"]
    assert next(e for e in events if e["method"] == "HasCollection" and e["event"] == "request")["message"]["collection_name"] == name
    shown = lib.run("decode", "--brief", file).stdout
    assert "Query from 127.0.0.1:" in shown and shown.count(" OK") == 2


def test_an_ordinary_session_is_recorded_whole_without_its_login(lite, tmp_path):
    file = tmp_path / "session.cdcr"
    with tap(lite, "--quiet", "--record", str(file), directory=tmp_path) as uri:
        c = lib.Client(uri=uri, token="root:a-secret-word")
        lib.make(c, "c")
        c.insert("c", lib.simple_rows(0, 3))
        c.close()
    decoded = lib.run("decode", "--json", file)
    assert decoded.returncode == 0, decoded.stderr
    methods = {json.loads(line)["method"] for line in decoded.stdout.splitlines()}
    assert {"CreateCollection", "Insert"} <= methods
    insert = next(json.loads(line) for line in decoded.stdout.splitlines() if '"Insert"' in line and '"request"' in line)
    assert len(insert["message"]["rows"]) == 3
    assert b"a-secret-word" not in file.read_bytes() and b"cm9vdDphLXNlY3JldC13b3Jk" not in file.read_bytes()
