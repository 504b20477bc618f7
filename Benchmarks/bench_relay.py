"""The native relay: CPU seconds per GB and messages per CPU second beside the relays that others would write and the physical limit, its added
delay, and its memory.

Source and target are `relay/endpoints.cc`, which is fast enough that what lies between is what is measured. Between the same two, in the same
run: cdc-bridge (`apply: native`), a relay with C++ gRPC (Debian's), the grpc-go relay of Tests/witness, and a raw read/write proxy between sockets, which
carries the same messages without HTTP/2. A real target takes about 95 messages a second on each pchannel whatever the relay does; the CPU goals
are for endpoints without that limit. The bridge's CPU is that of the whole process, task and checkpoint included, from the start of the load
until the target has everything; the others' is that of their whole life, without the start of the process.
"""

import argparse
import json
import logging
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from bench_end_to_end import MEMORY_MAX_MIB, PROGRAM, ROOT, Bridge, servers

SOURCES = ROOT / "Benchmarks" / "relay"
BUILT = servers.WORK / "relay"
# Message size in bytes, and what part of the bytes asked for is sent with it.
SIZES = {"1 KiB": (1 << 10, 8), "64 KiB": (64 << 10, 1), "1 MiB": (1 << 20, 1)}
# At most so many times the CPU seconds per GB (design: numbers to reach).
GOALS = {
    "1 KiB": {"raw proxy": 1.5, "C++ gRPC relay": 1 / 5, "grpc-go relay": 1 / 12},
    "64 KiB": {"raw proxy": 1.3, "C++ gRPC relay": 1 / 2, "grpc-go relay": 1 / 5},
    "1 MiB": {"raw proxy": 1.3, "C++ gRPC relay": 1 / 2, "grpc-go relay": 1 / 5},
}
# Between the first and the last third of the samples: flat is what does not grow with the backlog.
GROWTH_MAX_MIB = 4


def build():
    """Endpoints and peers. Built again when a source is newer; `dev/setup bench` installs what that needs."""
    BUILT.mkdir(parents=True, exist_ok=True)
    newest = max(file.stat().st_mtime for file in SOURCES.iterdir())
    if (BUILT / "done").exists() and (BUILT / "done").stat().st_mtime > newest:
        return
    print("building the endpoints and the C++ relay ...", flush=True)
    compiler = ["g++", "-O2", "-std=c++17", "-Wall", "-Wextra"]
    run([*compiler, str(SOURCES / "endpoints.cc"), "-o", str(BUILT / "endpoints"), "-lnghttp2"])
    run([*compiler, str(SOURCES / "rawproxy.cc"), "-o", str(BUILT / "rawproxy")])
    plugin = shutil.which("grpc_cpp_plugin")
    if not plugin:
        raise servers.ServerError("C++ gRPC is not here; dev/setup bench installs it")
    run(["protoc", f"-I{SOURCES}", f"--cpp_out={BUILT}", f"--grpc_out={BUILT}", f"--plugin=protoc-gen-grpc={plugin}", str(SOURCES / "relay.proto")])
    flags = run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"]).split()
    run([*compiler, f"-I{BUILT}", str(SOURCES / "relay.cc"), *map(str, BUILT.glob("*.cc")), "-o", str(BUILT / "relay"), *flags])
    (BUILT / "done").touch()


def run(command, timeout=900):
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if answer.returncode:
        raise servers.ServerError(f"{command[0]}: exit code {answer.returncode}\n{answer.stdout[-1000:]}{answer.stderr[-3000:]}")
    return answer.stdout


class Endpoint:
    """One side. It is told what to do on its standard input, and every answer is its state."""

    def __init__(self, role, pchannels=1):
        self.port, self.raw_port = servers.free_ports(2)
        self.process = subprocess.Popen([str(BUILT / "endpoints"), role, str(self.port), str(self.raw_port), str(pchannels)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.uri, self.address = f"http://127.0.0.1:{self.port}", f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def tell(self, command="state"):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Pair:
    def __init__(self, pchannels=1):
        self.source, self.target = Endpoint("source", pchannels), Endpoint("target", pchannels)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.source, self.target):
            end.__exit__()

    def wait(self, messages, seconds=900):
        """Until the target has so many, in the order of ticks and none twice."""
        end = time.monotonic() + seconds
        while (state := self.target.tell())["messages"] < messages:
            if time.monotonic() > end:
                raise servers.ServerError(f"not within {seconds} s: {messages} messages; the target says {state}")
            time.sleep(0.01)
        if state["disorder"] or state["messages"] != messages:
            raise servers.ServerError(f"not {messages} messages in order: {state}")
        return state


def status(pid, key):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split(f"{key}:")[1].split()[0]) / 1024


class Relay(Bridge):
    """The bridge with one native task that follows."""

    def follow(self, target):
        self.call("create", milvus_connect_param={"uri": target.uri}, db_collections={"*": [{"name": "*"}]}, apply="native", initial_copy=False)
        end = time.monotonic() + 60
        while (view := self.call("list")["tasks"][0])["progress"]["phase"] != "following":
            if time.monotonic() > end or view["state"] == "Paused":
                raise servers.ServerError(json.dumps(view))
            time.sleep(0.05)

    def cpu_exact(self):
        """In seconds. The clock ticks of stat are too coarse; threads that have ended meanwhile are missing here."""
        return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()) / 1e9


# --- CPU

def ours(directory, size, count):
    with Pair() as pair, Relay(directory, pair.source) as bridge:
        bridge.follow(pair.target)
        before, started = bridge.cpu_exact(), time.monotonic()
        pair.source.tell(f"fill {count} {size}")
        state = pair.wait(count)
        wall = time.monotonic() - started
        return {"cpu_s": bridge.cpu_exact() - before, "wall_s": wall, "bytes": state["bytes"], "memory_mib": bridge.peak_mib()}


def cpp_relay(directory, size, count):
    with Pair() as pair:
        pair.source.tell(f"fill {count} {size}")
        started = time.monotonic()
        answer = json.loads(run([str(BUILT / "relay"), pair.source.address, pair.target.address, "src-rootcoord-dml_0", "0", str(now_tick())]))
        wall = time.monotonic() - started
        return {"cpu_s": answer["cpu_s"], "wall_s": wall, "bytes": pair.wait(count)["bytes"], "memory_mib": answer["max_rss_kb"] / 1024}


def go_relay(directory, size, count):
    program = pathlib.Path(os.environ.get("CDC_BRIDGE_WITNESS") or servers.WORK / "witness") / "grpc-go-relay"
    if not program.exists():
        raise servers.ServerError(f"{program} is not here; dev/setup python unpacks it")
    with Pair() as pair:
        pair.source.tell(f"fill {count} {size}")
        answer = json.loads(run([str(program), "--source", pair.source.address, "--target", pair.target.address, "--pchannel", "src-rootcoord-dml_0",
                                 "--cluster-id", "dst", "--source-cluster-id", "src", "--end-timetick", str(now_tick())]).splitlines()[-1])
        return {"cpu_s": answer["cpu_s"], "wall_s": answer["wall_s"], "bytes": pair.wait(count)["bytes"], "memory_mib": answer["max_rss_kb"] / 1024}


def raw_proxy(directory, size, count):
    with Pair() as pair:
        proxy = RawProxy(pair)
        started = time.monotonic()
        pair.source.tell(f"fill {count} {size}")
        state = pair.wait(count)
        wall = time.monotonic() - started
        return {"cpu_s": proxy.end()["cpu_s"], "wall_s": wall, "bytes": state["bytes"], "memory_mib": 0}


class RawProxy:
    def __init__(self, pair):
        self.process = subprocess.Popen([str(BUILT / "rawproxy"), str(pair.source.raw_port), str(pair.target.raw_port)], stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate(timeout=20)[0])


def now_tick():
    """Above every tick of the source, which go on from the clock of when it was filled, one for each message."""
    return (int(time.time() * 1000) + 60_000) << 18


PEERS = {"raw proxy": raw_proxy, "C++ gRPC relay": cpp_relay, "grpc-go relay": go_relay, "cdc-bridge": ours}


def measure_cpu(scratch, options):
    results, goals = {}, []
    for name, (size, part) in SIZES.items():
        count = max(1, options.megabytes * 1_000_000 // part // size)
        rows = {}
        for label, measure in PEERS.items():
            if options.only and label not in options.only:
                continue
            runs = sorted((measure(scratch / f"{size}-{label.split()[0]}-{number}", size, count) for number in range(options.runs)), key=lambda run: run["cpu_s"])
            row = rows[label] = runs[len(runs) // 2]
            row["cpu_s_per_gb"] = row["cpu_s"] / row["bytes"] * 1e9
            row["messages_per_cpu_s"] = count / max(row["cpu_s"], 1e-9)
            print(f"  {name:7} {label:15} {row['cpu_s_per_gb']:8.2f} CPU s/GB {row['messages_per_cpu_s']:12,.0f} messages per CPU s"
                  f" {row['bytes'] / row['wall_s'] / 1e6:7.0f} MB/s   memory {row['memory_mib']:.0f} MiB", flush=True)
        results[name] = rows
        for peer, goal in GOALS[name].items():
            if peer in rows and "cdc-bridge" in rows:
                ratio = rows["cdc-bridge"]["cpu_s_per_gb"] / rows[peer]["cpu_s_per_gb"]
                goals.append((f"CPU at {name}: ≤ {goal:.3g} × the {peer}", f"{ratio:.3g} ×", ratio <= goal))
    return results, goals


# --- delay

def measure_delay(scratch, options):
    """One message of 1 KiB every 2 ms: from the source's write until the target has it."""
    count, results = options.drips, {}

    def drip(pair):
        time.sleep(1)
        pair.target.tell("reset")
        before = pair.target.tell()["messages"]
        pair.source.tell(f"drip {count} 1024 2000")
        state = pair.wait(before + count)
        return {key: state[key] for key in ("p50_us", "p99_us")}

    with Pair() as pair:
        proxy = RawProxy(pair)
        results["raw proxy"] = drip(pair)
        proxy.end()
    with Pair() as pair, Relay(scratch / "delay", pair.source) as bridge:
        bridge.follow(pair.target)
        results["cdc-bridge"] = drip(pair)
    for label, row in results.items():
        print(f"  delay   {label:15} p50 {row['p50_us'] / 1000:.2f} ms, p99 {row['p99_us'] / 1000:.2f} ms", flush=True)
    p50, p99 = ((results["cdc-bridge"][key] - results["raw proxy"][key]) / 1000 for key in ("p50_us", "p99_us"))
    return results, [("added delay over the raw proxy: p50 ≤ 5 ms", f"{p50:.2f} ms", p50 <= 5), ("added delay over the raw proxy: p99 ≤ 25 ms", f"{p99:.2f} ms", p99 <= 25)]


# --- memory

def measure_memory(scratch, options):
    """A backlog on 16 pchannels for a target that has stopped in the middle of it, and that goes on in the end."""
    pchannels, size = 16, 64 << 10
    count = int(options.gib * (1 << 30)) // pchannels // size
    with Pair(pchannels) as pair, Relay(scratch / "memory", pair.source) as bridge:
        bridge.follow(pair.target)
        pair.source.tell(f"fill {count // 100} {size}")
        pair.wait(count // 100 * pchannels)
        pair.target.process.send_signal(signal.SIGSTOP)
        pair.source.tell(f"fill {count} {size}")
        samples = []
        for _ in range(options.seconds):
            time.sleep(1)
            samples.append(status(bridge.pid, "VmRSS"))
        stopped = status(bridge.pid, "VmHWM")
        pair.target.process.send_signal(signal.SIGCONT)
        # The streams may have been cut meanwhile and sent again; the target leaves out what it had.
        end = time.monotonic() + 600
        while pair.target.tell()["messages"] < (count + count // 100) * pchannels:
            if time.monotonic() > end:
                raise servers.ServerError(f"the backlog was not sent within 600 s: {pair.target.tell()}, {bridge.call('list')}")
            time.sleep(0.2)
        peak = status(bridge.pid, "VmHWM")
    third = max(1, len(samples) // 3)
    growth = sum(samples[-third:]) / third - sum(samples[:third]) / third
    print(f"  memory  {options.gib:g} GiB on {pchannels} pchannels, the target stopped: peak {stopped:.0f} MiB; sent then: peak {peak:.0f} MiB", flush=True)
    goals = [(f"memory with a stopped target, 16 pchannels: ≤ {MEMORY_MAX_MIB} MiB", f"{stopped:.0f} MiB", stopped <= MEMORY_MAX_MIB),
             (f"flat: grows by ≤ {GROWTH_MAX_MIB} MiB", f"{growth:+.1f} MiB", growth <= GROWTH_MAX_MIB),
             (f"memory when the backlog is sent: ≤ {MEMORY_MAX_MIB} MiB", f"{peak:.0f} MiB", peak <= MEMORY_MAX_MIB)]
    return {"samples_mib": samples, "stopped_mib": stopped, "peak_mib": peak}, goals


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000, help="bytes of each size, in MB (1 KiB messages: an eighth)")
    parser.add_argument("--runs", type=int, default=3, help="of each relay and size; the median counts")
    parser.add_argument("--gib", type=float, default=2, help="backlog for the memory")
    parser.add_argument("--seconds", type=int, default=30, help="how long the target stands still")
    parser.add_argument("--drips", type=int, default=3000, help="messages for the delay")
    parser.add_argument("--only", nargs="*", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--parts", nargs="*", default=["cpu", "delay", "memory"])
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=servers.WORK))
    result, goals = {"machine": platform.platform(), "cpus": os.cpu_count()}, []
    try:
        build()
        print(f"{PROGRAM.name}, {os.cpu_count()} cores; 1 GB is 10^9 bytes of messages", flush=True)
        for part, measure in (("cpu", measure_cpu), ("delay", measure_delay), ("memory", measure_memory)):
            if part in options.parts:
                result[part], found = measure(directory, options)
                goals += found
        shutil.rmtree(directory, ignore_errors=True)
    except servers.ServerError as error:
        print(f"failed: {error}\n(logs: {directory})", file=sys.stderr)
        return 1
    print()
    for goal, value, is_reached in goals:
        print(f"{goal:56}{value:>18}   {'pass' if is_reached else 'fall short'}")
    (servers.WORK / "bench-relay.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
