"""Random operations on a source, by seed: what a team's programs do to a cluster, all at once and in any order.

The driver knows only what it needs to choose sensible operations (names, keys, partitions); it is not what the target is judged by.
"""

import random

from pymilvus import DataType
from pymilvus.client.cache import GlobalCache
from pymilvus.exceptions import MilvusException

import lib

TEXTS = ["", "a", 'quote " and \' and \\', "line\nbreak\ttab", "Grüße 你好 🎬", "{%`/}", "x" * 300]
KEY = ("key", DataType.INT64, {"is_primary": True})


def _vector(dim):
    return ("vector", DataType.FLOAT_VECTOR, {"dim": dim})


# Shapes that every server in the tests can hold; a re-creation takes another one.
SHAPES = {
    "plain": lambda: lib.schema(KEY, ("n", DataType.INT64, {}), _vector(8)),
    "dynamic": lambda: lib.schema(KEY, ("n", DataType.INT64, {}), _vector(4), dynamic=True),
    "text_key": lambda: lib.schema(
        ("key", DataType.VARCHAR, {"is_primary": True, "max_length": 64}), ("text", DataType.VARCHAR, {"max_length": 1000}),
        ("doc", DataType.JSON, {}), _vector(4)),
    "typed": lambda: lib.schema(
        KEY, ("flag", DataType.BOOL, {}), ("small", DataType.INT8, {}), ("real", DataType.DOUBLE, {}),
        ("words", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 8, "max_length": 400}), _vector(6)),
    "partition_key": lambda: lib.schema(
        KEY, ("tenant", DataType.VARCHAR, {"max_length": 400, "is_partition_key": True}), ("n", DataType.INT64, {}), _vector(4)),
    "generated": lambda: lib.schema(
        ("key", DataType.INT64, {"is_primary": True, "auto_id": True}), ("n", DataType.INT64, {}), _vector(4)),
}
DIMENSIONS = {"plain": 8, "dynamic": 4, "text_key": 4, "typed": 6, "partition_key": 4, "generated": 4}
DEFAULT = "_default"


class Collection:
    def __init__(self, database, name, shape):
        self.database, self.name, self.shape = database, name, shape
        self.partitions = [DEFAULT]
        self.homes = {}  # key → the partition it is in: a key that is in two of them is two rows for Milvus
        self.aliases = set()
        self.has_index = False
        self.loaded = set()

    @property
    def has_own_partitions(self):
        return self.shape != "partition_key"

    def __str__(self):
        return f"{self.database}.{self.name}({self.shape})"


class History:
    """A source and what was done to it. `step` makes one operation; `finish` leaves everything readable."""

    OPERATIONS = {
        "insert": 30, "upsert": 18, "delete": 16, "batch": 4, "create": 5, "drop": 2, "rename": 3, "swap": 1, "move": 1, "recreate": 2,
        "truncate": 1, "create_partition": 4, "drop_partition": 2, "create_alias": 3, "alter_alias": 3, "drop_alias": 2,
        "alter": 2, "drop_index": 1, "release": 1, "load": 3, "load_partition": 1, "create_database": 1, "drop_database": 1, "flush": 1,
    }

    # What real servers lack. 2.3.5 puts upserted rows of a collection with a partition key where a filter on it does not look. A truncate that
    # Lite refuses half way ("Directory not empty") leaves a collection that it does not list and still describes, whatever is done to it then.
    LACKS = {"Milvus 2.3.5": {"truncate", "upsert by partition key"}, "Milvus Lite 3.2.2": {"truncate", "move", "load_partition", "release_partitions"}}

    def __init__(self, source, seed, databases=3, names=4, log=None):
        self.source = source
        self.lacks = self.LACKS.get(source.name, set())
        self.random = random.Random(seed)
        self.names = [f"c{n}" for n in range(names)]
        self.database_names = ["default"] + [f"d{n}" for n in range(1, databases)]
        self.databases = {"default": {}}
        self.clients = {}
        self.next_key = 0
        self.counts, self.refused = {}, {}
        self.log = log

    def client(self, database):
        if database not in self.clients:
            self.clients[database] = lib.client(self.source, database)
        return self.clients[database]

    def collections(self, where=lambda _: True):
        return [c for d in self.databases.values() for c in d.values() if where(c)]

    def step(self):
        """One operation that can be done now; its name."""
        while True:
            name = self.random.choices(list(self.OPERATIONS), self.OPERATIONS.values())[0]
            if name in self.lacks:
                continue
            # The client keeps the schema of a name that has another one now, and 2.3.5 refuses the rows that it makes of it.
            GlobalCache.schema.clear()
            try:
                done = getattr(self, "_" + name)()
            except MilvusException as error:
                # What the source refuses did not happen. The play says how often; a driver that is refused much is at fault itself.
                self.refused[name] = self.refused.get(name, 0) + 1
                self._note(f"{name} refused: {error}")
                return name
            if done:
                self.counts[name] = self.counts.get(name, 0) + 1
                self._note(f"{name} {done}")
                return name

    def finish(self):
        """Everything has an index and is loaded, so that both sides can be read."""
        for c in self.collections():
            self._index(c)
            self._make_loaded(c)
        for c in self.collections():
            client = self.client(c.database)
            lib.wait_until(lambda: lib.is_loaded(client, c.name), 120, 0.1, f"{c} is loaded")

    def _note(self, text):
        if self.log:
            self.log(text)

    def _pick(self, where=lambda _: True):
        found = self.collections(where)
        return self.random.choice(found) if found else None

    # --- rows

    def _keys(self, c, count):
        first, self.next_key = self.next_key, self.next_key + count
        if c.shape == "text_key":
            return [f"{TEXTS[n % 7][:20]}#{n}" for n in range(first, first + count)]
        return [n * 7 - 100_000 for n in range(first, first + count)]

    def _row(self, c, key):
        g = self.random
        row = {"key": key, "vector": lib.vector(g, DIMENSIONS[c.shape])}
        match c.shape:
            case "text_key":
                row |= {"text": g.choice(TEXTS), "doc": g.choice([{}, {"a": 1}, {"ü": [1, "x", None], "in": {"deep": {}}}])}
            case "typed":
                row |= {"flag": g.random() < 0.5, "small": g.randrange(-128, 128), "real": g.choice([0.0, 0.1, -1e308, g.random()]),
                        "words": g.sample(TEXTS, g.randrange(0, 4))}
            case "partition_key":
                # Changing it moves a row.
                row |= {"tenant": f"tenant {g.randrange(20)}", "n": g.randrange(1000)}
            case _:
                row["n"] = g.randrange(-(1 << 63), 1 << 63)
        if c.shape == "dynamic":
            row["extra"] = g.choice([1, "two", [3], {"four": 4}])
            if g.random() < 0.5:
                row[f"sometimes_{g.randrange(3)}"] = g.randrange(1000)
        return row

    def _size(self):
        return self.random.choice([1, 1, 2, 5, 20, 60])

    def _insert(self, c=None):
        c = c or self._pick()
        if not c:
            return None
        client, count = self.client(c.database), self._size()
        partition = self.random.choice(c.partitions) if c.has_own_partitions else None
        where = {"partition_name": partition} if partition else {}
        if c.shape == "generated":
            rows = [self._row(c, 0) for _ in range(count)]
            for row in rows:
                del row["key"]
            keys = client.insert(c.name, rows, **where)["ids"]
        else:
            keys = self._keys(c, count)
            client.insert(c.name, [self._row(c, key) for key in keys], **where)
        c.homes |= dict.fromkeys(keys, partition)
        return f"{c} {count} into {partition}"

    def _some(self, c, partition):
        keys = [key for key, home in c.homes.items() if home == partition]
        return self.random.sample(keys, min(len(keys), self._size()))

    def _upsert(self, c=None):
        c = c or self._pick(lambda c: c.homes and self._takes_upserts(c))
        if not c or not self._takes_upserts(c):
            return None
        partition = self.random.choice(c.partitions) if c.has_own_partitions else None
        keys = self._some(c, partition) + (self._keys(c, self.random.randrange(3)) if self.random.random() < 0.4 else [])
        if not keys:
            return None
        where = {"partition_name": partition} if partition else {}
        self.client(c.database).upsert(c.name, [self._row(c, key) for key in keys], **where)
        c.homes |= dict.fromkeys(keys, partition)
        return f"{c} {len(keys)} into {partition}"

    def _takes_upserts(self, c):
        return c.shape != "generated" and not (c.shape == "partition_key" and "upsert by partition key" in self.lacks)

    def _delete(self, c=None):
        c = c or self._pick(lambda c: c.homes)
        if not c or not c.homes:
            return None
        partition = self.random.choice(c.partitions) if c.has_own_partitions else None
        keys = self._some(c, partition)
        if not keys:
            return None
        where = {"partition_name": partition} if partition and self.random.random() < 0.5 else {}
        self.client(c.database).delete(c.name, filter=lib.key_filter("key", keys), **where)
        for key in keys:
            del c.homes[key]
        return f"{c} {len(keys)} of {partition}"

    def _batch(self):
        """Many changes of one collection without a pause, of the same keys too."""
        c = self._pick()
        if not c:
            return None
        count = self.random.randrange(5, 20)
        for _ in range(count):
            getattr(self, self.random.choice(["_insert", "_upsert", "_upsert", "_delete", "_delete"]))(c)
        return f"{c} {count}"

    def _flush(self):
        c = self._pick()
        if c:
            self.client(c.database).flush(c.name)
        return c and str(c)

    # --- collections

    def _free(self):
        found = [(d, n) for d, there in self.databases.items() for n in self.names
                 if n not in there and n not in {a for c in there.values() for a in c.aliases}]
        return self.random.choice(found) if found else None

    def _create(self, place=None, shape=None):
        place = place or self._free()
        if not place:
            return None
        c = Collection(*place, shape or self.random.choice(list(SHAPES)))
        options = {"num_partitions": 8} if c.shape == "partition_key" else {}
        self.client(c.database).create_collection(
            c.name, schema=SHAPES[c.shape](), consistency_level="Strong", num_shards=self.random.randrange(1, 4), **options)
        self.databases[c.database][c.name] = c
        if self.random.random() < 0.5:
            self._insert(c)
        if self.random.random() < 0.8:
            self._index(c)
            if self.random.random() < 0.8:
                self._make_loaded(c)
        return str(c)

    def _drop(self, c=None):
        c = c or self._pick()
        if not c or len(self.collections()) == 1:
            return None
        for alias in sorted(c.aliases):
            self.client(c.database).drop_alias(alias)
            c.aliases.remove(alias)
        self.client(c.database).drop_collection(c.name)
        del self.databases[c.database][c.name]
        return str(c)

    def _recreate(self):
        """Dropped, and made again at once under the same name with another schema."""
        c = self._pick()
        if not c or not self._drop(c):
            return None
        shape = self.random.choice([s for s in SHAPES if s != c.shape])
        made = self._create((c.database, c.name), shape)
        self._insert(self.databases[c.database][c.name])
        return f"{c} as {made}"

    def _rename(self, c=None, to=None):
        c = c or self._pick()
        place = self._free()
        if not c or not place:
            return None
        to = to or (place[1] if place[0] == c.database else f"r{self.random.randrange(1000)}")
        there = self.databases[c.database]
        if to in there or to in {a for other in there.values() for a in other.aliases}:
            return None
        self.client(c.database).rename_collection(c.name, to)
        old = str(c)
        del there[c.name]
        c.name = to
        there[to] = c
        return f"{old} to {to}"

    def _swap(self):
        """Two collections exchange their names, with rows under way."""
        a = self._pick(lambda c: len(self.databases[c.database]) > 1)
        if not a:
            return None
        b = self.random.choice([c for c in self.databases[a.database].values() if c is not a])
        names = a.name, b.name
        for c, to in ((a, "swapping"), (b, names[0]), (a, names[1])):
            if self.random.random() < 0.7:
                self._insert(c)
            if not self._rename(c, to):
                return None
        self._insert(a)
        self._insert(b)
        return f"{a} and {b}"

    def _move(self):
        """To another database."""
        c = self._pick(lambda c: not c.aliases)
        places = [d for d in self.databases if c and d != c.database and c.name not in self.databases[d]
                  and c.name not in {a for o in self.databases[d].values() for a in o.aliases}]
        if not places:
            return None
        to, old = self.random.choice(places), str(c)
        self.client(c.database).rename_collection(c.name, c.name, target_db=to)
        del self.databases[c.database][c.name]
        c.database = to
        self.databases[to][c.name] = c
        return f"{old} to {to}"

    def _truncate(self):
        c = self._pick(lambda c: c.homes)
        if not c:
            return None
        self.client(c.database).truncate_collection(c.name)
        c.homes = {}
        if self.random.random() < 0.7:
            self._insert(c)
        return str(c)

    def _alter(self):
        c = self._pick()
        if not c:
            return None
        # Far beyond the test's end: rows that expire would do so on each side at its own time.
        seconds = self.random.randrange(1_000_000, 9_000_000)
        self.client(c.database).alter_collection_properties(c.name, properties={"collection.ttl.seconds": str(seconds)})
        return f"{c} {seconds}"

    # --- partitions, aliases, databases

    def _create_partition(self):
        c = self._pick(lambda c: c.has_own_partitions and len(c.partitions) < 6)
        if not c:
            return None
        # A dropped one comes back under its name.
        name = self.random.choice([n for n in (f"p{n}" for n in range(6)) if n not in c.partitions])
        self.client(c.database).create_partition(c.name, name)
        c.partitions.append(name)
        if c.loaded:
            c.loaded.add(name)
        return f"{c} {name}"

    def _drop_partition(self):
        c = self._pick(lambda c: len(c.partitions) > 1)
        if not c:
            return None
        name = self.random.choice(c.partitions[1:])
        client = self.client(c.database)
        if name in c.loaded:
            if self.random.random() < 0.5 or c.loaded == {name} or "release_partitions" in self.lacks:
                client.release_collection(c.name)
                c.loaded = set()
            else:
                client.release_partitions(c.name, [name])
                c.loaded.discard(name)
        client.drop_partition(c.name, name)
        c.partitions.remove(name)
        c.homes = {key: home for key, home in c.homes.items() if home != name}
        if not c.loaded and c.has_index and self.random.random() < 0.7:
            self._make_loaded(c)
        return f"{c} {name}"

    def _create_alias(self):
        c = self._pick()
        if not c:
            return None
        name = self.random.choice([f"a{n}" for n in range(4)])
        if any(name in other.aliases for other in self.databases[c.database].values()):
            return None
        self.client(c.database).create_alias(c.name, name)
        c.aliases.add(name)
        return f"{c} {name}"

    def _alter_alias(self):
        c = self._pick(lambda c: c.aliases)
        if not c:
            return None
        other = self.random.choice(list(self.databases[c.database].values()))
        name = self.random.choice(sorted(c.aliases))
        self.client(c.database).alter_alias(other.name, name)
        c.aliases.remove(name)
        other.aliases.add(name)
        return f"{name} from {c} to {other}"

    def _drop_alias(self):
        c = self._pick(lambda c: c.aliases)
        if not c:
            return None
        name = self.random.choice(sorted(c.aliases))
        self.client(c.database).drop_alias(name)
        c.aliases.remove(name)
        return f"{c} {name}"

    def _create_database(self):
        free = [d for d in self.database_names if d not in self.databases]
        if not free:
            return None
        self.client("default").create_database(free[0])
        self.databases[free[0]] = {}
        return free[0]

    def _drop_database(self):
        empty = [d for d, there in self.databases.items() if not there and d != "default"]
        if not empty:
            return None
        self.clients.pop(empty[0], None)
        self.client("default").drop_database(empty[0])
        del self.databases[empty[0]]
        return empty[0]

    # --- indexes and load states

    def _index(self, c):
        if not c.has_index:
            lib.add_index(self.client(c.database), c.name, "vector", self.random.choice(["IVF_FLAT", "FLAT", "HNSW"]),
                          self.random.choice(["L2", "IP"]), **{"M": 8, "efConstruction": 64, "nlist": 16})
            c.has_index = True

    def _make_loaded(self, c):
        self.client(c.database).load_collection(c.name)
        c.loaded = set(c.partitions)

    def _load(self):
        c = self._pick(lambda c: c.loaded != set(c.partitions))
        if not c:
            return None
        self._index(c)
        self._make_loaded(c)
        return str(c)

    def _release(self):
        c = self._pick(lambda c: c.loaded)
        if not c:
            return None
        self.client(c.database).release_collection(c.name)
        c.loaded = set()
        return str(c)

    def _load_partition(self):
        c = self._pick(lambda c: c.has_index and c.has_own_partitions and len(c.partitions) > 1 and not c.loaded)
        if not c:
            return None
        name = self.random.choice(c.partitions)
        self.client(c.database).load_partitions(c.name, [name])
        c.loaded = {name}
        return f"{c} {name}"

    def _drop_index(self):
        c = self._pick(lambda c: c.has_index)
        if not c:
            return None
        client = self.client(c.database)
        client.release_collection(c.name)
        c.loaded = set()
        client.drop_index(c.name, "vector")
        c.has_index = False
        if self.random.random() < 0.7:
            self._index(c)
            self._make_loaded(c)
        return str(c)
