"""Native replication, end to end: a source's log forwarded into targets that become standbys, judged by Milvus's own message code."""

import random
import time

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

import lib
from native import (EVERYTHING, LIVE, SKIPPED, CuttingProxy, applied_keys, assert_in_order_once, base36, canonical, insert, living_vchannels,
                    native, recorded, tick, wait_all)

# --- every recording

RECORDINGS = [
    ("source", "2.6.23", "2.6.23"), ("source", "2.6.23", "3.0.1"), ("source-rocksmq", "2.6.23", "2.6.23"),
    ("source-v3", "3.0.1", "3.0.1"),
]


@pytest.mark.parametrize("recording, source_version, target_version", RECORDINGS)
def test_recordings_arrive_as_they_are(recording, source_version, target_version, log_witness, witness, bridges):
    folder = LIVE / recording
    source = log_witness("--log", folder, "--flush-all", "start", version=source_version)
    target = witness(version=target_version)
    sent, left = recorded(*sorted(folder.glob("pchannel-*.pb")))
    bridge = bridges(source)
    task = native(bridge, target)
    wait_all(target, sent)
    target.assert_unharmed()
    assert_in_order_once(target, sent)
    for pchannel, messages in sent.items():
        assert [canonical(m) for m in target.received()[pchannel]] == [canonical(m) for m in messages]
    progress = lib.wait_until(lambda: (p := bridge.progress(task))["phase"] == "following" and p["copied"] and p, what="it follows")
    assert progress["apply"] == "native" if "apply" in progress else True
    assert bridge.task(task)["apply"] == "native"
    assert {p["name"] for p in progress["pchannels"]} == set(sent) | set(left)
    # What is not sent is named.
    if any(m.properties["_t"] in SKIPPED for messages in left.values() for m in messages):
        assert any("resource groups" in n for n in progress["not_replicated"]), progress["not_replicated"]
    if any(m.properties["_t"] == "39" for messages in left.values() for m in messages):
        assert any("snapshot" in n for n in progress["not_replicated"]), progress["not_replicated"]

    # A restart sends nothing again.
    before = len(target.events("replicated"))
    bridge.restart()
    lib.wait_until(lambda: bridge.progress(task)["phase"] == "following", what="it follows again")
    time.sleep(1)
    assert len(target.events("replicated")) == before


# --- what goes wrong


def test_nothing_is_lost_or_doubled_by_kills_and_cuts(log_witness, witness, bridges):
    """A slow target, transactions, kills of the bridge, connections that break on both sides."""
    generator = random.Random(lib.SEED)
    folder = LIVE / "source"
    source = log_witness("--log", folder, "--flush-all", "start")
    target = witness("--append-delay", "3ms")
    proxies = [CuttingProxy(source), CuttingProxy(target.server)]
    bridge = bridges(proxies[0])
    native(bridge, proxies[1])
    vchannels = living_vchannels(folder)
    lib.wait_until(lambda: target.taken(), 60, what="something arrives")
    for round_ in range(8):
        for _ in range(10):
            vchannel = generator.choice(vchannels)
            if generator.random() < 0.5:
                insert(source, vchannel, count=generator.randrange(1, 20))
            else:
                insert(source, vchannel, txn="begin")
                for _ in range(generator.randrange(0, 3)):
                    insert(source, vchannel, txn="body")
                insert(source, vchannel, txn="commit")
        trouble = generator.choice(["kill", "cut source", "cut target", "streams", "pause"])
        if trouble == "kill":
            bridge.kill()
            bridge.start()
        elif trouble == "streams":
            target.server.control(f"/cut?how={generator.choice(['status', 'eof'])}&streams=replicate")
        elif trouble == "pause":
            target.server.control("/pause?streams=replicate")
            time.sleep(0.3)
            target.server.control("/resume?streams=replicate")
        else:
            proxies[trouble == "cut target"].cut()
        time.sleep(generator.uniform(0, 0.4))

    def level():
        """Each pchannel's last tick has arrived."""
        source_ticks = {name: int(content["last_tick"]) for name, content in source.control("/state")["channels"].items()}
        have = {p: max(t for t, _, _ in taken) for p, taken in target.taken().items() if taken}
        assert all(have.get(p, 0) >= tick_ for p, tick_ in source_ticks.items() if p in have), (source_ticks, have)
        return True

    lib.wait_until(level, 120, 0.5, "the target has the last message of each pchannel")
    target.assert_unharmed()
    for pchannel, keys in applied_keys(target).items():
        ticks = [t for t, _ in keys]
        assert ticks == sorted(ticks), f"{pchannel}: out of order"
        assert len(set(keys)) == len(keys), f"{pchannel}: something came twice"
    for proxy in proxies:
        proxy.close()


def test_a_message_that_would_destroy_the_target_is_held_back(log_witness, witness, bridges):
    folder = LIVE / "source"
    source = log_witness("--log", folder, "--flush-all", "start")
    target = witness()
    bridge = bridges(source)
    task = native(bridge, target)
    sent, _ = recorded(*sorted(folder.glob("pchannel-*.pb")))
    wait_all(target, sent)
    vchannels = living_vchannels(folder)
    bad = vchannels[0]
    poisoned = next(p for p in sent if bad.startswith(p + "_"))
    good = next(v for v in vchannels if not v.startswith(poisoned + "_"))
    poison = common_pb2.ImmutableMessage()
    poison.CopyFrom(sent[poisoned][-1])
    poison.properties["_v"] = "7"
    poison.properties["_tt"] = base36((int(time.time() * 1000) << 18) + 1)
    source.control(f"/append?pchannel={poisoned}&raw=1", poison.SerializeToString(), raw=True)
    insert(source, bad)
    insert(source, good)
    before = {p: len(keys) for p, keys in applied_keys(target).items()}
    named = lib.wait_until(lambda: (p := bridge.progress(task))["last_error"] and p, 30, what="it is named")
    assert poisoned in named["last_error"] and "_v" in named["last_error"], named["last_error"]
    other = next(p for p in sent if good.startswith(p + "_"))
    lib.wait_until(lambda: any(i for i in applied_keys(target)[other][len(sent[other]):]), 30, what="the others go on")
    assert len(applied_keys(target)[poisoned]) == before[poisoned]
    target.assert_unharmed()
    bridge.restart()
    lib.wait_until(lambda: poisoned in (bridge.progress(task)["last_error"] or ""), 30, what="it is named again")
    target.assert_unharmed()


def test_a_target_that_dies_and_returns(log_witness, sandboxes, bridges):
    folder = LIVE / "source"
    source = log_witness("--log", folder, "--flush-all", "start")
    sandbox = sandboxes("cdc-dst")
    bridge = bridges(source)
    task = native(bridge, sandbox)
    sent, _ = recorded(*sorted(folder.glob("pchannel-*.pb")))
    time.sleep(0.5)
    sandbox.control("die")
    lib.wait_until(lambda: bridge.progress(task)["last_error"], 30, what="the view says so")
    assert sandbox.control("start")["lives"]
    lib.wait_until(lambda: bridge.progress(task)["phase"] == "following", 60, what="it follows again")
    lasts = {p: tick(messages[-1]) for p, messages in sent.items() if messages}

    def there():
        channel = grpc.insecure_channel(sandbox.address)
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        for pchannel, last in lasts.items():
            info = stub.GetReplicateInfo(milvus_pb2.GetReplicateInfoRequest(
                source_cluster_id="cdc-src", target_pchannel=pchannel.replace("cdc-src", "cdc-dst")), timeout=5)
            assert info.checkpoint.time_tick >= last, (pchannel, info.checkpoint.time_tick, last)
        channel.close()
        return True

    lib.wait_until(there, 60, what="everything is there")


def test_promotion_by_command_is_noticed(sandboxes, bridges):
    source, target = sandboxes("src"), sandboxes("dst")
    c = lib.client(source)
    bridge = bridges(source)
    task = native(bridge, target)
    lib.wait_until(lambda: bridge.progress(task)["phase"] == "following", 60, what="it follows")
    lib.make(c, "a")
    c.insert("a", lib.simple_rows(0, 500))
    c.upsert("a", lib.simple_rows(100, 50, n=1))
    c.delete("a", ids=list(range(20)))
    lib.wait_same(c, lib.client(target), "a", seconds=60)
    assert lib.compare(source, target).returncode == 0
    wrong = lib.run("promote", "--target-uri", target.uri, "--cluster-id", "src", "--yes")
    assert wrong.returncode == 1 and "nothing was changed" in wrong.stderr
    done = lib.run("promote", "--target-uri", target.uri, "--cluster-id", "dst", "--yes")
    assert done.returncode == 0, done.stderr
    lib.wait_until(lambda: bridge.task(task)["state"] == "Paused", 20, what="the task notices")
    assert "promoted" in bridge.task(task)["reason"]
    t = lib.client(target)
    assert t.insert("a", lib.simple_rows(9000, 1))["insert_count"] == 1


def test_obstacles_are_listed_with_their_fixes(sandboxes, log_witness, bridges):
    source, target = sandboxes("same"), sandboxes("same2", "--pchannels", "2")
    lib.make(lib.client(target), "mine", index=False, load=False)
    bridge = bridges(source)
    plan = bridge.call("create", milvus_connect_param={"uri": target.uri}, db_collections=EVERYTHING, apply="native", dry_run=True)
    text = str(plan)
    assert "obstacle" in text and "default.mine" in text and "fix:" in text
    new = log_witness(version="3.0.1")
    refused = bridges(new)
    task = native(refused, target)
    lib.wait_until(lambda: refused.task(task)["state"] == "Paused", 30, what="it is refused")
    assert "newer than the target" in refused.task(task)["reason"]
