"""A native task from before its beginning to after its end: seeding, rights, roles that change, and the commands that change them."""

import subprocess
import time

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

import grpc
import lib
from native import EVERYTHING, native


@pytest.fixture
def pair(sandboxes):
    return sandboxes("src"), sandboxes("dst")


def following(bridge, task):
    lib.wait_until(lambda: (p := bridge.progress(task))["phase"] == "following" and p["copied"], 60, what="it follows")


def paused(bridge, task, seconds=30):
    """The reason, and after how many seconds it was there."""
    began = time.monotonic()
    lib.wait_until(lambda: bridge.task(task)["state"] == "Paused", seconds, 0.05, "the task stops")
    view = bridge.task(task)
    return view["reason"] + " " + view["hint"], time.monotonic() - began


def role(sandbox):
    return sandbox.control("state")["role"]


def dry_run(bridge, target):
    plan = bridge.call("create", milvus_connect_param={"uri": target.uri}, db_collections=EVERYTHING, apply="native", dry_run=True)["plan"]
    return [line for line in plan if line.startswith("obstacle: ")]


# --- seeding

def fill(c):
    """Something of everything that stands on a source."""
    lib.make(c, "a")
    c.insert("a", lib.simple_rows(0, 300))
    c.upsert("a", lib.simple_rows(100, 50, n=1))
    c.delete("a", ids=list(range(20)))
    c.create_partition("a", "p")
    c.insert("a", lib.simple_rows(1000, 30), partition_name="p")
    c.create_alias("a", "other")
    lib.make(c, "gone", load=False)
    c.insert("gone", lib.simple_rows(0, 10))


def test_a_source_whose_whole_log_can_be_read_seeds_its_standby(pair, bridges):
    source, target = pair
    c = lib.client(source)
    fill(c)
    c.drop_collection("gone")
    bridge = bridges(source)
    assert dry_run(bridge, target) == []
    task = native(bridge, target)
    following(bridge, task)
    lib.wait_same(c, lib.client(target), "a", per_partition=True)
    assert lib.compare(source, target).returncode == 0
    t = lib.client(target)
    assert t.list_collections() == ["a"]
    # A standby has the source's ids and aliases, and goes on with what comes.
    assert t.describe_collection("a")["collection_id"] == c.describe_collection("a")["collection_id"]
    assert t.describe_collection("other")["collection_name"] == "a"
    lib.make(c, "b")
    c.insert("b", lib.simple_rows(0, 20))
    lib.wait_same(c, t, "b")


def test_a_source_that_has_forgotten_its_beginning_is_refused(pair, bridges):
    source, target = pair
    c = lib.client(source)
    fill(c)
    for pchannel in source.control("state")["pchannels"]:
        source.control("truncate", pchannel=pchannel["name"])
    c.insert("a", lib.simple_rows(5000, 10))
    bridge = bridges(source)
    task = native(bridge, target)
    text, _ = paused(bridge, task)
    assert "does not reach back to the creation of default.a, default.gone" in text, text
    assert "milvus-backup" in text and "apply public" in text, text
    # Nothing was done to the target.
    assert role(target) == "primary" and lib.client(target).list_collections() == []
    # It says the same when it is asked again.
    bridge.call("resume", task_id=task)
    assert "does not reach back" in paused(bridge, task)[0]


def test_what_was_dropped_before_the_log_begins_is_left_out_by_name(pair, bridges):
    source, target = pair
    c = lib.client(source)
    lib.make(c, "gone")
    c.insert("gone", lib.simple_rows(0, 10))
    for pchannel in source.control("state")["pchannels"]:
        source.control("truncate", pchannel=pchannel["name"])
    c.insert("gone", lib.simple_rows(10, 10))
    c.drop_collection("gone")
    lib.make(c, "a")
    c.insert("a", lib.simple_rows(0, 50))
    bridge = bridges(source)
    task = native(bridge, target)
    following(bridge, task)
    lib.wait_same(c, lib.client(target), "a")
    assert any("dropped before the readable log begins" in note for note in bridge.progress(task)["not_replicated"])


# --- rights

DENIED = {
    "GetReplicateConfiguration": ("target", "PrivilegeGetReplicateConfiguration"),
}


def test_a_user_who_may_not_change_roles_is_told_at_the_start(pair, bridges):
    source, target = pair
    privilege = "PrivilegeUpdateReplicateConfiguration"
    target.control("fault", method="UpdateReplicateConfiguration", action="rpc", code=7, reason=f"{privilege}: permission deny to user", count=-1)
    bridge = bridges(source)
    # A look never sends what could change a role.
    assert dry_run(bridge, target) == []
    text, _ = paused(bridge, native(bridge, target))
    assert "may not change roles" in text and privilege in text, text
    assert role(target) == "primary"


@pytest.mark.parametrize("method", DENIED)
def test_a_user_without_the_right_is_an_obstacle_with_its_fix(method, pair, bridges):
    source, target = pair
    side, privilege = DENIED[method]
    target.control("fault", method=method, action="rpc", code=7, reason=f"{privilege}: permission deny to user", count=-1)
    bridge = bridges(source)
    obstacles = dry_run(bridge, target)
    assert len(obstacles) == 1 and f"the {side}'s user may not" in obstacles[0] and privilege in obstacles[0], obstacles
    probe = lib.run("probe", source.uri, target.uri)
    assert f"in the way of native: the {side}'s user may not" in probe.stdout, probe.stdout
    task = native(bridge, target)
    text, _ = paused(bridge, task)
    assert privilege in text
    assert role(target) == "primary"
    # With the right it goes on.
    target.control("clear")
    bridge.call("resume", task_id=task)
    following(bridge, task)
    assert role(target) == "secondary"


def test_flush_all_without_the_right_stops_the_start_by_name(pair, bridges):
    source, target = pair
    source.control("fault", method="FlushAll", action="rpc", code=7, reason="PrivilegeFlushAll: permission deny to user", count=-1)
    bridge = bridges(source)
    task = native(bridge, target)
    text, _ = paused(bridge, task)
    assert "PrivilegeFlushAll" in text and "Grant" in text, text


# --- the end of a task

def test_delete_leaves_the_roles_and_says_how_to_promote(pair, bridges):
    source, target = pair
    bridge = bridges(source)
    task = native(bridge, target)
    following(bridge, task)
    answer = bridge.call("delete", task_id=task)
    assert "Roles stay as they are" in answer["note"] and f"cdc-bridge promote --target-uri {target.uri}" in answer["note"]
    assert role(target) == "secondary"
    # The next task of the same pair goes on where this one ended.
    c = lib.client(source)
    lib.make(c, "a")
    c.insert("a", lib.simple_rows(0, 50))
    task = native(bridge, target)
    lib.wait_same(c, lib.client(target), "a")
    done = lib.run("delete", task, "--server", bridge.url)
    assert done.returncode == 0 and "promote --target-uri" in done.stderr, (done.stdout, done.stderr)


def answer(command, text, *arguments):
    """The command with these answers on its standard input, which is no terminal."""
    return subprocess.run([str(lib.PROGRAM), *map(str, [*command, *arguments])], input=text, capture_output=True, text=True, timeout=60)


def test_promote_asks_twice_and_does_nothing_without_both_answers(pair, bridges):
    source, target = pair
    bridge = bridges(source)
    task = native(bridge, target)
    following(bridge, task)
    command = ["promote", "--target-uri", target.uri]
    for text, arguments in [("", []), ("dst\n", []), ("dst\nno\n", []), ("src\nyes\n", []), ("", ["--yes"]), ("", ["--cluster-id", "dst"]),
                            ("", ["--cluster-id", "src", "--yes"])]:
        refused = answer(command, text, *arguments)
        assert refused.returncode == 1 and "nothing was changed" in refused.stderr, (text, arguments, refused)
        assert role(target) == "secondary"
    assert bridge.task(task)["state"] == "Running"
    done = answer(command, "dst\nyes\n")
    assert done.returncode == 0 and "dst: done" in done.stdout
    assert "becomes a primary at once" in done.stderr
    text, seconds = paused(bridge, task)
    print(f"noticed after {seconds:.1f} s")
    assert "promoted by force" in text and seconds < 15
    assert role(target) == "primary"
    again = answer(command, "dst\nyes\n")
    assert again.returncode != 0 and role(target) == "primary"


# --- roles that change

def configure(server, clusters, *edges, **uris):
    """UpdateReplicateConfiguration: `clusters` are ids, `uris` those that are known already, which nobody may change."""
    configuration = common_pb2.ReplicateConfiguration(
        clusters=[
            common_pb2.MilvusCluster(
                cluster_id=name, connection_param=common_pb2.ConnectionParam(uri=uris.get(name, f"http://{name}.example:19530")),
                pchannels=[f"{name}-rootcoord-dml_{n}" for n in range(4)])
            for name in clusters
        ],
        cross_cluster_topology=[common_pb2.CrossClusterTopology(source_cluster_id=a, target_cluster_id=b) for a, b in edges])
    with grpc.insecure_channel(server.address) as channel:
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        status = stub.UpdateReplicateConfiguration(
            milvus_pb2.UpdateReplicateConfigurationRequest(replicate_configuration=configuration), timeout=5)
        assert status.code == 0, status.reason


@pytest.mark.parametrize("edge, says", [(("other", "src"), "it is a standby now (other → src)"), (("src", "other"), "src → other")])
def test_a_source_whose_role_changes_is_left_alone_within_seconds(edge, says, pair, bridges):
    source, target = pair
    bridge = bridges(source)
    task = native(bridge, target)
    following(bridge, task)
    configure(source, ["src", "other"], edge)
    text, seconds = paused(bridge, task)
    print(f"noticed after {seconds:.1f} s")
    assert f"the source's replication was changed: {says}" in text, text
    assert "cdc-bridge promote --target-uri URI" in text, text
    assert seconds < 15 and role(target) == "secondary"


def test_a_target_that_is_given_to_another_source_is_left_alone_within_seconds(pair, bridges):
    source, target = pair
    bridge = bridges(source)
    task = native(bridge, target)
    following(bridge, task)
    assert lib.run("promote", "--target-uri", target.uri, "--cluster-id", "dst", "--yes").returncode == 0
    configure(target, ["other", "dst"], ("other", "dst"), dst=target.uri)
    text, seconds = paused(bridge, task)
    print(f"noticed after {seconds:.1f} s")
    assert "standby of other" in text or "promoted by force" in text, text
    assert seconds < 15
    # It is not taken back.
    bridge.call("resume", task_id=task)
    assert "standby of other" in paused(bridge, task)[0]


def test_detach_ends_a_replication_of_milvus_own(pair, bridges):
    source, target = pair
    for server in (target, source):
        configure(server, ["src", "dst"], ("src", "dst"))
    bridge = bridges(source)
    # Two senders would destroy each other's transactions.
    assert "two senders" in str(dry_run(bridge, target))
    command = ["detach", "--source-uri", source.uri]
    refused = answer(command, "src\n")
    assert refused.returncode == 1 and "nothing was changed" in refused.stderr
    assert "two senders" in str(dry_run(bridge, target))
    done = answer(command, "src\nyes\n")
    assert done.returncode == 0 and "src: done" in done.stdout, done.stderr
    assert "two senders" not in str(dry_run(bridge, target))
    again = answer(command, "src\nyes\n")
    assert again.returncode != 0 and "in no replication" in again.stderr
    assert answer(["detach", "--source-uri", target.uri], "dst\nyes\n").returncode != 0
