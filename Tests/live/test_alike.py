"""One scripted session of the official client on Milvus 2.3.5, on Lite and on the sandbox, compared step by step.

Each step gives what a reader sees: values, or how it was refused, by the client's exception and the server's code. Where the two real servers
differ, `REAL` says in what; the sandbox is then like Milvus. Where the sandbox differs from Milvus 2.3.5, it is like newer Milvus, and `NEWER`
says in what. What stands in neither table must be the same on all three, but for the codes of Lite, which are its own.
"""

import random

from pymilvus import DataType, MilvusException

import lib

# Steps in which Lite differs from Milvus, other than in the code of a refusal.
REAL = {
    "create it again": "Lite refuses the same collection again",
    "a name that is none": "Lite takes any name",
    "load without an index": "Lite searches without an index, and its collections are loaded from their creation on",
    "query before load": "as above",
    "not loaded": "as above",
    "index of an unknown type": "Lite learns of a wrong type when it loads",
    "index again": "Lite refuses the same index again",
    "create partition again": "Lite refuses the same partition again",
    "query a missing partition": "Lite finds nothing there",
    "rows of a partition after deletes": "Lite deletes a key in every partition, whichever the request names",
    "drop a loaded partition": "Lite drops it",
    "create alias again": "Lite refuses the same alias again",
    "drop by alias": "Lite takes the alias for its collection",
    "drop a missing database": "Lite refuses it",
}
# Steps in which the sandbox is like Milvus from 2.6 on: another code, or a refusal that 2.3.5 does not know.
NEWER = {
    "index of a missing field": "MilvusException 1100",
    "index of an unknown type": "MilvusException 1100",
    "a vector of another dimension": "MilvusException 1100",
    "a filter that is none": "MilvusException 1100",
    "a filter of a missing type": "MilvusException 1100",
    "query a missing partition": "MilvusException 200",
    "a collection of an alias's name": "MilvusException 1601",
    "drop a missing database": "MilvusException 800",
}


class Script:
    """Runs steps on one server and writes down what each gave."""

    def __init__(self, server):
        self.server = server
        self.c = lib.client(server)
        self.seen = {}

    def __call__(self, name, step):
        assert name not in self.seen, name
        try:
            found = lib.plain(step())
        except MilvusException as error:
            found = f"{type(error).__name__} {error.code}"
        self.seen[name] = found
        return found

    def rows(self, name, collection, expression="", partitions=None):
        self(name, lambda: sorted((k, sorted(row.items())) for k, row in lib.rows(self.c, collection, partitions, expression).items()))


def deleted(answer):
    """How many; some servers name the keys, and the client then gives these."""
    return len(answer) if isinstance(answer, list) else answer["delete_count"]


def films():
    return lib.schema(
        ("id", DataType.INT64, {"is_primary": True}), ("title", DataType.VARCHAR, {"max_length": 60}), ("year", DataType.INT16, {}),
        ("score", DataType.DOUBLE, {}), ("rated", DataType.FLOAT, {}), ("good", DataType.BOOL, {}), ("tiny", DataType.INT8, {}),
        ("count", DataType.INT32, {}), ("meta", DataType.JSON, {}),
        ("tags", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 4, "max_length": 20}),
        ("vector", DataType.FLOAT_VECTOR, {"dim": 8}), dynamic=True)


def film(generator, n):
    row = {"id": n, "title": f"Grüße {n}", "year": n % 2000, "score": n / 8, "rated": n / 4, "good": n % 3 == 0, "tiny": n % 100 - 50, "count": -n,
           "meta": {"a": n, "b": [n, "x"]}, "tags": [f"t{i}" for i in range(n % 4)], "vector": lib.vector(generator)}
    return row | ({"extra": n * 2} if n % 2 else {})


def script(server):
    s = Script(server)
    c, generator = s.c, random.Random(20)
    # Nothing there.
    s("collections of an empty server", c.list_collections)
    s("describe a missing collection", lambda: c.describe_collection("nothing"))
    s("has a missing collection", lambda: c.has_collection("nothing"))
    s("drop a missing collection", lambda: c.drop_collection("nothing"))
    s("load a missing collection", lambda: c.load_collection("nothing"))
    s("insert into a missing collection", lambda: c.insert("nothing", lib.simple_rows(1, 1)))
    s("query a missing collection", lambda: c.query("nothing", filter="id in [1]"))
    s("delete from a missing collection", lambda: c.delete("nothing", filter="id in [1]"))
    s("partition of a missing collection", lambda: c.create_partition("nothing", "p"))
    s("alias of a missing collection", lambda: c.create_alias("nothing", "al"))
    s("rename a missing collection", lambda: c.rename_collection("nothing", "something"))

    # A collection of several types.
    s("create", lambda: c.create_collection("films", schema=films(), consistency_level="Strong"))
    s("create it again", lambda: c.create_collection("films", schema=films(), consistency_level="Strong"))
    s("create another of its name", lambda: c.create_collection("films", schema=lib.simple_schema(dim=4)))
    s("a name that is none", lambda: c.create_collection("no-name!", schema=lib.simple_schema()))
    if c.has_collection("films") and "no-name!" in c.list_collections():
        c.drop_collection("no-name!")
    s("a collection without a key", lambda: c.create_collection("keyless", schema=lib.schema(
        ("id", DataType.INT64, {}), ("vector", DataType.FLOAT_VECTOR, {"dim": 4}))))
    s("collections", c.list_collections)
    s("schema", lambda: lib.fields(c, "films"))
    s("described", lambda: {k: c.describe_collection("films")[k] for k in ("collection_name", "auto_id", "enable_dynamic_field", "num_partitions")})

    # Index and load.
    s("load without an index", lambda: c.load_collection("films"))
    s("query before load", lambda: c.query("films", filter="id in [1]"))
    s("index of a missing field", lambda: lib.add_index(c, "films", "nothing"))
    s("index of an unknown type", lambda: lib.add_index(c, "films", index_type="NO_SUCH_INDEX"))
    if lib.indexes(c, "films"):
        c.release_collection("films")
        c.drop_index("films", "vector")
    s("index", lambda: lib.add_index(c, "films", index_type="HNSW", M=8, efConstruction=64))
    s("index again", lambda: lib.add_index(c, "films", index_type="HNSW", M=8, efConstruction=64))
    s("indexes", lambda: lib.indexes(c, "films"))
    s("not loaded", lambda: lib.is_loaded(c, "films"))
    s("load", lambda: c.load_collection("films"))
    s("loaded", lambda: lib.is_loaded(c, "films"))

    # Rows.
    films_ = [film(generator, n) for n in range(1, 61)]
    s("insert", lambda: c.insert("films", films_)["insert_count"])
    s("count", lambda: lib.count(c, "films"))
    s.rows("all rows", "films")
    s.rows("rows by key", "films", "id in [3, 5, 500]")
    s.rows("rows by a range", "films", "id > 10 and id <= 13")
    s.rows("rows by text", "films", 'title == "Grüße 7"')
    s.rows("rows by a dynamic field", "films", "extra == 22")
    s("get by key", lambda: sorted(r["id"] for r in c.get("films", ids=[7, 8, 5000])))
    s("some fields", lambda: sorted((r["id"], r["year"]) for r in c.query("films", filter="id in [1, 2]", output_fields=["id", "year"])))
    s("upsert", lambda: c.upsert("films", [film(generator, n) | {"title": "new"} for n in (60, 61, 62)])["upsert_count"])
    s.rows("upserted", "films", "id >= 59")
    s("delete by keys", lambda: deleted(c.delete("films", ids=[1, 2, 5000])))
    s("delete by a filter of keys", lambda: deleted(c.delete("films", filter="id in [10, 11]")))
    s("count after deletes", lambda: lib.count(c, "films"))
    s("insert nothing", lambda: c.insert("films", [])["insert_count"])
    s("a vector of another dimension", lambda: c.insert("films", [film(generator, 1) | {"vector": [1.0, 2.0]}]))
    s("a missing column", lambda: c.insert("films", [{"id": 1, "vector": [0.0] * 8}]))
    s("a text that is too long", lambda: c.insert("films", [film(generator, 1) | {"title": "x" * 61}]))
    s("a value of another type", lambda: c.insert("films", [film(generator, 1) | {"year": "text"}]))
    s("an array that is too long", lambda: c.insert("films", [film(generator, 1) | {"tags": ["t"] * 5}]))
    s("a filter that is none", lambda: c.query("films", filter="id <"))
    s("a filter of a missing type", lambda: c.query("films", filter='year == "text"'))
    s("an output field that is missing", lambda: c.query("films", filter="id in [3]", output_fields=["year", "id", "nothing"])[0].keys() and None)
    s("count after what was refused", lambda: lib.count(c, "films"))

    # Partitions.
    s("create partition", lambda: c.create_partition("films", "old"))
    s("create partition again", lambda: c.create_partition("films", "old"))
    s("partitions", lambda: sorted(c.list_partitions("films")))
    c.load_collection("films")
    s("insert into a partition", lambda: c.insert("films", [film(generator, n) for n in range(100, 110)], partition_name="old")["insert_count"])
    s("insert into a missing partition", lambda: c.insert("films", [film(generator, 1)], partition_name="nothing"))
    s("query a missing partition", lambda: c.query("films", filter="id in [3]", partition_names=["nothing"]))
    s.rows("rows of a partition", "films", partitions=["old"])
    s("delete in another partition", lambda: deleted(c.delete("films", ids=[101], partition_name="_default")))
    s("delete in its partition", lambda: deleted(c.delete("films", ids=[100], partition_name="old")))
    s.rows("rows of a partition after deletes", "films", partitions=["old"])
    s("drop a loaded partition", lambda: c.drop_partition("films", "old"))
    s("release", lambda: c.release_collection("films"))
    if "old" not in c.list_partitions("films"):
        c.create_partition("films", "old")
    s("drop a partition", lambda: c.drop_partition("films", "old"))
    s("drop the default partition", lambda: c.drop_partition("films", "_default"))
    s("partitions left", lambda: sorted(c.list_partitions("films")))

    # Aliases and names.
    s("create alias", lambda: c.create_alias("films", "al"))
    s("create alias again", lambda: c.create_alias("films", "al"))
    s("aliases", lambda: list(c.list_aliases("films")["aliases"]))
    s("described by its alias", lambda: c.describe_collection("al")["collection_name"])
    c.create_collection("other", schema=lib.simple_schema())
    s("an alias of another", lambda: c.create_alias("other", "al"))
    s("alter alias", lambda: c.alter_alias("other", "al"))
    s("describe alias", lambda: c.describe_alias("al")["collection_name"])
    s("describe a missing alias", lambda: c.describe_alias("nothing"))
    s("a collection of an alias's name", lambda: c.create_collection("al", schema=lib.simple_schema()))
    c.create_collection("third", schema=lib.simple_schema())
    c.create_alias("third", "al3")
    s("drop by alias", lambda: c.drop_collection("al3"))
    if c.has_collection("third"):
        c.drop_alias("al3")
        c.drop_collection("third")
    s("drop alias", lambda: c.drop_alias("al"))
    s("drop a missing alias", lambda: c.drop_alias("al"))
    s("rename", lambda: c.rename_collection("films", "movies"))
    s("renamed", lambda: sorted(c.list_collections()))
    s("by its old name", lambda: c.describe_collection("films"))
    s("load it again", lambda: c.load_collection("movies"))
    s.rows("rows after all that", "movies", "id < 9")

    # Databases.
    s("create database", lambda: c.create_database("shop"))
    s("create database again", lambda: c.create_database("shop"))
    s("databases", lambda: sorted(c.list_databases()))
    d = lib.client(server, "shop")
    s("create in a database", lambda: d.create_collection("in_shop", schema=lib.simple_schema()))
    s("collections of each", lambda: (d.list_collections(), sorted(c.list_collections())))
    s("drop a database that is full", lambda: c.drop_database("shop"))
    s("drop in a database", lambda: d.drop_collection("in_shop"))
    s("drop database", lambda: c.drop_database("shop"))
    s("drop a missing database", lambda: c.drop_database("shop"))

    # The end.
    s("release again", lambda: c.release_collection("movies"))
    s("drop index", lambda: c.drop_index("movies", "vector"))
    s("no indexes", lambda: c.list_indexes("movies"))
    s("rename to a name that is taken", lambda: c.rename_collection("movies", "other"))
    s("collections after a rename to a name that is taken", lambda: sorted(c.list_collections()))
    s("drop", lambda: (c.drop_collection("movies"), c.drop_collection("other")))
    s("nothing is left", c.list_collections)
    d.close()
    c.close()
    return s.seen


def is_refusal(found):
    return isinstance(found, str) and "Exception " in found


def without_code(found):
    return found.rpartition(" ")[0] if is_refusal(found) else found


def test_one_session_reads_alike_everywhere(milvus, lite, sandbox):
    theirs, lites, ours = script(milvus), script(lite), script(sandbox)
    assert list(theirs) == list(lites) == list(ours) and len(theirs) >= 90
    wrong = []
    for step, found in theirs.items():
        if (without_code(lites[step]) == without_code(found)) == (step in REAL):
            wrong.append(f"{step}: Lite {lites[step]}, Milvus {found}")
        if ours[step] != NEWER.get(step, found) or (step in NEWER and found == NEWER[step]):
            wrong.append(f"{step}: the sandbox {ours[step]}, Milvus {found}")
    assert not wrong, "\n".join(w[:400] for w in wrong)
    assert set(REAL) <= set(theirs) and set(NEWER) <= set(theirs)
