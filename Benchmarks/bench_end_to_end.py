"""Log to rows: 200,000 rows of 128 dimensions in batches of 1,000 from a log into a real Milvus 2.3.5.

The source is the sandbox, an in-memory endpoint with a log: no server that can be installed here has one. The target is real. Three parts: rows
that arrive while they are inserted, a backlog that is caught up with, and the delay of one row every 50 ms beside the target's own
visibility. With --kills the bridge is killed with -9 that many times in the middle of a load, and every key must be there once.
"""

import argparse
import json
import logging
import os
import pathlib
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "dev"))

import servers

PROGRAM = ROOT / os.environ.get("CDC_BRIDGE_PROGRAM", ".build/release/cdc-bridge")
BATCH = 1000
MEMORY_MAX_MIB = 64
CPU_PER_GB_MAX = 0.7
# Milvus-CDC at the same job (design: numbers to reach).
PEER = {"CPU s per GB": "7.2", "memory": "180-350 MiB", "lag p50": "1,180 ms (249 ms tuned)", "lag p99": "3,200 ms (413 ms tuned)", "kill -9": "9,000-37,000 repeated keys"}


class Bridge(servers.ChildServer):
    name = "cdc-bridge"
    healthy_within = 20

    def __init__(self, directory, source):
        super().__init__(directory)
        self.source = source
        self.port = servers.free_ports(1)[0]
        self.cpu_before = 0.0
        self.peak_before = 0.0

    def command(self):
        return [str(PROGRAM), "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.directory / "state"), "--source-uri", self.source.uri]

    def is_healthy(self):
        return servers.can_connect(self.port)

    def call(self, request_type, **data):
        body = json.dumps({"request_type": request_type, "request_data": data}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}/cdc", data=body), timeout=30) as answer:
            envelope = json.load(answer)
        if envelope["code"] != 200:
            raise servers.ServerError(f"{request_type}: {envelope['message']}")
        return envelope["data"]

    def cpu_seconds(self):
        # After the name in parentheses, which may hold blanks: utime and stime are fields 14 and 15.
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def blocks(rows, dim, first=0):
    import numpy

    generator = numpy.random.default_rng(first + 1)
    for start in range(first, first + rows, BATCH):
        block = generator.standard_normal((BATCH, dim), dtype=numpy.float32)
        yield [{"id": start + i, "n": i, "vector": block[i]} for i in range(BATCH)]


def create(client, dim):
    from pymilvus import DataType

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection("bench", schema=schema, index_params=index, consistency_level="Strong")


def count(client, expression=""):
    return client.query("bench", filter=expression, output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]


def wait_for(condition, what, seconds=300):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except Exception as error:  # The collection is being made or loaded.
            last = error
        else:
            last = None
        if time.monotonic() > deadline:
            raise servers.ServerError(f"not within {seconds} s: {what} ({last})")
        time.sleep(0.02)


def start_task(bridge, target):
    request = {"milvus_connect_param": {"uri": target.uri, "connect_timeout": 20}, "collection_infos": [{"name": "*"}], "capture": "wal"}
    return bridge.call("create", **request)["task_id"]


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def live_and_catch_up(directory, arguments):
    """Rows/s while the source is filled, then as a backlog: the task is paused, the source filled, the task resumed."""
    from pymilvus import MilvusClient

    results = {}
    with servers.SandboxServer(directory / "source", "--cluster-id", "src", program=PROGRAM) as source, \
            servers.MilvusServer(directory / "target") as target, Bridge(directory / "bridge", source) as bridge:
        s, t = MilvusClient(uri=source.uri), MilvusClient(uri=target.uri)
        create(s, arguments.dim)
        task = start_task(bridge, target)
        wait_for(lambda: t.has_collection("bench") and count(t) == 0, "the empty collection on the target")
        gigabytes = arguments.rows * arguments.dim * 4 / 1e9
        for name, first in (("live", 0), ("catch-up", arguments.rows)):
            if name == "catch-up":
                bridge.call("pause", task_id=task)
            loaded = list(blocks(arguments.rows, arguments.dim, first))
            cpu = bridge.cpu_seconds()
            started = time.monotonic()
            for block in loaded:
                s.insert("bench", block)
            inserted = time.monotonic()
            if name == "catch-up":
                cpu = bridge.cpu_seconds()
                started_catching = time.monotonic()
                bridge.call("resume", task_id=task)
            else:
                started_catching = started
            wait_for(lambda: count(t) == first + arguments.rows, f"{name}: all rows on the target")
            ended = time.monotonic()
            used = bridge.cpu_seconds() - cpu
            results[name] = {"rows_per_second": arguments.rows / (ended - started_catching), "seconds": ended - started_catching,
                             "source_insert_seconds": inserted - started, "cpu_seconds": used, "cpu_per_gb": used / gigabytes,
                             "peak_mib": bridge.peak_mib()}
            print(f"  {name}: {results[name]['rows_per_second']:,.0f} rows/s", flush=True)
        results["lag"] = lag(s, t, arguments)
        repeated = arguments.rows * 2 - len({row["id"] for row in all_keys(t, arguments.rows * 2)})
        results["repeated_keys"] = repeated
    results["sandbox_lag"] = sandbox_lag(directory / "sandbox", arguments)
    return results


def sandbox_lag(directory, arguments):
    """The same with a sandbox as the target, which shows a row as soon as it has it: what the bridge itself takes."""
    from pymilvus import MilvusClient

    with servers.SandboxServer(directory / "source", "--cluster-id", "src", program=PROGRAM) as source, \
            servers.SandboxServer(directory / "target", "--cluster-id", "dst", program=PROGRAM) as target, Bridge(directory / "bridge", source) as bridge:
        s, t = MilvusClient(uri=source.uri), MilvusClient(uri=target.uri)
        create(s, arguments.dim)
        start_task(bridge, target)
        wait_for(lambda: t.has_collection("bench") and count(t) == 0, "the empty collection on the target")
        return lag(s, t, arguments)


def all_keys(client, rows):
    for start in range(0, rows, 10_000):
        yield from client.query("bench", filter=f"id >= {start} and id < {start + 10_000}", output_fields=["id"], limit=16_384)


def lag(s, t, arguments):
    """One row every 50 ms: acknowledged by the source → found on the target; beside rows that are put on the target directly."""
    first = 10_000_000

    def one(write_client, key):
        write_client.insert("bench", [{"id": key, "n": 0, "vector": [0.5] * arguments.dim}])
        acknowledged = time.monotonic()
        # A look with `Strong` would wait for the target's own clock; `Eventually` shows what is visible now.
        while not t.query("bench", filter=f"id in [{key}]", output_fields=["id"], consistency_level="Eventually"):
            if time.monotonic() - acknowledged > 30:
                raise servers.ServerError(f"row {key} did not arrive within 30 s")
            time.sleep(0.001)
        return (time.monotonic() - acknowledged) * 1000

    delays = {"bridge": [], "own": []}
    for i in range(arguments.probes):
        for name, client, base in (("bridge", s, first), ("own", t, first + 1_000_000)):
            delays[name].append(one(client, base + i))
            time.sleep(0.05)
    print(f"  lag: p50 {percentile(delays['bridge'], 0.5):.0f} ms", flush=True)
    return {name: {"p50_ms": percentile(values, 0.5), "p99_ms": percentile(values, 0.99)} for name, values in delays.items()}


def kills(directory, arguments):
    """Kills the bridge in the middle of a load; the rows on the target must be exactly those of the source."""
    from pymilvus import MilvusClient

    generator = random.Random(7)
    with servers.SandboxServer(directory / "source", "--cluster-id", "src", program=PROGRAM) as source, \
            servers.MilvusServer(directory / "target") as target, Bridge(directory / "bridge", source) as bridge:
        s, t = MilvusClient(uri=source.uri), MilvusClient(uri=target.uri)
        create(s, arguments.dim)
        start_task(bridge, target)
        wait_for(lambda: t.has_collection("bench") and count(t) == 0, "the empty collection on the target")
        failure = []

        def load():
            try:
                for block in blocks(arguments.rows, arguments.dim):
                    s.insert("bench", block)
            except Exception as error:
                failure.append(error)

        loader = threading.Thread(target=load)
        loader.start()
        done = 0
        for _ in range(arguments.kills):
            time.sleep(generator.uniform(0.2, 1.2))
            bridge.kill()
            done += 1
            bridge.start()
        loader.join()
        if failure:
            raise failure[0]
        wait_for(lambda: count(t) >= arguments.rows, "all rows after the kills")
        time.sleep(3)
        total = count(t)
        distinct = len({row["id"] for row in all_keys(t, arguments.rows)})
        print(f"  {done} kills: {total:,} rows, {distinct:,} keys", flush=True)
        return {"kills": done, "rows": total, "distinct_keys": distinct}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--probes", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    arguments = parser.parse_args()
    # The client logs what it also raises, e.g. that a collection which is just arriving is not loaded yet.
    logging.disable(logging.CRITICAL)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=servers.WORK))
    try:
        print(f"log → Milvus 2.3.5, {arguments.rows:,} rows × {arguments.dim} dimensions ...", flush=True)
        results = live_and_catch_up(directory / "speed", arguments)
        if arguments.kills:
            results["kill"] = kills(directory / "kills", arguments)
        shutil.rmtree(directory, ignore_errors=True)
    except servers.ServerError as error:
        print(f"failed: {error}\n(logs: {directory})", file=sys.stderr)
        return 1
    return report(results, arguments)


def report(results, arguments):
    print(f"\n{'':10}{'rows/s':>10}{'seconds':>10}{'source inserts':>16}{'CPU s':>8}{'CPU s/GB':>10}{'peak MiB':>10}")
    for name in ("live", "catch-up"):
        r = results[name]
        print(f"{name:10}{r['rows_per_second']:>10,.0f}{r['seconds']:>10.1f}{r['source_insert_seconds']:>14.1f} s{r['cpu_seconds']:>8.2f}{r['cpu_per_gb']:>10.2f}{r['peak_mib']:>10.0f}")
    print(f"\n{'':34}{'p50 ms':>10}{'p99 ms':>10}")
    for name, text in (("bridge", "source acknowledged → on the target"), ("own", "target's own rows")):
        print(f"{text:34}{results['lag'][name]['p50_ms']:>10.0f}{results['lag'][name]['p99_ms']:>10.0f}")
    for name, text in (("bridge", "log → visible on a sandbox target"), ("own", "sandbox's own rows")):
        print(f"{text:34}{results['sandbox_lag'][name]['p50_ms']:>10.1f}{results['sandbox_lag'][name]['p99_ms']:>10.1f}")
    print("\nMilvus-CDC at the same job: " + "; ".join(f"{k} {v}" for k, v in PEER.items()))
    worst = max(results[n]["cpu_per_gb"] for n in ("live", "catch-up"))
    peak = max(results[n]["peak_mib"] for n in ("live", "catch-up"))
    extra = results["lag"]["bridge"]["p50_ms"] - results["lag"]["own"]["p50_ms"]
    goals = [(f"CPU ≤ {CPU_PER_GB_MAX} s per GB", f"{worst:.2f}", worst <= CPU_PER_GB_MAX, False),
             (f"memory ≤ {MEMORY_MAX_MIB} MiB", f"{peak:.0f} MiB", peak <= MEMORY_MAX_MIB, True),
             ("catch-up faster than the source's inserts", f"{results['catch-up']['source_insert_seconds'] / results['catch-up']['seconds']:.1f} ×",
              results["catch-up"]["seconds"] <= results["catch-up"]["source_insert_seconds"], False),
             ("lag p50 within 10 ms of the target's own", f"{extra:+.0f} ms", extra <= 10, False),
             ("no repeated key", str(results["repeated_keys"]), results["repeated_keys"] == 0, True)]
    if "kill" in results:
        kill = results["kill"]
        exact = kill["rows"] == kill["distinct_keys"] == arguments.rows
        goals.append((f"{kill['kills']} kills -9: every row once", f"{kill['rows']:,} rows, {kill['distinct_keys']:,} keys", exact, True))
    print()
    for goal, value, is_reached, _ in goals:
        print(f"{goal:44}{value:>30}   {'reached' if is_reached else 'falls short'}")
    path = servers.WORK / "bench-end-to-end.json"
    path.write_text(json.dumps({"rows": arguments.rows, "dim": arguments.dim, "machine": platform.platform(), "cpus": os.cpu_count(), "results": results,
                                "goals": [{"goal": g, "value": v, "reached": r} for g, v, r, _ in goals]}, indent=1) + "\n")
    print(f"\nresult: {path.relative_to(ROOT)}")
    return 0 if all(reached for _, _, reached, is_enforced in goals if is_enforced) else 1


if __name__ == "__main__":
    sys.exit(main())
