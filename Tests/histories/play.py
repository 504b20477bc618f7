"""One history end to end: source → proxy → bridge → proxy → target, with kills and cuts, and what stands at the end.

| Route       | Source      | Target       | How                                |
|-------------|-------------|--------------|------------------------------------|
| lite        | sandbox     | Milvus Lite  | its log is followed (capture wal)  |
| milvus      | sandbox     | Milvus 2.3.5 | the same                           |
| native      | sandbox     | sandbox      | made a standby (apply native)      |
| from-milvus | Milvus 2.3.5| Milvus Lite  | compared again and again (capture reconcile) |
| from-lite   | Milvus Lite | Milvus 2.3.5 | the same                           |

    Tests/histories/play.py --seed 17 --route lite         one history
    Tests/histories/play.py --count 0                      until stopped, all routes in turn, seeds from --seed on
"""

import argparse
import collections
import contextlib
import logging
import pathlib
import random
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import lib  # noqa: E402
from history import History  # noqa: E402
from proxy import CuttingProxy  # noqa: E402

# The client prints every refusal with its trace; refusals are counted here.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

Route = collections.namedtuple("Route", "source target operations")
# None: a sandbox, which each history has to itself.
ROUTES = {
    "lite": Route(None, lib.servers.LiteServer, 600),
    "milvus": Route(None, lib.servers.MilvusServer, 200),
    "native": Route(None, None, 600),
    "from-milvus": Route(lib.servers.MilvusServer, lib.servers.LiteServer, 200),
    "from-lite": Route(lib.servers.LiteServer, lib.servers.MilvusServer, 200),
}
LOGS = ["woodpecker", "rocksmq", "kafka", "pulsar"]
PATIENCE = 240


class Trouble(threading.Thread):
    """Kills the bridge and cuts connections at random instants until stopped.

    A bridge dies with the thread that started it (the kernel's parent-death signal goes by threads): this one lives on until `close`.
    """

    def __init__(self, seed, bridge, proxies, lines):
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.bridge, self.proxies, self.lines = bridge, proxies, lines
        self.over, self.quiet, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.kills = 0
        self.error = None

    def run(self):
        g, bag = self.random, []
        try:
            while not self.over.wait(g.choice([g.uniform(0.05, 0.3), g.uniform(0.3, 1.5), g.uniform(1, 3)])):
                # Of each as many as of the others, in any order.
                if not bag:
                    bag = g.sample(["kill", "kill", "cut", "cut", "refuse"], 5)
                what = bag.pop()
                if what == "kill":
                    self.bridge.kill()
                    self.kills += 1
                    self.over.wait(g.choice([0, g.uniform(0, 0.5)]))
                    self.bridge.start()
                elif what == "cut":
                    g.choice(self.proxies).cut()
                else:
                    proxy = g.choice(self.proxies)
                    proxy.refuses = True
                    proxy.cut()
                    self.over.wait(g.uniform(0.05, 1))
                    proxy.refuses = False
                self.lines(what)
        except Exception as error:
            self.error = error
        finally:
            for proxy in self.proxies:
                proxy.refuses = False
            self.quiet.set()
            self.closed.wait()

    def close(self):
        self.over.set()
        self.closed.set()
        self.join()

    def stop(self):
        self.over.set()
        self.quiet.wait()
        if self.error:
            raise self.error


def start(route, directory, stack):
    """The real servers of a route, as (source, target); they serve many histories."""
    kinds = {"source": ROUTES[route].source, "target": ROUTES[route].target}
    return [kind and stack.enter_context(kind(pathlib.Path(directory) / side)) for side, kind in kinds.items()]


def play(seed, route, servers, directory, operations=None):
    """Plays history `seed` over a route; a sentence with counts. `servers` are what `start` gave; they are emptied first.

    A standby has to have as many pchannels as its source, so sandboxes belong to one history. Raises AssertionError when the sides differ.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    operations = operations or ROUTES[route].operations
    generator = random.Random(seed)
    began = time.monotonic()
    for server in filter(None, servers):
        lib.wipe(server)
    journal = open(directory / "history.log", "w", buffering=1)

    def line(text):
        journal.write(f"{time.time():.3f} {text}\n")

    with contextlib.ExitStack() as stack:
        stack.callback(journal.close)
        pchannels, log = generator.choice([1, 2, 3]), generator.choice(LOGS)
        source, target = servers
        options = {"capture": "reconcile"}
        if source is None:
            source = stack.enter_context(lib.servers.SandboxServer(
                directory / "source", "--cluster-id", "src", "--pchannels", pchannels, "--wal", log, "--seed", seed))
            options = {"capture": "wal"}
        if target is None:
            # The ids of the two logs need not be of one kind.
            target = stack.enter_context(lib.servers.SandboxServer(
                directory / "target", "--cluster-id", "dst", "--pchannels", pchannels, "--wal", random.Random(f"target {seed}").choice(LOGS)))
            options = {"apply": "native"}
        proxies = [CuttingProxy(source), CuttingProxy(target)]
        for proxy in proxies:
            stack.callback(proxy.close)
        history = History(source, seed, log=line)
        # The first part stands before the task begins and is copied, while the second part is written.
        before = generator.choice([0, operations // 10, operations // 4])
        for _ in range(before):
            history.step()
        bridge = lib.Bridge(directory / "bridge", proxies[0].uri)
        stack.callback(lambda: bridge.process and bridge.process.poll() is None and bridge.kill())
        bridge.start()
        task = bridge.create(proxies[1], db_collections={"*": [{"name": "*"}]}, **options)
        trouble = Trouble(seed + 1, bridge, proxies, line)
        stack.callback(trouble.close)
        trouble.start()
        try:
            for _ in range(operations - before):
                history.step()
                # Sometimes as fast as it goes, sometimes with pauses in which everything arrives.
                time.sleep(generator.choice([0, 0, 0, 0.01, 0.02, generator.uniform(0, 0.2)]))
            history.finish()
            line("written")
            written = time.monotonic()
            time.sleep(generator.uniform(0, 3))
        finally:
            trouble.stop()
        # A log's ticks may lie a little behind the clock.
        stopped_at = int(time.time() * 1000) + 1000
        wait_caught_up(bridge, task, stopped_at)
        caught = time.monotonic() - written
        judge(source, target)
        assert bridge.task(task)["state"] == "Running"
    refused = sum(history.refused.values())
    done = sum(history.counts.values())
    # Real servers refuse some writes right after names were exchanged.
    assert refused <= done // (20 if servers[0] is None else 3), f"the source refused {refused} of {done + refused} operations: {history.refused}"
    rows = sum(len(c.homes) for c in history.collections())
    return (f"{done} operations ({', '.join(f'{n} {k}' for k, n in sorted(history.counts.items()))}; {refused} refused), "
            f"{trouble.kills} kills, {sum(p.cuts for p in proxies)} cuts, {len(history.collections())} collections with {rows} rows; "
            f"caught up {caught:.1f} s after the last write, {time.monotonic() - began:.1f} s in all")


def wait_caught_up(bridge, task, stopped_at):
    def is_there():
        if bridge.process.poll() is not None:
            raise RuntimeError(f"the bridge ended with {bridge.process.returncode}:\n{lib.servers.tail(bridge.log)}")
        answer = bridge.call("progress", task_id=task, writes_stopped_at=stopped_at)
        waiting = [c for c in answer["collections"] if not c["caught_up"]]
        rest = {key: value for key, value in answer.items() if key != "collections"}
        assert answer["can_cut_over"], lib.json.dumps(rest | {"waiting": waiting})[:3000]
        return True

    lib.wait_until(is_there, PATIENCE, 0.2, "everything that was written is on the target")


def judge(source, target):
    """Through the official client alone, and by `compare`. A refusal says nothing of the rows: 2.3.5 calls a collection that was released
    and loaded again at once not loaded for a while. What is read is judged at once."""
    s, t = lib.client(source), lib.client(target)
    assert sorted(s.list_databases()) == sorted(t.list_databases())
    wrong = []
    for database in s.list_databases():
        sd, td = lib.client(source, database), lib.client(target, database)
        names = sorted(sd.list_collections())
        if names != sorted(td.list_collections()):
            wrong.append(f"{database}: collections {names} / {sorted(td.list_collections())}")
            continue
        for name in names:
            if found := lib.answered(lambda: difference(sd, td, database, name)):
                wrong.append(f"{database}.{name}: {found}")
    answer = lib.run("compare", "--source-uri", source.uri, "--target-uri", target.uri, "--database", "*")
    if answer.returncode != 0:
        wrong.append(f"compare ended with {answer.returncode}: {answer.stdout}{answer.stderr}")
    assert not wrong, "\n".join(wrong)


def difference(source, target, database, name):
    """`lib.difference`, and how load states, the number of rows, indexes and aliases differ."""
    if lib.is_loaded(source, name) != lib.is_loaded(target, name):
        return f"loaded {lib.is_loaded(source, name)} / {lib.is_loaded(target, name)}"
    per_partition = not any(f.get("is_partition_key") for f in source.describe_collection(name)["fields"])
    if found := lib.difference(source, target, name, per_partition=per_partition):
        return found
    # What is read has every key once; the count has not.
    if (count := lib.count(target, name)) != (keys := len(lib.rows(target, name))):
        return f"{count} rows for {keys} keys"
    for what, read in (("indexes", lib.indexes), ("aliases", lambda c, name: aliases(c, name, database))):
        ours, theirs = read(source, name), read(target, name)
        if ours != theirs:
            return f"{what} {ours} / {theirs}"
    return None


def aliases(c, name, database):
    return sorted(c.list_aliases(name, db_name=database).get("aliases", []))


def main():
    parser = argparse.ArgumentParser(description="Random histories between sandboxes and real servers, with kills and cuts.")
    parser.add_argument("--seed", type=int, default=lib.SEED, help="the first history's; the others follow it")
    parser.add_argument("--count", type=int, default=2, help="histories for each route; 0: until stopped or one fails")
    parser.add_argument("--route", choices=list(ROUTES), action="append", help="default: all")
    parser.add_argument("--operations", type=int, help="operations of each history")
    parser.add_argument("--keep", type=pathlib.Path, help="leave logs in this directory")
    options = parser.parse_args()
    routes = options.route or list(ROUTES)
    failed = played = 0
    with contextlib.ExitStack() as stack:
        directory = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = {route: start(route, directory / route, stack) for route in routes}
        seed = options.seed
        while options.count == 0 or seed < options.seed + options.count:
            for route in routes:
                played += 1
                try:
                    print(f"seed {seed}, {route}: ", end="", flush=True)
                    print(play(seed, route, started[route], directory / f"{route}-{seed}", options.operations), flush=True)
                except Exception as error:
                    failed += 1
                    if not isinstance(error, AssertionError):
                        traceback.print_exc()
                    again = f" --operations {options.operations}" if options.operations else ""
                    print(f"FAILED: {type(error).__name__}: {error}\n  again: {sys.argv[0]} --seed {seed} --count 1 --route {route}{again}",
                          flush=True)
                    if options.count == 0:
                        return 1
            seed += 1
    print(f"{played - failed} of {played} histories passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
