"""`make demo`: two real Milvus servers, the bridge between them, and everything it does, watched from outside.

Every line that begins with $ was really run; every number was measured in this run.
"""

import argparse
import json
import logging
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import servers

# pymilvus's gRPC writes its transport's complaints on the terminal; what matters comes as an error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

PROGRAM = servers.ROOT / ".build" / "release" / "cdc-bridge"
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
FILMS, TENANTS, ARTICLES = 30_000, 20_000, 10_000
BATCH = 2_000


class Trouble(Exception):
    """The demonstration cannot go on; the text says why."""


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print(f"\n{paint(text, '1;36')}\n{paint('─' * len(text), '36')}", flush=True)


def say(text=""):
    print(text, flush=True)


def shell(command):
    """Shows a command, runs it and returns what it wrote."""
    say(paint("$ " + command, "33"))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Trouble(f"the command ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Bridge:
    def __init__(self, directory, source):
        self.log = directory / "bridge.log"
        self.port = 8444 if port_is_free(8444) else servers.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [str(PROGRAM), "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(directory / "bridge"), "--source-uri", source.uri]
        say(paint("$ cdc-bridge " + " ".join(command[1:]).replace(str(servers.ROOT) + "/", "") + " &", "33"))
        started = time.perf_counter()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(servers.dying_with_parent(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        while not servers.can_connect(self.port):
            if self.process.poll() is not None or time.perf_counter() - started > 10:
                raise Trouble(f"the bridge does not listen:\n{servers.tail(self.log)}")
            time.sleep(0.001)
        self.start_ms = (time.perf_counter() - started) * 1000

    def call(self, request_type, **data):
        body = json.dumps({"request_type": request_type, "request_data": data})
        done = subprocess.run(["curl", "-sS", "--max-time", "20", "-X", "POST", "-d", body, self.url + "/cdc"], capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"the task API does not answer: {done.stderr.strip()}\n{servers.tail(self.log)}")
        envelope = json.loads(done.stdout)
        if envelope["code"] != 200:
            raise Trouble(f"the task API says {envelope['code']}: {envelope['message']}")
        return envelope["data"]

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def port_is_free(port):
    try:
        servers.require_free(port, "")
        return True
    except servers.ServerError:
        return False


# --- what is on the source before the task

def vectors(numpy, count, dim, generator):
    return generator.standard_normal((count, dim), dtype=numpy.float32)


def load_source(client, DataType):
    """Three collections of different kinds and a small one that will be dropped; returns rows by collection."""
    import numpy

    generator = numpy.random.default_rng(7)
    total = 0
    started = time.perf_counter()

    def fill(name, count, make_row, dim, **options):
        for first in range(0, count, BATCH):
            block = vectors(numpy, min(BATCH, count - first), dim, generator)
            client.insert(name, [{"vector": block[i], **make_row(first + i)} for i in range(len(block))], **options)

    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=200)
    schema.add_field("details", DataType.JSON)
    schema.add_field("genres", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=8, max_length=20)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=96)
    create(client, "films", schema)
    genres = ["drama", "comedy", "crime", "noir"]
    fill("films", FILMS, lambda n: {"id": n, "title": f"Film № {n}", "details": {"year": 1920 + n % 105, "cast": [n % 7, n % 11]},
                                    "genres": genres[: 1 + n % 4], "rating": n % 10}, 96)
    say(f"  films     {FILMS:>7,} × 96    integer key, JSON, array of strings, dynamic fields")

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=40, is_partition_key=True)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=128)
    create(client, "offers", schema, num_partitions=16)
    fill("offers", TENANTS, lambda n: {"id": n, "tenant": f"tenant-{n % 50}", "price": n / 8}, 128)
    say(f"  offers    {TENANTS:>7,} × 128   partition key")

    schema = client.create_schema()
    schema.add_field("slug", DataType.VARCHAR, max_length=60, is_primary=True)
    schema.add_field("words", DataType.INT32)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=96)
    create(client, "articles", schema, partitions=["news", "archive"])
    for name, first in (("news", 0), ("archive", ARTICLES // 2)):
        fill("articles", ARTICLES // 2, lambda n: {"slug": f"article/{n + first}", "words": n % 900}, 96, partition_name=name)
    say(f"  articles  {ARTICLES:>7,} × 96    string key, two partitions")

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=96)
    create(client, "scratch", schema)
    fill("scratch", 1_000, lambda n: {"id": n}, 96)
    say(f"  scratch   {1000:>7,} × 96    will be dropped")
    total = FILMS + TENANTS + ARTICLES + 1_000
    seconds = time.perf_counter() - started
    say(f"  {total:,} rows in {seconds:.1f} s with pymilvus")
    return total


def index(client, name, kind="IVF_FLAT", metric="L2", **params):
    parameters = client.prepare_index_params()
    parameters.add_index("vector", index_type=kind, metric_type=metric, params=params or {"nlist": 64})
    client.create_index(name, parameters)


def create(client, name, schema, partitions=(), **options):
    client.create_collection(name, schema=schema, **options)
    for partition in partitions:
        client.create_partition(name, partition)
    index(client, name)
    client.load_collection(name)


# --- following

def count(client, name):
    return client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]


def watch_copy(bridge, task_id):
    started = time.perf_counter()
    shown = None
    while True:
        view = bridge.call("get", task_id=task_id)["task"]
        progress = view["progress"]
        elapsed = time.perf_counter() - started
        copied, total = progress["rows_copied"], progress["rows_total"] or 0
        if progress["phase"] == "following":  # It reads again already, and counts from the start.
            copied = total
        percent = progress["percent"] or 0
        bar = "█" * int(percent / 4) + "░" * (25 - int(percent / 4))
        line = f"  {progress['phase']:9} {bar} {percent:5.1f} %  {copied:>7,} / {total:,} rows  {copied / max(elapsed, 0.001):>8,.0f} rows/s"
        if progress.get("eta_seconds") is not None:
            line += f"  ETA {progress['eta_seconds']} s"
        if COLOUR:
            sys.stdout.write("\r\033[K" + line)
            sys.stdout.flush()
        elif (shown is None or time.perf_counter() - shown >= 1) or progress["phase"] == "following":
            say(line)
            shown = time.perf_counter()
        if progress["phase"] == "following":
            if COLOUR:
                say()
            return elapsed
        if view["state"] != "Running" or elapsed > 150:
            raise Trouble(f"the copy does not come to its end: {json.dumps(view, indent=1)}\n{servers.tail(bridge.log)}")
        time.sleep(0.25)


class Changes:
    """Makes changes on the source and measures how long each takes to be visible on the target."""

    def __init__(self, bridge):
        self.bridge = bridge
        self.results = []

    def arrive(self, what, change, is_there):
        change()
        started = time.perf_counter()
        while True:
            try:
                if is_there():
                    break
            except Exception as error:  # The target answers anything while an object is being made.
                last = error
            else:
                last = None
            if time.perf_counter() - started > 180:
                raise Trouble(f"'{what}' did not arrive within 180 s ({last}):\n{servers.tail(self.bridge.log)}")
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        self.results.append((what, seconds))
        say(f"  {paint('✓', '32')} {what:58} {seconds:5.2f} s")


def ask_until_caught_up(bridge, task_id):
    """The documented request, until it says so: a pass that began after the last change has to end first."""
    request = json.dumps({"request_type": "progress", "request_data": {"task_id": task_id}})
    command = f"curl -sS -X POST -d '{request}' {bridge.url}/cdc | jq -c '.data | {{phase, copied, caught_up, lag_ms}}'"
    say(paint("$ " + command, "33"))
    deadline = time.perf_counter() + 60
    while True:
        answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
        if json.loads(answer)["caught_up"]:
            return answer
        if time.perf_counter() > deadline:
            raise Trouble(f"not caught up within 60 s: {answer}\n{servers.tail(bridge.log)}")
        time.sleep(0.1)


def make_changes(source, target, bridge, DataType):
    generator = random.Random(3)

    def vector(dim=96):
        return [generator.random() for _ in range(dim)]

    def film(n, title):
        return {"id": n, "title": title, "details": {"year": 2026}, "genres": ["new"], "rating": 5, "vector": vector()}

    def has(name, expression, expected):
        return len(target.query(name, filter=expression, output_fields=["*"], limit=2000)) == expected

    changes = Changes(bridge)
    changes.arrive("500 rows inserted into films", lambda: source.insert("films", [film(FILMS + n, f"New film {n}") for n in range(500)]),
                   lambda: has("films", f"id >= {FILMS}", 500))
    changes.arrive("300 rows of films updated", lambda: source.upsert("films", [film(n, "Director's cut") for n in range(300)]),
                   lambda: has("films", "title == \"Director's cut\"", 300))
    changes.arrive("200 rows of films deleted", lambda: source.delete("films", ids=list(range(1000, 1200))),
                   lambda: has("films", "id >= 1000 and id < 1200", 0))

    def new_collection():
        schema = source.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=96)
        create(source, "premieres", schema)
        source.insert("premieres", [{"id": n, "vector": vector()} for n in range(400)])

    changes.arrive("new collection premieres with index and 400 rows", new_collection, lambda: has("premieres", "id >= 0", 400))

    def new_index():
        source.release_collection("articles")
        for name in source.list_indexes("articles"):
            source.drop_index("articles", name)
        index(source, "articles", "HNSW", "COSINE", M=8, efConstruction=64)
        source.load_collection("articles")

    changes.arrive("index of articles replaced by HNSW, COSINE", new_index,
                   lambda: [target.describe_index("articles", n)["metric_type"] for n in target.list_indexes("articles")] == ["COSINE"])
    changes.arrive("alias films_live created", lambda: source.create_alias("films", "films_live"),
                   lambda: target.list_aliases("films")["aliases"] == ["films_live"])
    changes.arrive("collection scratch dropped", lambda: source.drop_collection("scratch"), lambda: not target.has_collection("scratch"))
    return changes.results


def follow_log(directory, bridge, target, t):
    """The real-time path: a source with a log. No server that can be installed here has one, so the sandbox plays it; the target is real."""
    from pymilvus import DataType
    from servers.client import Client

    source = servers.SandboxServer(directory / "sandbox", "--cluster-id", "sandbox", program=PROGRAM)
    with source:
        say(f"  source: cdc-bridge sandbox (in memory, for tries like this one)  {source.uri}\n  target: {target.name}  {target.uri}")
        s = Client(uri=source.uri)
        schema = s.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=96)
        create(s, "live", schema)
        s.insert("live", [{"id": n, "vector": [0.1] * 96} for n in range(5000)])
        request = {"request_type": "create", "request_data": {
            "milvus_connect_param": {"uri": target.uri, "connect_timeout": 10}, "source_connect_param": {"uri": source.uri},
            "collection_infos": [{"name": "live"}], "capture": "wal"}}
        envelope = json.loads(shell(f"curl -sS -X POST -d '{json.dumps(request)}' {bridge.url}/cdc").strip())
        if envelope["code"] != 200:
            raise Trouble(f"create was refused: {envelope['message']}")
        task_id = envelope["data"]["task_id"]
        deadline = time.perf_counter() + 60
        while not bridge.call("progress", task_id=task_id)["caught_up"]:
            if time.perf_counter() > deadline:
                raise Trouble(f"the log task has not caught up within 60 s\n{servers.tail(bridge.log)}")
            time.sleep(0.05)
        say(f"  {count(t, 'live'):,} rows that were there are copied; now 100 single rows, one after the other:")
        delays = []
        for n in range(100):
            s.insert("live", [{"id": 100_000 + n, "vector": [0.2] * 96}])
            acknowledged = time.perf_counter()
            while not t.query("live", filter=f"id in [{100_000 + n}]", output_fields=["id"]):
                if time.perf_counter() - acknowledged > 30:
                    raise Trouble(f"row {n} did not arrive within 30 s\n{servers.tail(bridge.log)}")
                time.sleep(0.001)
            delays.append((time.perf_counter() - acknowledged) * 1000)
            if n % 20 == 19:
                lag = bridge.call("progress", task_id=task_id)["lag_ms"]
                say(f"  {n + 1:>4} rows   acknowledged by the source → found on the target: {sorted(delays[-20:])[10]:5.1f} ms   lag_ms {lag}")
        s.upsert("live", [{"id": n, "vector": [0.3] * 96} for n in range(500)])
        s.delete("live", ids=list(range(1000, 1500)))
        deadline = time.perf_counter() + 60
        while count(t, "live") != 4600:
            if time.perf_counter() > deadline:
                raise Trouble(f"the target holds {count(t, 'live')} rows, not 4,600\n{servers.tail(bridge.log)}")
            time.sleep(0.01)
        done = subprocess.run([str(PROGRAM), "compare", "--source-uri", source.uri, "--target-uri", target.uri, "--collection", "live"],
                              capture_output=True, text=True, timeout=120)
        say("  after 500 upserts and 500 deletes: " + (done.stdout + done.stderr).rstrip().splitlines()[-1])
        if done.returncode:
            raise Trouble(f"compare ended with {done.returncode}: the clusters are not equal\n{servers.tail(bridge.log)}")
        bridge.call("delete", task_id=task_id)
        return sorted(delays)


def run(directory, keep):
    from pymilvus import DataType
    from servers.client import Client

    # The client logs what it also raises, e.g. that a collection which is just arriving is not loaded yet.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    running = []
    try:
        heading("1. Two real Milvus servers that know nothing of each other")
        started = time.perf_counter()
        source = servers.MilvusServer(directory / "source", 19530 if port_is_free(19530) else None)
        target = servers.LiteServer(directory / "target", 29530 if port_is_free(29530) else None)
        for server, role in ((source, "source"), (target, "target")):
            server.start()
            running.append(server)
            say(f"  {role}: {server.name:18} {server.uri}")
        say(f"  both healthy after {time.perf_counter() - started:.1f} s")
        s, t = Client(uri=source.uri), Client(uri=target.uri)

        heading("2. The source is filled; the target is empty")
        total = load_source(s, DataType)
        say(f"  collections on the target: {t.list_collections() or 'none'}")

        heading("3. One binary, one request")
        bridge = Bridge(directory, source)
        running.append(bridge)
        say(f"  listening after {bridge.start_ms:.0f} ms")
        request = {"request_type": "create", "request_data": {"milvus_connect_param": {"uri": target.uri, "connect_timeout": 10},
                                                              "collection_infos": [{"name": "*"}], "reconcile_interval": 1}}
        reply = shell(f"curl -sS -X POST -H 'Content-Type: application/json' \\\n    -d '{json.dumps(request)}' \\\n    {bridge.url}/cdc").strip()
        say("  " + reply)
        envelope = json.loads(reply)
        if envelope["code"] != 200:
            raise Trouble(f"create was refused: {envelope['message']}")
        task_id = envelope["data"]["task_id"]

        heading("4. It copies what is there")
        copy_seconds = watch_copy(bridge, task_id)
        copy_cpu = bridge.cpu_seconds()
        for name in sorted(t.list_collections()):
            say(f"  {name:10} {count(t, name):>7,} rows on the target, index {[t.describe_index(name, i)['index_type'] for i in t.list_indexes(name)]}")

        heading("5. It follows what changes")
        results = make_changes(s, t, bridge, DataType)

        heading("6. The request that a script uses: has it caught up?")
        say("  " + ask_until_caught_up(bridge, task_id))

        heading("7. Are the two clusters equal?")
        command = [str(PROGRAM), "compare", "--source-uri", source.uri, "--target-uri", target.uri]
        say(paint("$ cdc-bridge " + " ".join(command[1:]), "33"))
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        compare_seconds = time.perf_counter() - started
        say("\n".join("  " + line for line in (done.stdout + done.stderr).rstrip().splitlines()))
        if done.returncode:
            raise Trouble(f"compare ended with {done.returncode}: the clusters are not equal\n{servers.tail(bridge.log)}")

        heading("8. With a log instead of looks: milliseconds")
        # One task for a collection of a target: the first one makes room, what it copied stays.
        request_delete = json.dumps({"request_type": "delete", "request_data": {"task_id": task_id}})
        say("  " + shell(f"curl -sS -X POST -d '{request_delete}' {bridge.url}/cdc").strip())
        delays = follow_log(directory, bridge, target, t)

        heading("Summary")
        rows = [("rows copied", f"{total:,}"), ("copy, wall clock", f"{copy_seconds:.1f} s  ({total / copy_seconds:,.0f} rows/s)"),
                ("copy, CPU of the bridge", f"{copy_cpu:.2f} s"), ("bridge, peak memory", f"{bridge.peak_mb():.0f} MiB"),
                ("bridge, start to listening", f"{bridge.start_ms:.0f} ms")]
        rows += [(f"arrived: {what}", f"{seconds:.2f} s") for what, seconds in results]
        rows += [("one row through the log, p50 / p99", f"{delays[50]:.1f} / {delays[98]:.1f} ms")]
        rows += [("compare", f"equal, in {compare_seconds:.1f} s"), ("whole demonstration", f"{time.perf_counter() - began:.0f} s")]
        width = max(len(name) for name, _ in rows) + 2
        for name, value in rows:
            say(f"  {name:{width}} {paint(value, '32')}")
        if keep:
            bridge.call("create", **request["request_data"], adopt=True)
            say(f"\n  Everything runs on; Ctrl-C ends it.  source {source.uri}  target {target.uri}  task API {bridge.url}/cdc  log {bridge.log}")
            signal.pause()
        return 0
    finally:
        for one in reversed(running):
            one.stop()


def main():
    parser = argparse.ArgumentParser(prog="dev/demo.py", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave servers and bridge running at the end, until Ctrl-C")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        print("dev/demo.py: the program is not built; run `make demo`", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="demo-", dir=servers.WORK))
    try:
        code = run(directory, arguments.keep)
        shutil.rmtree(directory, ignore_errors=True)
        return code
    except (Trouble, servers.ServerError) as trouble:
        print(f"\n{paint('The demonstration failed:', '1;31')} {trouble}\n(logs and data: {directory})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(directory, ignore_errors=True)
        return 130


sys.exit(main())
