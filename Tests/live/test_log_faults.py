"""What a log does to those who read it without saying so: each is noticed within seconds, named, and healed by comparing."""

import contextlib
import random
import sys
import time

import pytest

import lib
from test_log import begin, wait_read

NOTICED_WITHIN = 10
# How the loss happens, the kind of log, and what the task's view then says.
LOSSES = {
    "truncated": ("woodpecker", "the log was cut"),
    "truncated on Kafka": ("kafka", "earliest entry"),
    "reset": ("rocksmq", "earliest entry"),
    "switched": ("rocksmq", "changed its log from RocksMQ to WoodPecker"),
    "nothing left": ("pulsar", "the log was cut"),
}


@pytest.fixture
def source(tmp_path):
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            return stack.enter_context(lib.servers.SandboxServer(tmp_path / "source", "--cluster-id", "src", "--pchannels", 2, *arguments))

        yield start


def lose(source, name):
    if name == "switched":
        source.control("switch", wal="woodpecker")
    else:
        for pchannel in source.control("state")["pchannels"]:
            source.control("truncate", pchannel=pchannel["name"])


def noticed(bridge, task, text):
    """Seconds until the view names the loss."""
    began = time.monotonic()

    def is_named():
        notes = bridge.progress(task)["not_replicated"]
        assert any(text in note for note in notes), notes
        return True

    lib.wait_until(is_named, NOTICED_WITHIN, 0.05, f"the view says: {text}")
    return time.monotonic() - began


def change_much(c, generator):
    """Changes that only the lost part of the log holds: rows, schemas, names."""
    c.insert("a", lib.simple_rows(1000, 300, generator))
    c.delete("a", ids=list(range(0, 50)))
    c.upsert("a", lib.simple_rows(60, 20, generator, n=-5))
    lib.make(c, "made", num_shards=2)
    c.insert("made", lib.simple_rows(0, 40, generator))
    c.rename_collection("renamed", "renamed_now")
    c.drop_collection("dropped")
    c.create_alias("a", "al")


def wait_equal(source, target, *names):
    s, t = lib.client(source), lib.client(target)
    for name in names:
        lib.wait_same(s, t, name)
    lib.wait_until(lambda: sorted(s.list_collections()) == sorted(t.list_collections()), 60, what="the same collections")


@pytest.mark.parametrize("reading,loss", [("paused", loss) for loss in LOSSES] + [("stalled", "truncated"), ("stalled", "switched")])
def test_a_loss_is_noticed_named_and_healed(reading, loss, source, lite, bridges):
    """`paused`: nobody reads while it happens. `stalled`: a stream is open, is not given what is then lost, and breaks."""
    kind, text = LOSSES[loss]
    generator = random.Random(7)
    server = source("--wal", kind)
    c = lib.client(server)
    for name in ("a", "renamed", "dropped"):
        lib.make(c, name, num_shards=2)
        c.insert(name, lib.simple_rows(0, 100, generator))
    bridge, task = begin(bridges, server, lite)
    wait_equal(server, lite, "a", "renamed", "dropped")
    c.insert("a", lib.simple_rows(500, 10, generator))
    wait_read(bridge, task)
    if reading == "paused":
        bridge.call("pause", task_id=task)
    else:
        server.control("pause", streams="dump")
    change_much(c, generator)
    lose(server, loss)
    c.insert("a", lib.simple_rows(2000, 5, generator))
    if reading == "paused":
        bridge.call("resume", task_id=task)
    else:
        # A running stream keeps what it reads from; the next one has to find out.
        server.control("cut", how="status", streams="dump")
        server.control("resume", streams="dump")
    seconds = noticed(bridge, task, text)
    print(f"{loss}, {reading}: noticed after {seconds:.1f} s")
    wait_equal(server, lite, "a", "made", "renamed_now")
    t = lib.client(lite)
    assert sorted(t.list_aliases("a").get("aliases", [])) == ["al"]
    assert lib.count(t, "a") == len(lib.rows(t, "a")), "no key twice"
    # It goes on from there.
    c.insert("a", lib.simple_rows(3000, 5, generator))
    c.delete("a", ids=[2000, 3001])
    wait_equal(server, lite, "a")
    before = bridge.progress(task)["not_replicated"]
    server.control("cut", how="eof", streams="dump")
    wait_read(bridge, task)
    assert bridge.progress(task)["not_replicated"] == before, "a cut stream is no loss"


@pytest.mark.parametrize("is_lost", [False, True], ids=["kept", "lost"])
def test_an_empty_last_confirmed_id_is_a_position(is_lost, source, lite, bridges):
    """The first messages of a WoodPecker log say that everything before them is nothing: such a position cannot be sent as it is."""
    server = source("--wal", "woodpecker")
    bridge, task = begin(bridges, server, lite)
    wait_read(bridge, task)
    bridge.stop()
    stored = "".join(f.read_text() for f in (bridge.data / "checkpoints").rglob("*") if f.is_file())
    assert '"confirmed":""' in stored.replace(" ", ""), "the sandbox's first messages have an empty last-confirmed id"
    c = lib.client(server)
    lib.make(c, "a", num_shards=2)
    c.insert("a", lib.simple_rows(0, 100))
    if is_lost:
        lose(server, "truncated")
        c.insert("a", lib.simple_rows(200, 10))
    bridge.start()
    if is_lost:
        noticed(bridge, task, "the log was cut")
    wait_equal(server, lite, "a")
    if not is_lost:
        assert not any("log" in note for note in bridge.progress(task)["not_replicated"])


def test_calls_that_are_never_answered_end_and_are_told(source, lite, bridges):
    """FlushAll, timestamps and bounded dumps that hang: each is given up within its limit, said, and tried again."""
    server = source()
    c = lib.client(server)
    lib.make(c, "a")
    c.insert("a", lib.simple_rows(0, 10))
    bridge, task = begin(bridges, server, lite)
    wait_equal(server, lite, "a")

    def told(seconds):
        def is_told():
            error = bridge.progress(task)["last_error"]
            assert error and ("no answer" in error or "deadline" in error.lower()), error
            return True

        began = time.monotonic()
        lib.wait_until(is_told, seconds, 0.2, "the view says that nobody answers")
        return time.monotonic() - began

    for name in (p["name"] for p in server.control("state")["pchannels"]):
        server.control("hold-ticks", pchannel=name)
    # Seven seconds of silence at most, the answer's 20 s, and a second failure before it is worth a word.
    print(f"bounded dumps: told after {told(70):.1f} s")
    server.control("release-ticks")
    c.insert("a", lib.simple_rows(100, 10))
    wait_equal(server, lite, "a")
    lib.wait_until(lambda: bridge.progress(task)["last_error"] is None, 60, what="the trouble is over")

    server.control("fault", method="AllocTimestamp", action="hang", count=-1)
    print(f"timestamps: told after {told(70):.1f} s")
    server.control("clear")
    c.insert("a", lib.simple_rows(200, 10))
    wait_equal(server, lite, "a")
    lib.wait_until(lambda: bridge.progress(task)["last_error"] is None, 60, what="the trouble is over")


def test_memory_does_not_grow_with_a_backlog(source, lite, bridges):
    """80 MiB of changes for a target that is gone, then that never answers; `make bench-backlog` does it with 2 GiB."""
    sys.path.insert(0, str(lib.ROOT / "Benchmarks"))
    from bench_backlog import fill

    server = source()
    c = lib.client(server)
    lib.make(c, "bench", lib.simple_schema(dim=512))
    bridge, task = begin(bridges, server, lite)
    lib.wait_until(lambda: lib.client(lite).has_collection("bench"), 60, what="the collection is there")
    wait_read(bridge, task)
    lite.kill()
    rows = fill(server, 512, 0.04)
    stopped = bridge.resident_bytes()
    lib.wait_until(lambda: sum(p["waiting_bytes"] for p in bridge.progress(task)["pchannels"]) > 0, 20, what="changes wait")
    lite.start()
    lite.pause()
    try:
        rows = fill(server, 512, 0.04, first=rows)
    finally:
        lite.resume()
    silent = bridge.resident_bytes()
    print(f"{stopped >> 20} MiB with 40 MiB waiting, {silent >> 20} MiB with 80 MiB, peak {bridge.resident_bytes(peak=True) >> 20} MiB")
    assert bridge.resident_bytes(peak=True) <= 64 << 20
    assert silent - stopped <= 8 << 20
    # It was held back, not lost.
    t = lib.client(lite)
    lib.wait_until(lambda: t.load_collection("bench") or lib.count(t, "bench") == rows, 120, 0.5, "everything is there")
