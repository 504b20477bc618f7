"""`salvage` after a promotion by force: sandboxes, with a relay of the test's own in the place of Milvus's replication."""

import contextlib
import json
import types

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

import lib
from test_tap import tap

PCHANNELS = 2


def configuration(*ids, edge=True):
    clusters = [common_pb2.MilvusCluster(cluster_id=i, connection_param=common_pb2.ConnectionParam(uri=f"bridge:{i}"),
                                         pchannels=[f"{i}-rootcoord-dml_{n}" for n in range(PCHANNELS)]) for i in ids]
    edges = [common_pb2.CrossClusterTopology(source_cluster_id=ids[0], target_cluster_id=ids[1])] if edge else []
    return common_pb2.ReplicateConfiguration(clusters=clusters, cross_cluster_topology=edges)


def relay(source, target, after):
    """Everything of the source that has a tick above `after[n]` goes into the target; gives the last ticks."""
    end = source.AllocTimestamp(milvus_pb2.AllocTimestampRequest(), timeout=5).timestamp
    for n in range(PCHANNELS):
        log = list(source.DumpMessages(milvus_pb2.DumpMessagesRequest(
            pchannel=f"src-rootcoord-dml_{n}", start_message_id=common_pb2.MessageID(id="CAAQAQ==", WAL_name=4),
            start_timetick=after[n] + 1, end_timetick=end, include_start_message=True), timeout=20))
        requests = [milvus_pb2.ReplicateRequest(replicate_message=milvus_pb2.ReplicateMessage(
            source_cluster_id="src", message=answer.message)) for answer in log]
        list(target.CreateReplicateStream(iter(requests), metadata=[("cluster-id", "dst")], timeout=20))


@contextlib.contextmanager
def failed_over(tmp_path, conflicting):
    """src → dst, promoted by force while rows of src had not arrived; `conflicting`: keys are then written on both sides."""
    with lib.servers.SandboxServer(tmp_path / "a", "--cluster-id", "src", "--pchannels", PCHANNELS) as a, \
            lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst", "--pchannels", PCHANNELS) as b:
        c = lib.client(a)
        lib.make(c, "c", num_shards=2)
        c.insert("c", lib.simple_rows(0, 50))
        with grpc.insecure_channel(a.address) as source, grpc.insecure_channel(b.address) as target:
            source, target = milvus_pb2_grpc.MilvusServiceStub(source), milvus_pb2_grpc.MilvusServiceStub(target)
            assert target.UpdateReplicateConfiguration(milvus_pb2.UpdateReplicateConfigurationRequest(
                replicate_configuration=configuration("src", "dst")), timeout=5).code == 0
            relay(source, target, [0] * PCHANNELS)
            # What is lost: new rows, changed rows, deleted rows, a new collection.
            c.insert("c", lib.simple_rows(50, 20))
            c.upsert("c", lib.simple_rows(0, 5, n=-1))
            c.delete("c", ids=[7, 8])
            lib.make(c, "late")
            c.insert("late", lib.simple_rows(0, 10))
            assert target.UpdateReplicateConfiguration(milvus_pb2.UpdateReplicateConfigurationRequest(
                replicate_configuration=configuration("dst", edge=False), force_promote=True), timeout=5).code == 0
        d = lib.client(b)
        d.insert("c", lib.simple_rows(1000, 1))
        if conflicting:
            d.upsert("c", lib.simple_rows(3, 1, n=99))
        yield a, b, c, d


def salvage(a, b, tmp_path, *options, name="s.cdcr"):
    return lib.run("salvage", "--old", a.uri, "--new", b.uri, "--output", tmp_path / name, *options)


def test_what_never_arrived_is_found_and_applied(tmp_path):
    with failed_over(tmp_path, conflicting=False) as (a, b, c, d):
        shown = salvage(a, b, tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert "default.c: 25 rows inserted, 7 keys deleted" in shown.stdout
        assert "default.late: 10 rows inserted" in shown.stdout
        assert not d.has_collection("late")
        assert lib.count(d, "c") == 51, "nothing is written without --apply"
        # It never writes over a recording that is there.
        assert salvage(a, b, tmp_path).returncode == 2
        applied = salvage(a, b, tmp_path, "--apply", name="t.cdcr")
        assert applied.returncode == 0, applied.stderr + applied.stdout
        d.delete("c", ids=[1000])
        assert lib.difference(c, d, "c") is None
        assert lib.difference(c, d, "late") is None


def test_each_cluster_has_its_own_authority(authority, tmp_path):
    with failed_over(tmp_path, conflicting=False) as (a, b, c, d), contextlib.ExitStack() as stack:
        fronts = []
        for name, server in (("old", a), ("new", b)):
            (tmp_path / name).mkdir()
            uri = stack.enter_context(tap(server, "--quiet", "--tls-cert-file", authority.path("server"), "--tls-key-file",
                                          authority.key("server"), directory=tmp_path / name))
            fronts.append(types.SimpleNamespace(uri=uri.replace("http:", "https:")))
        refused = salvage(*fronts, tmp_path, "--old-ca-file", authority.path("ca"), "--new-ca-file", authority.path("other_ca"))
        assert refused.returncode != 0 and "certificate is not trusted" in refused.stderr, refused.stderr
        done = salvage(*fronts, tmp_path, "--apply", "--old-ca-file", authority.path("ca"), "--new-ca-file", authority.path("ca"), name="t.cdcr")
        assert done.returncode == 0, done.stderr
        d.delete("c", ids=[1000])
        assert lib.difference(c, d, "c") is None


def test_keys_that_both_wrote_stop_it(tmp_path):
    with failed_over(tmp_path, conflicting=True) as (a, b, c, d):
        stopped = salvage(a, b, tmp_path, "--apply")
        assert stopped.returncode == 1
        assert "conflict: default.c: 1 keys were written on both sides, such as i:3" in stopped.stdout
        assert not d.has_collection("late")
        report = json.loads(salvage(a, b, tmp_path, "--json", name="j.cdcr").stdout)
        assert report["conflicts"] == {"default.c": 1}
        done = salvage(a, b, tmp_path, "--apply", "--on-conflict", "keep-old", name="o.cdcr")
        assert done.returncode == 0, done.stderr
        d.delete("c", ids=[1000])
        assert lib.difference(c, d, "c") is None


@pytest.mark.parametrize("policy", ["keep-new", "skip"])
def test_keys_of_the_new_cluster_stay_when_asked(policy, tmp_path):
    with failed_over(tmp_path, conflicting=True) as (a, b, c, d):
        d.delete("c", ids=[4])  # Changed on the old one, deleted on the new one.
        d.upsert("c", lib.simple_rows(7, 1, n=55))  # Deleted on the old one, changed on the new one.
        before = {row["id"]: row for row in lib.plain(d.query("c", filter="id in [3, 4, 7]", output_fields=["*"]))}
        done = salvage(a, b, tmp_path, "--apply", "--on-conflict", policy, "--json")
        assert done.returncode == 0, done.stderr
        assert '"default.c": 3' in done.stdout
        after = {row["id"]: row for row in lib.plain(d.query("c", filter="id in [3, 4, 7]", output_fields=["*"]))}
        assert after == before and set(after) == {3, 7}
        # Everything else is there: new rows, changes and deletes of keys that nobody else touched, the new collection.
        d.delete("c", ids=[3, 7, 1000])
        c.delete("c", ids=[3, 4, 7])
        assert lib.difference(c, d, "c") is None
        assert lib.difference(c, d, "late") is None


def test_a_cluster_that_was_never_promoted_has_nothing_to_salvage(sandbox, tmp_path):
    with lib.servers.SandboxServer(tmp_path / "b", "--cluster-id", "dst") as b:
        for server in (sandbox, b):
            lib.make(lib.client(server), "c")
        run = salvage(sandbox, b, tmp_path)
        assert run.returncode == 1
        assert "no salvage checkpoint" in run.stderr


def test_a_log_that_was_cut_is_said(tmp_path):
    with failed_over(tmp_path, conflicting=False) as (a, b, c, d):
        for n in range(PCHANNELS):
            a.control("truncate", pchannel=f"src-rootcoord-dml_{n}")
        run = salvage(a, b, tmp_path)
        assert "no longer reaches back" in run.stderr or "shows nothing at or behind" in run.stderr, run.stderr
