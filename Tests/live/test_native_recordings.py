"""Every recorded log through a native task into every kind of target, calm and with everything that goes wrong on the way."""

import random
import threading
import time

import pytest

import lib
from native import (LIVE, LOGS, CuttingProxy, Sandbox, assert_as_sent, assert_in_order_once, canonical, files_of, is_complete, native, recorded,
                    wait_all)

TARGETS = ["witness-2.6.23", "witness-3.0.1", "sandbox"]
# A 3.x log is refused by an older target; the sandbox answers as whichever version it is told.
WAYS = [(log, target) for log in LOGS for target in TARGETS if not (LOGS[log][2] >= "3" and target == "witness-2.6.23")]


@pytest.mark.parametrize("log, kind", WAYS)
def test_a_log_arrives_once_in_order_and_as_it_is(log, kind, target_of, raw_sources, bridges):
    files, version, cluster = files_of(log)
    source = raw_sources(*files, version=version)
    sent, _ = recorded(*files)
    target = target_of(kind, cluster, len(source.entries))
    bridge = bridges(source)
    task = native(bridge, target)
    began = time.monotonic()
    wait_all(target, sent)
    print(f"{sum(map(len, sent.values()))} messages in {time.monotonic() - began:.1f} s")
    target.assert_unharmed()
    assert_in_order_once(target, sent)
    # Nothing broke, so nothing was sent twice.
    assert_as_sent(target, source, sent)
    assert bridge.task(task)["state"] == "Running"


class Troubles:
    """Stops the way to the target after so many bytes, in the middle of whatever it carries, and then does one of the things that happen."""

    def __init__(self, seed, bridge, source, way, target):
        self.random = random.Random(seed)
        self.bridge, self.source, self.way, self.target = bridge, source, way, target
        self.done = []
        # Once at most: on a busy machine it is gone for longer than a moment, and twice after the same message is what a message that kills
        # looks like.
        self.rare = ["die" if isinstance(target, Sandbox) else "refused"]

    def run(self, sent, rounds=8):
        """`sent`: all that has to arrive; ends early when it has."""
        g = self.random
        size = sum(m.ByteSize() for messages in sent.values() for m in messages)
        names = ["kill", "cut", "both", "unconfirmed", "unconfirmed"]
        for number in range(rounds):
            self.way.stop_after(g.randrange(64, size // (64 if number == 0 else g.choice([64, 8, 4]))))
            deadline = time.monotonic() + 120
            while not self.way.stopped.wait(0.2):
                if is_complete(self.target, sent):
                    return
                assert time.monotonic() < deadline, f"nothing moves after {self.done}"
            name = self.rare.pop() if self.rare and number == 2 else g.choice(names)
            getattr(self, name)()
            self.done.append(name)

    def kill(self):
        self.bridge.kill()
        self.way.cut()
        self.bridge.start()

    def cut(self):
        self.way.cut()

    def both(self):
        self.source.cut()
        self.way.cut()

    def unconfirmed(self):
        """What is on the way arrives, and nobody hears of it; half the time because nobody lives who could."""
        self.way.mutes = True
        self.way.go_on()
        time.sleep(self.random.uniform(0, 0.2))
        if self.random.random() < 0.5:
            self.kill()
        self.way.cut()
        self.way.mutes = False

    def refused(self):
        self.way.refuses = True
        self.way.cut()
        time.sleep(0.3)
        self.way.refuses = False

    def die(self):
        self.target.server.control("die")
        self.way.cut()
        time.sleep(0.5)
        assert self.target.server.control("start")["lives"]


@pytest.mark.parametrize("log, kind", WAYS)
def test_nothing_is_lost_or_doubled_whatever_breaks(log, kind, target_of, raw_sources, bridges):
    """kill -9, cuts in the middle of messages and transactions, lost confirmations, a target that dies and returns."""
    files, version, cluster = files_of(log)
    source = raw_sources(*files, version=version)
    sent, _ = recorded(*files)
    target = target_of(kind, cluster, len(source.entries), *(["--append-delay", "2ms"] if kind != "sandbox" else []))
    # The way to a source in this process: cutting is what proxies are for.
    proxies = [CuttingProxy(source), CuttingProxy(target)]
    bridge = bridges(proxies[0])
    task = native(bridge, proxies[1])
    troubles = Troubles(f"{lib.SEED} {log} {kind}", bridge, *proxies, target)
    troubles.run(sent)
    proxies[1].go_on()
    wait_all(target, sent)
    target.assert_unharmed()
    # Sent again or not: in the target's log everything stands once.
    assert_in_order_once(target, sent)
    assert_as_sent(target, source, sent, is_repeated=True)
    assert troubles.done
    assert bridge.task(task)["state"] == "Running", bridge.task(task)
    again = sum(map(len, target.received().values())) - sum(map(len, sent.values()))
    print(f"{troubles.done}: {again} messages sent again")
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("how", ["cut", "kill"])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_transaction_that_is_cut_in_the_middle_arrives_whole(kind, how, target_of, raw_sources, bridges):
    """A begin, inserts of 120 KB and 2 MB and a commit, stopped inside the second insert, twice. Everything else together is smaller."""
    files, _, cluster = files_of("source")
    source = raw_sources(*files)
    sent, _ = recorded(*files)
    pchannel = "cdc-src-rootcoord-dml_3"
    messages = sent[pchannel]
    large = max(range(len(messages)), key=lambda n: messages[n].ByteSize())
    begin, commit = messages[large - 2], messages[large + 1]
    assert [begin.properties["_t"], commit.properties["_t"]] == ["900", "901"]
    target = target_of(kind, cluster, len(source.entries))
    way = CuttingProxy(target)
    bridge = bridges(source)
    way.stop_after(1_200_000)
    native(bridge, way)
    for more in (900_000, None):
        assert way.stopped.wait(30)
        # What is open at the target has not counted so far.
        assert commit.id.id not in [i for _, i, _ in target.taken()[pchannel]]
        if how == "kill":
            bridge.kill()
        way.cut()
        if more:
            way.stop_after(more)
        if how == "kill":
            bridge.start()
    wait_all(target, sent)
    target.assert_unharmed()
    assert_in_order_once(target, sent)
    assert_as_sent(target, source, sent, is_repeated=True)
    assert sum(m.id.id == begin.id.id for m in target.received()[pchannel]) == 3
    way.close()


def test_late_confirmations_change_nothing(target_of, raw_sources, bridges):
    """A target whose confirmations come seconds late: nothing is sent twice, and what is unconfirmed is bounded and shown."""
    files, version, cluster = files_of("source")
    source = raw_sources(*files, version=version)
    sent, _ = recorded(*files)
    target = target_of("witness-2.6.23", cluster, len(source.entries))
    way = CuttingProxy(target)
    bridge = bridges(source)
    task = native(bridge, way)
    over = threading.Event()

    def mute():
        while not over.wait(0.05):
            way.mutes = True
            over.wait(1)
            way.mutes = False

    muting = threading.Thread(target=mute)
    muting.start()
    try:
        wait_all(target, sent)
        lib.wait_until(lambda: bridge.progress(task)["phase"] == "following" and not any(
            p["waiting_bytes"] for p in bridge.progress(task)["pchannels"]), 60, what="everything is confirmed")
    finally:
        over.set()
        muting.join()
    target.assert_unharmed()
    assert_in_order_once(target, sent)
    assert_as_sent(target, source, sent)
    way.close()


# --- recordings in which roles change

# folder, messages of each pchannel that came before, what the task says, types that arrive
ROLES = [
    ("switchover/a", 0, "the source's replication was changed", set()),
    # As somebody would have followed it who began after the topology was made.
    ("switchover/a", 1, "the source's replication was changed", {"CreateCollection", "Insert"}),
    ("switchover/b", 0, "the source's replication was changed", set()),
    ("switchover/b", 1, "the source is a standby of cdc-src", set()),
    ("promote", 0, "the source's replication was changed", set()),
    ("promote", 1, None, set()),
    ("target", 0, "the source's replication was changed", {"FlushAll"}),
    ("target", 2, "the source is a standby of cdc-src", set()),
    ("wal-switch", 0, "changed its log", {"Insert"}),
]


@pytest.mark.parametrize("kind", TARGETS[1:])
@pytest.mark.parametrize("folder, skip, reason, arrives", ROLES)
def test_a_log_that_cannot_go_on_ends_by_name(folder, skip, reason, arrives, kind, target_of, raw_sources, bridges):
    files = sorted((LIVE / folder).glob("pchannel-*.pb"))
    source = raw_sources(*files, skip=skip)
    target = target_of(kind, "standby", len(source.entries), *(["--any-collection"] if kind != "sandbox" else []))
    bridge = bridges(source)
    task = native(bridge, target)
    lib.wait_until(lambda: bridge.task(task)["state"] == "Paused", 30, what="the task ends")
    view = bridge.task(task)
    assert (reason or "the source") in view["reason"], view["reason"]
    assert view["hint"], view
    target.assert_unharmed()
    received = target.received()
    sent, _ = recorded(*files)
    for pchannel, messages in received.items():
        # What came is the beginning of the log, as it was.
        wanted = [canonical(m) for m in sent[pchannel][skip:]]
        assert [canonical(m) for m in messages] == wanted[:len(messages)], pchannel
        assert not any("_rh" in m.properties or m.properties["_t"] == "800" for m in messages)
    print({p: len(m) for p, m in received.items()}, view["reason"])
