"""A process that has no file descriptor left goes on with what is open and comes back by itself."""

import http.client
import json
import os
import resource
import time

import lib


def list_tasks(connection):
    connection.request("POST", "/cdc", json.dumps({"request_type": "list"}), {"Content-Type": "application/json"})
    answer = json.load(connection.getresponse())
    assert answer["code"] == 200, answer
    return answer["data"]["tasks"]


def test_a_bridge_out_of_file_descriptors_serves_what_is_open_and_recovers(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 500))
    bridge = bridges(milvus)
    task = bridge.create(lite, "c")
    lib.wait_same(s, t, "c")
    pid = bridge.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = lambda: [int(n) for n in os.listdir(f"/proc/{pid}/fd")]
    known = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=10)
    assert len(list_tasks(known)) == 1
    strangers = []
    try:
        # A limit below the lowest free number: whatever wants a descriptor now is refused.
        lowest_free = min(set(range(len(used()) + 1)) - set(used()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
        # The kernel takes the connections, nobody accepts them.
        for _ in range(3):
            stranger = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=30)
            stranger.request("POST", "/cdc", json.dumps({"request_type": "list"}), {"Content-Type": "application/json"})
            strangers.append(stranger)
        s.insert("c", lib.simple_rows(500, 300))
        s.delete("c", ids=list(range(50)))
        cpu, began = bridge.cpu_seconds(), time.monotonic()
        while time.monotonic() - began < 4:
            tasks = list_tasks(known)
            assert [x["state"] for x in tasks] == ["Running"], tasks
            time.sleep(0.25)
        assert bridge.process.poll() is None
        share = (bridge.cpu_seconds() - cpu) / (time.monotonic() - began)
        assert share < 0.5, f"it spins: {share:.2f} of a processor"
        for stranger in strangers:
            stranger.sock.settimeout(0.2)
            try:
                assert stranger.sock.recv(1) == b"never", "a connection was accepted: the limit was not reached"
            except TimeoutError:
                pass
            stranger.sock.settimeout(30)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    # Those that waited are answered, new ones as well, and the rows are there.
    for stranger in strangers:
        answer = json.load(stranger.getresponse())
        assert answer["code"] == 200 and len(answer["data"]["tasks"]) == 1
        stranger.close()
    known.close()
    lib.wait_same(s, t, "c")
    assert lib.count(t, "c") == 750
    s.insert("c", lib.simple_rows(2000, 10))
    lib.wait_same(s, t, "c")
    view = bridge.wait_phase(task, "following")
    assert view["last_error"] in (None, ""), view
