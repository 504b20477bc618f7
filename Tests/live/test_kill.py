"""kill -9 at any instant: nothing is lost, nothing is doubled, nobody has to help."""

import random
import socket
import threading
import time

import pytest

import lib

KILLS = 32


def test_thirty_kills_during_copy_and_follow_lose_and_double_nothing(milvus, milvus2, bridges):
    generator = random.Random(lib.SEED)
    s, t = lib.client(milvus), lib.client(milvus2)
    lib.make(s, "c", lib.simple_schema(dim=32, dynamic=True))
    lib.make(s, "parts", load=False)
    s.create_partition("parts", "p")
    s.load_collection("parts")
    for first in range(0, 12_000, 2_000):
        s.insert("c", lib.simple_rows(first, 2_000, dim=32))
    s.insert("parts", lib.simple_rows(0, 1_500), partition_name="p")
    s.insert("parts", lib.simple_rows(1_500, 1_500))
    bridge = bridges(milvus)
    task = bridge.create(milvus2)

    stop = threading.Event()
    failures = []

    def write():
        c, g, next_key = lib.client(milvus), random.Random(lib.SEED + 1), 12_000
        try:
            while not stop.is_set():
                c.insert("c", lib.simple_rows(next_key, 200, dim=32))
                c.upsert("c", lib.simple_rows(g.randrange(next_key), 100, g, dim=32, n=next_key))
                c.delete("c", ids=[g.randrange(next_key) for _ in range(50)])
                c.upsert("parts", lib.simple_rows(g.randrange(1_500), 1, g), partition_name="p")
                next_key += 200
                time.sleep(0.1)
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    lives = []
    try:
        for _ in range(KILLS):
            # From "just started" to "in the middle of a pass": both ends of the scale get their share.
            life = generator.choice([generator.uniform(0.0, 0.3), generator.uniform(0.3, 1.5), generator.uniform(1.0, 3.0)])
            lives.append(round(life, 3))
            time.sleep(life)
            bridge.kill()
            bridge.start()
    finally:
        stop.set()
        writer.join()
    assert not failures, failures
    print(f"SEED={lib.SEED}, lives in seconds: {lives}")
    assert bridge.task(task)["state"] == "Running"
    for name in ("c", "parts"):
        lib.wait_same(s, t, name, seconds=120, per_partition=name == "parts")
        keys = len(lib.rows(t, name))
        assert lib.count(t, name) == keys, f"{name}: {lib.count(t, name)} rows for {keys} keys"
    answer = lib.compare(milvus, milvus2)
    assert answer.returncode == 0, answer.stdout + answer.stderr


class CountingProxy:
    """Passes connections on to a server and counts the bytes that come back."""

    def __init__(self, server):
        self.server = server
        self.received = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.server.port))
            self.connections += [client, upstream]
            threading.Thread(target=self._pump, args=(client, upstream, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(upstream, client, True), daemon=True).start()

    def _pump(self, source, sink, counts):
        try:
            while data := source.recv(1 << 16):
                if counts:
                    self.received += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        for end in [self.listener, *self.connections]:
            end.close()


@pytest.fixture
def counted(milvus):
    proxy = CountingProxy(milvus)
    yield proxy
    proxy.close()


def test_a_copy_killed_in_the_middle_goes_on_where_it_was(milvus, lite, counted, bridges):
    rows = 130_000
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "c", lib.simple_schema(dim=16))
    generator = random.Random(lib.SEED)
    for first in range(0, rows, 10_000):
        s.insert("c", lib.simple_rows(first, 10_000, generator, dim=16))
    assert lib.count(s, "c") == rows
    bridge = bridges(counted)
    # One pass only: later ones look at all rows again.
    task = bridge.create(lite, "c", reconcile_interval=3600)
    # The place is stored after fifty thousand rows, or five seconds.
    seen = lib.wait_until(lambda: (n := bridge.progress(task)["rows_copied"]) >= 90_000 and n, 120, 0.02, "most rows are read")
    bridge.kill()
    first_bytes = counted.received
    bridge.start()
    bridge.wait_copied(task, seconds=120)
    second_rows = (counted.received - first_bytes) / (first_bytes / seen)
    print(f"first run: {seen} rows, second run: about {second_rows:.0f} of {rows}")
    assert seen < rows, "the kill came too late"
    assert second_rows <= rows - 40_000
    assert lib.count(t, "c") == rows, "it said that it follows, and rows are missing"
    lib.wait_same(s, t, "c", seconds=90)
    answer = lib.compare(milvus, lite)
    assert answer.returncode == 0, answer.stdout + answer.stderr
