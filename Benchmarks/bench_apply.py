"""Writing: 200,000 rows of 128 dimensions into a real Milvus 2.3.5, by the bridge and by pymilvus with each batch size, in one run.

The bridge applies a backlog of a log (the source is the sandbox, which hands it out faster than any server takes it): what is measured is the
way into the target. pymilvus has its rows ready in memory and uses one connection, as its documentation does. All collections
are alike: an index, loaded, empty.
"""

import argparse
import json
import logging
import os
import pathlib
import platform
import shutil
import sys
import tempfile
import time

from bench_end_to_end import MEMORY_MAX_MIB, PROGRAM, ROOT, Bridge, blocks, count, create, servers, start_task, wait_for

BATCHES = [500, 1000, 2000, 5000, 10000]
# The bridge shares two processors with source and target; nobody expects it to beat a client that only writes.
SPEED_RATIO_MIN = 1.0


def emptied(client, dim):
    if client.has_collection("bench"):
        client.drop_collection("bench")
    create(client, dim)


def by_pymilvus(server, arguments):
    """Rows/s and CPU for each batch size, into an empty collection each time."""
    from pymilvus import MilvusClient

    client = MilvusClient(uri=server.uri)
    rows = [row for block in blocks(arguments.rows, arguments.dim) for row in block]
    results = {}
    for size in BATCHES:
        emptied(client, arguments.dim)
        started, cpu = time.monotonic(), time.process_time()
        for first in range(0, len(rows), size):
            client.insert("bench", rows[first:first + size])
        seconds, used = time.monotonic() - started, time.process_time() - cpu
        wait_for(lambda: count(client) == arguments.rows, f"all rows in batches of {size}")
        results[size] = {"rows_per_second": arguments.rows / seconds, "seconds": seconds, "cpu_seconds": used}
        print(f"  pymilvus, {size:6,} rows a call: {results[size]['rows_per_second']:>8,.0f} rows/s", flush=True)
    client.drop_collection("bench")
    return results


def by_bridge(directory, target, arguments):
    """The same rows as a backlog; the clock runs from the first row's delivery to the last one's confirmation, as the view shows it once a second."""
    from pymilvus import MilvusClient

    with servers.SandboxServer(directory / "source", "--cluster-id", "src", program=PROGRAM) as source, \
            Bridge(directory / "bridge", source) as bridge:
        s, t = MilvusClient(uri=source.uri), MilvusClient(uri=target.uri)
        create(s, arguments.dim)
        task = start_task(bridge, target)
        wait_for(lambda: t.has_collection("bench") and count(t) == 0, "the empty collection on the target")
        # The task runs on: what is delivered after a restart may have been written before, and goes out as upserts.
        source.control("pause", streams="dump")
        for block in blocks(arguments.rows, arguments.dim):
            s.insert("bench", block)
        before = bridge.cpu_seconds()
        started = time.monotonic()
        source.control("resume", streams="dump")
        # Looking often would be most of what the bridge does.
        while sum(c["inserted"] for c in bridge.call("progress", task_id=task)["collections"]) < arguments.rows:
            if time.monotonic() - started > 300:
                raise servers.ServerError("the target has not confirmed all rows within 300 s")
            time.sleep(0.25)
        seconds, used = time.monotonic() - started, bridge.cpu_seconds() - before
        wait_for(lambda: count(t) == arguments.rows, "all rows on the target")
        gigabytes = arguments.rows * arguments.dim * 4 / 1e9
        return {"rows_per_second": arguments.rows / seconds, "seconds": seconds, "cpu_seconds": used, "cpu_per_gb": used / gigabytes,
                "peak_mib": bridge.peak_mib()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=servers.WORK))
    try:
        print(f"into Milvus 2.3.5, {arguments.rows:,} rows × {arguments.dim} dimensions ...", flush=True)
        with servers.MilvusServer(directory / "target") as target:
            clients = by_pymilvus(target, arguments)
            bridge = by_bridge(directory, target, arguments)
        shutil.rmtree(directory, ignore_errors=True)
    except servers.ServerError as error:
        print(f"failed: {error}\n(logs: {directory})", file=sys.stderr)
        return 1
    return report(bridge, clients, arguments)


def report(bridge, clients, arguments):
    best = max(clients, key=lambda size: clients[size]["rows_per_second"])
    print(f"\n{'':34}{'rows/s':>10}{'seconds':>10}{'CPU s':>8}{'CPU s/GB':>10}{'peak MiB':>10}")
    print(f"{'cdc-bridge, from a log':34}{bridge['rows_per_second']:>10,.0f}{bridge['seconds']:>10.1f}{bridge['cpu_seconds']:>8.2f}"
          f"{bridge['cpu_per_gb']:>10.2f}{bridge['peak_mib']:>10.0f}")
    gigabytes = arguments.rows * arguments.dim * 4 / 1e9
    for size, result in clients.items():
        mark = " (best)" if size == best else ""
        print(f"{f'pymilvus, {size:,} rows a call{mark}':34}{result['rows_per_second']:>10,.0f}{result['seconds']:>10.1f}"
              f"{result['cpu_seconds']:>8.2f}{result['cpu_seconds'] / gigabytes:>10.2f}")
    ratio = bridge["rows_per_second"] / clients[best]["rows_per_second"]
    goals = [("as fast as pymilvus at its best batch", f"{ratio:.2f} ×", ratio >= SPEED_RATIO_MIN, False),
             (f"memory ≤ {MEMORY_MAX_MIB} MiB", f"{bridge['peak_mib']:.0f} MiB", bridge["peak_mib"] <= MEMORY_MAX_MIB, True)]
    print()
    for goal, value, is_reached, _ in goals:
        print(f"{goal:44}{value:>30}   {'reached' if is_reached else 'falls short'}")
    path = servers.WORK / "bench-apply.json"
    path.write_text(json.dumps({"rows": arguments.rows, "dim": arguments.dim, "machine": platform.platform(), "cpus": os.cpu_count(), "bridge": bridge,
                                "pymilvus": clients}, indent=1) + "\n")
    print(f"\nresult: {path.relative_to(ROOT)}")
    return 0 if all(reached for _, _, reached, is_enforced in goals if is_enforced) else 1


if __name__ == "__main__":
    sys.exit(main())
