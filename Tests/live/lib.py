"""What the live tests share: the bridge as a process, its task API, and two servers' contents seen through pymilvus alone.

Nothing here uses the bridge to judge the bridge: equality is decided from what the official client reads on both sides.
"""

import json
import math
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import urllib.request

from pymilvus import DataType, MilvusClient
from pymilvus.client.types import Status
from pymilvus.exceptions import MilvusException

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev"))

import servers  # noqa: E402
from servers.client import Client  # noqa: E402

PROGRAM = ROOT / os.environ.get("CDC_BRIDGE_PROGRAM", ".build/release/cdc-bridge")
# Workers of a run inherit what its first process chose.
SEED = int(os.environ.setdefault("SEED", str(random.SystemRandom().randrange(1 << 32))))
PAGE = 16384


class ApiError(Exception):
    """The task API answered with an error envelope."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def wait_until(condition, seconds=60, every=0.1, what=None):
    """Waits until `condition()` is true or returns something; the last exception or value is in the failure."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, MilvusException) as error:  # A server that starts or makes an object answers anything.
            last = error
        if time.monotonic() > deadline:
            name = what or getattr(condition, "__doc__", None) or "the condition"
            raise AssertionError(f"not within {seconds} s: {name}; last seen: {last}")
        time.sleep(every)


class Bridge:
    """`cdc-bridge serve` with a data directory of its own; may be killed and started again on it."""

    def __init__(self, directory, source_uri=None, options=(), environment=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        self.log = self.directory / "bridge.log"
        self.port = servers.free_ports(1)[0]
        self.source_uri = source_uri
        self.options = list(options)
        self.environment = environment or {}
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True):
        command = [str(PROGRAM), "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data),
                   "--log-level", "debug"]
        if self.source_uri:
            command += ["--source-uri", self.source_uri]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(servers.dying_with_parent(command + self.options), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **self.environment})
        if wait:
            wait_until(self._is_up, 30, 0.005, "the bridge answers /healthz")
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the bridge ended with {self.process.returncode}:\n{servers.tail(self.log)}")
        try:
            with urllib.request.urlopen(self.url + "/healthz", timeout=2) as reply:
                return reply.status == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; must end by itself, with 0."""
        self.process.terminate()
        return self.process.wait(20)

    def restart(self):
        self.stop()
        return self.start()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self, peak=False):
        label = "VmHWM:" if peak else "VmRSS:"
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1]) * 1024
        raise AssertionError("the bridge is not running")

    def post(self, body, timeout=60):
        """The raw envelope of a request; `body` is sent as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + "/cdc", data=data, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.load(reply)

    def call(self, request_type, **data):
        envelope = self.post({"request_type": request_type, "request_data": data})
        if envelope["code"] != 200:
            raise ApiError(envelope["code"], envelope["message"])
        return envelope["data"]

    def create(self, target, *collections, database=None, **data):
        """A task for `collections` (default: all) of one database, fast enough for tests."""
        if "milvus_connect_param" not in data:
            data["milvus_connect_param"] = {"uri": target.uri}
        infos = [{"name": c} for c in collections] or [{"name": "*"}]
        if "db_collections" not in data and "collection_infos" not in data:
            if database is None:
                data["collection_infos"] = infos
            else:
                data["db_collections"] = {database: infos}
        data.setdefault("reconcile_interval", 1)
        return self.call("create", **data)["task_id"]

    def task(self, task_id):
        return self.call("get", task_id=task_id)["task"]

    def progress(self, task_id):
        return self.call("progress", task_id=task_id)

    def wait_phase(self, task_id, *phases, seconds=60):
        return wait_until(lambda: (p := self.task(task_id)["progress"]) and p["phase"] in phases and p, seconds, 0.05,
                          f"phase {' or '.join(phases)}")

    def wait_copied(self, task_id, seconds=90):
        return self.wait_phase(task_id, "following", seconds=seconds)


def run(*arguments, environment=None, timeout=120):
    """A command of the bridge to its end: exit code and both texts."""
    return subprocess.run([str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environment or {})})


def compare(source, target, *options, timeout=300):
    return run("compare", "--source-uri", source.uri, "--target-uri", target.uri, *options, timeout=timeout)


# --- what stands on a server, through the official client

def reaching(call, seconds=20):
    """`call()`, again while pymilvus cannot connect: it shares channels, and one that pinged too often or met a dead server recovers late."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except MilvusException as error:
            if error.code != Status.CONNECT_FAILED or time.monotonic() > end:
                raise
            time.sleep(0.5)


def answered(read, seconds=60):
    """What `read()` gives, again while a server refuses; the last refusal is raised."""
    end = time.monotonic() + seconds
    while True:
        try:
            return read()
        except MilvusException:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def client(server, database="default", token=""):
    name = database if database != "default" else ""
    return reaching(lambda: Client(uri=server.uri, token=token, db_name=name))


def plain(value):
    """Values that compare: floats of a vector as they are, containers as lists and dicts."""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "RepeatedScalarContainer":
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


def primary_field(c, collection):
    return next(f for f in c.describe_collection(collection)["fields"] if f.get("is_primary"))


def rows(c, collection, partitions=None, expression=""):
    """All rows by key, read in ranges of the key so that no page is cut short. Fails on a key that comes twice."""
    key = primary_field(c, collection)
    found = {}
    is_text = key["type"] == DataType.VARCHAR
    last = None
    # The client sends no consistency level with an iterator; a strong read before it brings the server up to now.
    count(c, collection)
    while True:
        bound = "" if last is None else f"{key['name']} > {json.dumps(last, ensure_ascii=False) if is_text else last}"
        text = " and ".join(f"({e})" for e in (expression, bound) if e)
        page = c.query(collection, filter=text, output_fields=["*"], limit=PAGE, partition_names=partitions,
                       iterator="True", reduce_stop_for_best="True")
        if not page:
            return found
        for row in page:
            row = plain(dict(row))
            if isinstance(row.get("$meta"), dict):
                row.update(row.pop("$meta"))
            assert row[key["name"]] not in found, f"key {row[key['name']]!r} came twice"
            found[row[key["name"]]] = row
        last = max(row[key["name"]] for row in page) if not is_text else max(
            (row[key["name"]] for row in page), key=lambda k: k.encode())


def count(c, collection):
    return c.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]


def fields(c, collection):
    """The schema as far as every server keeps it."""
    description = c.describe_collection(collection)
    shape = {}
    for f in description["fields"]:
        parameters = {k: v for k, v in f.get("params", {}).items() if k in ("dim", "max_length", "max_capacity")}
        if f["type"] == DataType.ARRAY:
            parameters.pop("max_length", None)  # Lite forgets it.
        shape[f["name"]] = (DataType(f["type"]).name, {k: int(v) for k, v in parameters.items()}, bool(f.get("is_primary")),
                            bool(f.get("is_partition_key")), DataType(f["element_type"]).name if f.get("element_type") else None)
    return shape, bool(description.get("enable_dynamic_field"))


def indexes(c, collection):
    found = {}
    for name in c.list_indexes(collection):
        d = c.describe_index(collection, name)
        if d is None:  # Dropped since it was listed.
            continue
        found[d["field_name"]] = (d["index_type"], d.get("metric_type"))
    return found


def partitions(c, collection):
    """The partitions that a user made; those of a partition key are the server's own, each server names them in its way."""
    names = c.list_partitions(collection)
    return [] if any(p.startswith(("_default_", "_pk_")) for p in names) else sorted(names)


def is_loaded(c, collection):
    return str(c.get_load_state(collection)["state"]).rpartition(".")[2].rpartition(": ")[2].rstrip(">").lower() == "loaded"


def key_filter(name, keys):
    """`name in [...]`, with text keys escaped as every server reads them; the official client does not escape."""
    def literal(key):
        if not isinstance(key, str):
            return str(key)
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            key = key.replace(plain, escaped)
        return f'"{key}"'
    return f"{name} in [{', '.join(map(literal, keys))}]"


def difference(source, target, collection, other=None, per_partition=False):
    """None when the collection is the same on both sides; else what differs, with a few examples."""
    other = other or collection
    if not source.has_collection(collection):
        return None if not target.has_collection(other) else f"{other} is still on the target"
    if not target.has_collection(other):
        return f"{other} is not on the target"
    if fields(source, collection) != fields(target, other):
        return f"schema: {fields(source, collection)} / {fields(target, other)}"
    if partitions(source, collection) != partitions(target, other):
        return f"partitions: {partitions(source, collection)} / {partitions(target, other)}"
    for names in [[p] for p in partitions(source, collection)] if per_partition else [None]:
        ours, theirs = rows(source, collection, names), rows(target, other, names)
        if ours.keys() != theirs.keys():
            missing, extra = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
            return f"rows {names or ''}: {len(missing)} missing {missing[:3]}, {len(extra)} too many {extra[:3]} of {len(ours)}"
        for key, row in ours.items():
            if row != theirs[key]:
                return f"row {key!r} {names or ''}: {row} / {theirs[key]}"
    return None


def wait_same(source, target, collection, other=None, seconds=60, per_partition=False):
    def same():
        try:
            found = difference(source, target, collection, other, per_partition)
        except Exception as error:  # A collection that is being made answers anything for a moment.
            found = f"{type(error).__name__}: {error}"
        assert found is None, found
        return True

    wait_until(same, seconds, 0.3, f"{collection} is the same on both sides")


# --- making contents

def schema(*columns, dynamic=False, auto_id=False):
    """`("id", DataType.INT64, {"is_primary": True})` and so on."""
    s = MilvusClient.create_schema(auto_id=auto_id, enable_dynamic_field=dynamic)
    for name, kind, options in columns:
        s.add_field(field_name=name, datatype=kind, **options)
    return s


def simple_schema(dim=8, **options):
    return schema(("id", DataType.INT64, {"is_primary": True}), ("n", DataType.INT64, {}),
                  ("vector", DataType.FLOAT_VECTOR, {"dim": dim}), **options)


def make(c, name, collection_schema=None, index=True, load=True, vector="vector", **options):
    # Reads by the collection's own level then see everything that was written before.
    c.create_collection(name, schema=collection_schema or simple_schema(), **{"consistency_level": "Strong", **options})
    if index:
        add_index(c, name, vector)
    if load:
        c.load_collection(name)


def add_index(c, name, field="vector", index_type="IVF_FLAT", metric="L2", **params):
    p = c.prepare_index_params()
    p.add_index(field_name=field, index_type=index_type, metric_type=metric, params=params or {"nlist": 16})
    c.create_index(name, p)


def vector(generator, dim=8):
    # Values that a float32 holds exactly: what is read back is what was written.
    return [generator.randrange(-4096, 4096) / 64 for _ in range(dim)]


def simple_rows(first, count_, generator=None, dim=8, n=None):
    generator = generator or random.Random(first)
    return [{"id": i, "n": i * 10 if n is None else n, "vector": vector(generator, dim)} for i in range(first, first + count_)]


def wipe(server, token=""):
    """Leaves nothing on a server that belongs to these tests alone."""
    c = client(server, token=token)
    for database in reaching(c.list_databases):
        d = client(server, database, token=token)
        for collection in d.list_collections():
            for alias in d.list_aliases(collection, db_name=database).get("aliases", []):
                d.drop_alias(alias, db_name=database)
            d.drop_collection(collection)
        d.close()
        if database != "default":
            c.drop_database(database)
    c.close()
