"""The sandbox through the official client: the same session on a real server and on the sandbox must read alike."""

import random

import grpc
import pytest
from pymilvus import Collection, DataType, MilvusException, connections, utility
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

import lib
from test_copy_and_follow import every_type, every_type_row, text_key


class Session:
    """Runs steps and writes down what each gave; `read` is what a reader sees, ids and times left out."""

    def __init__(self, server):
        self.server = server
        self.c = lib.client(server)
        self.seen = []

    def do(self, name, step, refusal=None):
        """`refusal`: the step must be refused on every server; codes and texts are each server's own."""
        try:
            found = step()
        except MilvusException as error:
            assert refusal, f"{self.server.name}: {name}: {error}"
            self.seen.append((name, "refused"))
            return None
        assert not refusal, f"{self.server.name}: {name} was not refused: {found}"
        self.seen.append((name, lib.plain(found)))
        return found

    def rows(self, collection, expression="", partitions=None):
        self.do(f"rows of {collection} {expression} {partitions or ''}",
                lambda: [(key, dict(sorted(row.items())))
                         for key, row in sorted(lib.rows(self.c, collection, partitions, expression).items())])

    def count(self, collection):
        self.do(f"count of {collection}", lambda: lib.count(self.c, collection))


def collections_and_rows(server):
    """What 2.3.5 and the sandbox do alike: everything but types that 2.3.5 has not."""
    s = Session(server)
    c, generator = s.c, random.Random(7)
    s.do("nothing there", c.list_collections)
    s.do("create", lambda: c.create_collection("a", schema=lib.simple_schema(dynamic=True), num_shards=2, consistency_level="Strong"))
    s.do("the same again", lambda: c.create_collection("a", schema=lib.simple_schema(dynamic=True), num_shards=2, consistency_level="Strong"))
    s.do("another of that name", lambda: c.create_collection("a", schema=lib.simple_schema(dim=4)), refusal=True)
    s.do("there", lambda: (c.list_collections(), c.has_collection("a"), c.has_collection("b")))
    s.do("schema", lambda: lib.fields(c, "a"))
    s.do("described", lambda: {k: c.describe_collection("a")[k] for k in ("collection_name", "num_shards", "num_partitions", "enable_dynamic_field", "auto_id")})
    s.do("query before load", lambda: c.query("a", filter="id in [1]"), refusal=True)
    s.do("load without an index", lambda: c.load_collection("a"), refusal=True)
    s.do("insert", lambda: c.insert("a", [{**row, "x": row["id"] % 3} for row in lib.simple_rows(0, 200, generator)])["insert_count"])
    lib.add_index(c, "a")
    s.do("index", lambda: lib.indexes(c, "a"))
    s.do("load", lambda: c.load_collection("a"))
    s.do("loaded", lambda: lib.is_loaded(c, "a"))
    s.count("a")
    s.rows("a")
    s.rows("a", "id in [3, 5, 1000]")
    s.rows("a", "id >= 10 and id < 14")
    s.rows("a", "10 < id <= 12 or id == 0")
    s.rows("a", "n == 50")
    s.rows("a", "x == 2 and id < 20")
    s.rows("a", "not (id > 3)")
    s.rows("a", "id not in [0, 1] and id < 5")
    s.do("get", lambda: sorted(r["id"] for r in c.get("a", ids=[7, 8, 5000])))
    s.do("upsert", lambda: c.upsert("a", lib.simple_rows(190, 20, generator, n=-1))["upsert_count"])
    s.rows("a", "id >= 185")
    s.do("delete by keys", lambda: c.delete("a", ids=[0, 1, 2, 70000])["delete_count"])
    s.do("delete by filter", lambda: c.delete("a", filter="id in [10, 11]")["delete_count"])
    s.rows("a", "id < 15")
    s.do("repeated keys", lambda: c.insert("a", lib.simple_rows(20, 5, generator, n=77))["insert_count"])
    s.count("a")
    s.do("keys once", lambda: len(lib.rows(c, "a")))
    s.do("delete takes all rows of a key", lambda: c.delete("a", ids=[20])["delete_count"])
    s.count("a")
    s.do("no such field", lambda: c.query("a", filter="id <"), refusal=True)
    s.do("text for a number", lambda: c.query("a", filter='id == "a"'), refusal=True)
    s.do("missing column", lambda: c.insert("a", [{"id": 1, "n": 1}]), refusal=True)
    s.do("rename", lambda: c.rename_collection("a", "b"))
    s.do("renamed", lambda: (c.list_collections(), c.has_collection("a")))
    s.do("rename nothing", lambda: c.rename_collection("a", "c"), refusal=True)
    partitions_and_aliases(s, generator)
    return s.seen


def partitions_and_aliases(s, generator):
    c = s.c
    s.do("partition", lambda: c.create_partition("b", "p"))
    s.do("partition again", lambda: c.create_partition("b", "p"))
    s.do("partitions", lambda: sorted(c.list_partitions("b")))
    c.load_collection("b")
    s.do("insert into it", lambda: c.insert("b", lib.simple_rows(5000, 10, generator), partition_name="p")["insert_count"])
    s.do("insert into none", lambda: c.insert("b", lib.simple_rows(1, 1), partition_name="q"), refusal=True)
    s.rows("b", partitions=["p"])
    s.do("delete in another partition", lambda: c.delete("b", ids=[5001], partition_name="_default")["delete_count"])
    s.rows("b", partitions=["p"])
    s.do("drop a loaded partition", lambda: c.drop_partition("b", "p"), refusal=True)
    s.do("release", lambda: c.release_collection("b"))
    s.do("drop partition", lambda: c.drop_partition("b", "p"))
    s.do("drop the default one", lambda: c.drop_partition("b", "_default"), refusal=True)
    s.do("drop index", lambda: c.drop_index("b", "vector"))
    s.do("no index", lambda: c.list_indexes("b"))
    s.do("alias", lambda: c.create_alias("b", "al"))
    s.do("described by alias", lambda: c.describe_collection("al")["collection_name"])
    s.do("aliases", lambda: c.list_aliases("b")["aliases"])
    c.create_collection("z", schema=lib.simple_schema())
    s.do("alias of another", lambda: c.create_alias("z", "al"), refusal=True)
    s.do("alter alias", lambda: c.alter_alias("z", "al"))
    s.do("points", lambda: c.describe_alias("al")["collection_name"])
    s.do("drop by alias", lambda: c.drop_collection("al"), refusal=True)
    s.do("drop alias", lambda: c.drop_alias("al"))
    s.do("drop", lambda: (c.drop_collection("z"), c.drop_collection("z"), c.list_collections()))
    s.do("database", lambda: (c.create_database("d"), sorted(c.list_databases())))
    s.do("database again", lambda: c.create_database("d"), refusal=True)
    d = lib.client(s.server, "d")
    d.create_collection("in_d", schema=lib.simple_schema())
    s.do("collections of it", lambda: (d.list_collections(), c.list_collections()))
    s.do("drop it full", lambda: c.drop_database("d"), refusal=True)
    d.drop_collection("in_d")
    s.do("drop it", lambda: (c.drop_database("d"), c.list_databases()))


def text(number):
    """Keys in every spelling that Lite reads in a filter of this client."""
    return f"{['', 'a', 'Grüße 你好', 'two words'][number % 4]}#{number}"


def types_and_nulls(server):
    """What Lite and the sandbox do alike: nulls, defaults, added fields."""
    s = Session(server)
    c = s.c
    schema = lib.schema(
        ("id", DataType.VARCHAR, {"is_primary": True, "max_length": 40}), ("word", DataType.VARCHAR, {"max_length": 20, "nullable": True}),
        ("size", DataType.INT32, {"nullable": True}), ("list", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 5, "nullable": True}),
        ("doc", DataType.JSON, {"nullable": True}), ("with_default", DataType.INT64, {"default_value": 9}),
        ("vector", DataType.FLOAT_VECTOR, {"dim": 4}), dynamic=True)
    c.create_collection("t", schema=schema)
    lib.add_index(c, "t", index_type="FLAT", nlist=1)
    c.load_collection("t")
    s.do("schema", lambda: lib.fields(c, "t"))
    rows = []
    for n in range(40):
        row = {"id": text(n), "vector": [n, 1, 2, 3], "tag": n}
        if n % 2:
            row |= {"word": f"w{n}", "list": list(range(n % 4)), "doc": {"a": {"b": n}}}
        if n % 3:
            row |= {"size": n, "with_default": n}
        rows.append(row)
    s.do("insert", lambda: c.insert("t", rows)["insert_count"])
    s.rows("t")
    s.rows("t", "size > 30")
    s.rows("t", 'word == "w5"')
    s.rows("t", 'doc["a"]["b"] == 7')
    s.rows("t", "tag in [3, 4]")
    s.rows("t", 'word like "w3%"')
    s.rows("t", "size is null and tag < 10")
    s.rows("t", "word is not null and tag < 10")
    s.do("delete", lambda: len(c.delete("t", filter=lib.key_filter("id", [text(n) for n in range(8)])) and [1]))
    s.count("t")
    s.rows("t", "tag < 12")
    s.do("truncate", lambda: c.truncate_collection("t"))
    s.count("t")
    return s.seen


def assert_alike(real, sandbox):
    for (name, theirs), (our_name, ours) in zip(real, sandbox):
        assert name == our_name
        assert ours == theirs, name
    assert len(real) == len(sandbox)


def test_a_session_reads_alike_on_milvus(milvus, sandbox):
    assert_alike(collections_and_rows(milvus), collections_and_rows(sandbox))


def test_nulls_and_types_read_alike_on_lite(lite, sandbox):
    assert_alike(types_and_nulls(lite), types_and_nulls(sandbox))


@pytest.mark.parametrize("key", [DataType.INT64, DataType.VARCHAR], ids=["integer_key", "text_key"])
def test_every_value_reads_alike_on_milvus(milvus, sandbox, key):
    generator = random.Random(lib.SEED)
    keys = [text_key(n) for n in range(200)] if key == DataType.VARCHAR else [n * 7 - 500 for n in range(200)]
    made = [every_type_row(generator, k) for k in keys]
    found = []
    for server in (milvus, sandbox):
        c = lib.client(server)
        lib.make(c, "films", every_type(key))
        c.insert("films", made)
        found.append((lib.fields(c, "films"), lib.rows(c, "films")))
    assert found[0][0] == found[1][0]
    assert found[0][1].keys() == found[1][1].keys()
    for k, row in found[0][1].items():
        assert row == found[1][1][k]


def test_vectors_and_newer_types_come_back_as_they_went(sandbox):
    c = lib.client(sandbox)
    schema = lib.schema(
        ("id", DataType.INT64, {"is_primary": True, "auto_id": True}), ("binary", DataType.BINARY_VECTOR, {"dim": 16}),
        ("sparse", DataType.SPARSE_FLOAT_VECTOR, {}), ("maybe", DataType.FLOAT_VECTOR, {"dim": 2, "nullable": True}),
        ("when", DataType.TIMESTAMPTZ, {"nullable": True}), ("where", DataType.GEOMETRY, {"nullable": True}))
    c.create_collection("v", schema=schema)
    for name, kind, metric in (("binary", "BIN_FLAT", "HAMMING"), ("sparse", "SPARSE_INVERTED_INDEX", "IP"), ("maybe", "FLAT", "L2")):
        lib.add_index(c, "v", name, kind, metric, nlist=1)
    c.load_collection("v")
    rows = [{"binary": bytes([n, 255 - n]), "sparse": {n: 0.5, n + 100: 1.5}, "maybe": [n, 1] if n % 2 else None,
             "when": "2026-11-21T02:33:40+00:00" if n % 3 else None, "where": f"POINT ({n} 2)" if n % 2 else None} for n in range(9)]
    ids = c.insert("v", rows)["ids"]
    assert len(set(ids)) == 9
    found = {row["id"]: lib.plain(dict(row)) for row in c.query("v", filter="", output_fields=["*"], limit=100)}
    for id_, row in zip(ids, rows):
        got = found[id_]
        assert got["binary"][0] == row["binary"] if isinstance(got["binary"], list) else got["binary"] == row["binary"]
        assert {int(k): v for k, v in got["sparse"].items()} == row["sparse"]
        assert got["maybe"] == row["maybe"] and got["when"] == row["when"] and got["where"] == row["where"]


def test_a_field_can_be_added(sandbox):
    c = lib.client(sandbox)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 3))
    c.add_collection_field("c", "later", DataType.INT64, nullable=True)
    c.add_collection_field("c", "word", DataType.VARCHAR, max_length=9, nullable=True, default_value="dd")
    c.insert("c", [{**row, "later": 5} for row in lib.simple_rows(3, 2)])
    found = c.query("c", filter="id in [0, 3]", output_fields=["later", "word"])
    assert [(r["later"], r["word"]) for r in found] == [(None, "dd"), (5, "dd")]
    assert [r["id"] for r in c.query("c", filter="later is not null", output_fields=["id"])] == [3, 4]


def test_iterators_read_every_row_once_in_the_order_of_keys(sandbox):
    c = lib.client(sandbox)
    lib.make(c, "c", num_shards=3)
    c.insert("c", lib.simple_rows(0, 2500))
    iterator, keys = c.query_iterator("c", batch_size=300, output_fields=["id"]), []
    while batch := iterator.next():
        keys += [row["id"] for row in batch]
    assert keys == list(range(2500))


@pytest.mark.filterwarnings("ignore:.*ORM-style")
def test_the_object_client_works_too(sandbox):
    connections.connect("sandbox", uri=sandbox.uri)
    try:
        collection = Collection("orm", schema=lib.simple_schema(), using="sandbox")
        collection.insert(lib.simple_rows(0, 30))
        collection.create_index("vector", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
        collection.load()
        collection.flush()
        assert utility.list_collections(using="sandbox") == ["orm"]
        assert [r["id"] for r in collection.query("id in [3, 4]", output_fields=["id"])] == [3, 4]
        assert collection.delete("id in [3]").delete_count == 1
        assert collection.num_entities == 29
        collection.drop()
    finally:
        connections.disconnect("sandbox")


def test_users_and_roles_are_remembered(sandbox):
    c = lib.client(sandbox)
    c.create_user("alice", "Passw0rd!")
    c.create_role("reader")
    c.grant_role("alice", "reader")
    assert c.list_users() == ["alice", "root"] and "reader" in c.list_roles()
    assert list(c.describe_user("alice")["roles"]) == ["reader"]
    c.grant_privilege_v2("reader", "Search", "*", "default")
    assert c.describe_role("reader")["privileges"][0]["privilege"] == "Search"
    c.revoke_privilege_v2("reader", "Search", "*", "default")
    c.drop_role("reader")
    c.drop_user("alice")
    assert c.list_users() == ["root"]


def test_what_it_cannot_do_is_unimplemented(sandbox):
    c = lib.client(sandbox)
    lib.make(c, "c")
    with pytest.raises(Exception, match="(?i)unknown method Search|unimplemented"):
        c.search("c", data=[[0.0] * 8], limit=1, timeout=5)


def test_faults_come_when_they_are_asked_for(sandbox):
    c = lib.client(sandbox)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 3))
    sandbox.control("deny")
    with pytest.raises(MilvusException, match="deactivated") as refused:
        c.insert("c", lib.simple_rows(3, 1), timeout=5)
    assert refused.value.code == 9
    sandbox.control("allow")
    sandbox.control("fault", method="Insert", action="status", code=8, reason="rate limit exceeded[rate=1]")
    sandbox.control("fault", method="Insert", action="twice")
    c.insert("c", lib.simple_rows(3, 1))  # The client makes it again after the first refusal; it then happens twice.
    assert lib.count(c, "c") == 5 and len(lib.rows(c, "c")) == 4
    sandbox.control("fault", method="DescribeCollection", action="hang")
    with pytest.raises(Exception, match="(?i)deadline"):
        lib.client(sandbox).describe_collection("c", timeout=1)
    sandbox.control("clear")
    assert {p["name"] for p in sandbox.control("state")["pchannels"]} == {f"by-dev-rootcoord-dml_{n}" for n in range(4)}
    with pytest.raises(lib.servers.ServerError, match="no call"):
        sandbox.control("nonsense")


@pytest.mark.parametrize("direction", ["from_the_sandbox", "to_the_sandbox"])
def test_the_bridge_copies(lite, sandbox, tmp_path, direction):
    source, target = (sandbox, lite) if direction == "from_the_sandbox" else (lite, sandbox)
    s, t = lib.client(source), lib.client(target)
    generator = random.Random(lib.SEED)
    lib.make(s, "films", every_type())
    s.insert("films", [every_type_row(generator, n) for n in range(3000)])
    lib.make(s, "plain")
    s.insert("plain", lib.simple_rows(0, 500))
    s.create_alias("plain", "nick")
    done = lib.run("sync", "--source-uri", source.uri, "--target-uri", target.uri, "--copy-only", "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert lib.difference(s, t, "films") is None
    assert lib.difference(s, t, "plain") is None
    compared = lib.compare(source, target)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_one_sandbox_follows_another_natively(tmp_path):
    with lib.servers.SandboxServer(tmp_path / "a", "--cluster-id", "src", "--pchannels", 2) as a, \
            lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst", "--pchannels", 2) as b:
        c = lib.client(a)
        lib.make(c, "c", num_shards=2)
        c.insert("c", lib.simple_rows(0, 50))
        c.upsert("c", lib.simple_rows(0, 5, n=-1))
        c.delete("c", ids=[7])
        with grpc.insecure_channel(a.address) as source, grpc.insecure_channel(b.address) as target:
            source, target = milvus_pb2_grpc.MilvusServiceStub(source), milvus_pb2_grpc.MilvusServiceStub(target)
            clusters = [common_pb2.MilvusCluster(cluster_id=i, connection_param=common_pb2.ConnectionParam(uri=f"bridge:{i}"),
                                                 pchannels=[f"{i}-rootcoord-dml_{n}" for n in range(2)]) for i in ("src", "dst")]
            configuration = common_pb2.ReplicateConfiguration(clusters=clusters, cross_cluster_topology=[
                common_pb2.CrossClusterTopology(source_cluster_id="src", target_cluster_id="dst")])
            assert target.UpdateReplicateConfiguration(milvus_pb2.UpdateReplicateConfigurationRequest(
                replicate_configuration=configuration), timeout=5).code == 0
            end = source.AllocTimestamp(milvus_pb2.AllocTimestampRequest(), timeout=5).timestamp
            for n in range(2):
                log = list(source.DumpMessages(milvus_pb2.DumpMessagesRequest(
                    pchannel=f"src-rootcoord-dml_{n}", start_message_id=common_pb2.MessageID(id="CAAQAQ==", WAL_name=4),
                    end_timetick=end, include_start_message=True), timeout=20))
                requests = [milvus_pb2.ReplicateRequest(replicate_message=milvus_pb2.ReplicateMessage(
                    source_cluster_id="src", message=answer.message)) for answer in log]
                stream = target.CreateReplicateStream(iter(requests), metadata=[("cluster-id", "dst")], timeout=20)
                confirmed = [answer.replicate_confirmed_message_info.confirmed_time_tick for answer in stream]
                members = [m for m in requests if "_tx" in m.replicate_message.message.properties]
                commits = [m for m in members if m.replicate_message.message.properties["_t"] == "901"]
                assert len(confirmed) == len(requests) - len(members) + len(commits)
            with pytest.raises(grpc.RpcError) as refused:
                list(target.CreateReplicateStream(iter([]), timeout=5))
            assert refused.value.code() == grpc.StatusCode.UNKNOWN and "cluster id not found" in refused.value.details()
        assert lib.difference(c, lib.client(b), "c") is None
        with pytest.raises(MilvusException, match="REPLICATE_VIOLATION"):
            lib.client(b).insert("c", lib.simple_rows(900, 1), timeout=5)
