"""Memory while a backlog grows: 2 GiB of changes in the source's log, and a target that is stopped.

The bridge reads a little ahead and then holds the source back; what waits stays in the source's log. Its resident memory is taken once a
second, while the backlog grows and for a while afterwards.
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
import threading
import time

from bench_end_to_end import MEMORY_MAX_MIB, PROGRAM, ROOT, Bridge, count, create, servers, start_task, wait_for

ROWS_PER_REQUEST = 2000
# Between the first and the last third of the samples: flat is what does not grow with the backlog.
GROWTH_MAX_MIB = 4


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Sampler(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.values, self.over = pid, [], threading.Event()

    def run(self):
        while not self.over.wait(1):
            self.values.append(resident_mib(self.pid))


def fill(source, dim, gibibytes, first=0):
    """Requests that are made once and sent again and again, each with other keys from `first` on, as fast as the source takes them.

    Gives the key after the last one.
    """
    import grpc
    import numpy
    from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc, schema_pb2

    vectors = numpy.random.default_rng(1).standard_normal(ROWS_PER_REQUEST * dim, dtype=numpy.float32)
    floats = schema_pb2.FloatArray(data=vectors)
    request = milvus_pb2.InsertRequest(collection_name="bench", num_rows=ROWS_PER_REQUEST, fields_data=[
        schema_pb2.FieldData(type=schema_pb2.Int64, field_name="id", scalars=schema_pb2.ScalarField(long_data=schema_pb2.LongArray())),
        schema_pb2.FieldData(type=schema_pb2.Int64, field_name="n", scalars=schema_pb2.ScalarField(
            long_data=schema_pb2.LongArray(data=range(ROWS_PER_REQUEST)))),
        schema_pb2.FieldData(type=schema_pb2.FloatVector, field_name="vector", vectors=schema_pb2.VectorField(dim=dim, float_vector=floats)),
    ])
    with grpc.insecure_channel(source.address) as channel:
        insert = milvus_pb2_grpc.MilvusServiceStub(channel).Insert
        sent = 0
        while sent < gibibytes * (1 << 30):
            del request.fields_data[0].scalars.long_data.data[:]
            request.fields_data[0].scalars.long_data.data.extend(range(first, first + ROWS_PER_REQUEST))
            answer = insert(request, timeout=60)
            if answer.status.code:
                raise servers.ServerError(answer.status.reason)
            first += ROWS_PER_REQUEST
            sent += ROWS_PER_REQUEST * dim * 4
    return first


def measure(directory, arguments):
    from pymilvus import MilvusClient

    with servers.SandboxServer(directory / "source", "--cluster-id", "src", program=PROGRAM) as source, \
            servers.LiteServer(directory / "target") as target, Bridge(directory / "bridge", source) as bridge:
        s, t = MilvusClient(uri=source.uri), MilvusClient(uri=target.uri)
        create(s, arguments.dim)
        task = start_task(bridge, target)
        wait_for(lambda: t.has_collection("bench") and count(t) == 0, "the empty collection on the target")
        if arguments.hangs:
            target.pause()
        else:
            target.kill()
        sampler = Sampler(bridge.pid)
        sampler.start()
        started = time.monotonic()
        rows = fill(source, arguments.dim, arguments.gib)
        filled = time.monotonic() - started
        time.sleep(arguments.seconds)
        sampler.over.set()
        sampler.join()
        progress = bridge.call("progress", task_id=task)
        waiting = sum(p["waiting_bytes"] for p in progress["pchannels"])
        third = max(1, len(sampler.values) // 3)
        first, last = sampler.values[:third], sampler.values[-third:]
        return {"rows": rows, "gib": arguments.gib, "fill_seconds": filled, "held_mib": waiting / (1 << 20), "peak_mib": bridge.peak_mib(),
                "first_mib": sum(first) / third, "last_mib": sum(last) / third, "said": progress["last_error"]
                or next((c["last_error"] for c in progress["collections"] if c["last_error"]), None), "samples": sampler.values}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seconds", type=int, default=20, help="how long it is watched when the backlog stands")
    parser.add_argument("--hangs", action="store_true", help="the target accepts and never answers, instead of being gone")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=servers.WORK))
    try:
        print(f"{arguments.gib:g} GiB of backlog, the target is {'silent' if arguments.hangs else 'stopped'} ...", flush=True)
        result = measure(directory, arguments)
        shutil.rmtree(directory, ignore_errors=True)
    except servers.ServerError as error:
        print(f"failed: {error}\n(logs: {directory})", file=sys.stderr)
        return 1
    growth = result["last_mib"] - result["first_mib"]
    print(f"\nbacklog {result['gib']:g} GiB in {result['fill_seconds']:.0f} s, of which the bridge holds {result['held_mib']:.1f} MiB")
    print(f"resident: {result['first_mib']:.1f} MiB in the first third, {result['last_mib']:.1f} MiB in the last, peak {result['peak_mib']:.1f} MiB")
    print(f"the view says: {result['said']}\n")
    goals = [(f"memory ≤ {MEMORY_MAX_MIB} MiB", f"{result['peak_mib']:.0f} MiB", result["peak_mib"] <= MEMORY_MAX_MIB),
             (f"flat: grows by ≤ {GROWTH_MAX_MIB} MiB", f"{growth:+.1f} MiB", growth <= GROWTH_MAX_MIB),
             ("the reason is in the view", "yes" if result["said"] else "no", bool(result["said"]))]
    for goal, value, is_reached in goals:
        print(f"{goal:44}{value:>30}   {'reached' if is_reached else 'falls short'}")
    path = servers.WORK / "bench-backlog.json"
    path.write_text(json.dumps({"machine": platform.platform(), "cpus": os.cpu_count(), "result": result}, indent=1) + "\n")
    print(f"\nresult: {path.relative_to(ROOT)}")
    return 0 if all(reached for _, _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
