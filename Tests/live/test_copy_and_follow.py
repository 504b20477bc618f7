"""One create, and the second server becomes and stays equal to the first: between two real servers, in both directions."""

import random

import pytest
from pymilvus import DataType

import lib

SCALARS = [
    ("flag", DataType.BOOL, {}), ("i8", DataType.INT8, {}), ("i16", DataType.INT16, {}), ("i32", DataType.INT32, {}),
    ("i64", DataType.INT64, {}), ("f32", DataType.FLOAT, {}), ("f64", DataType.DOUBLE, {}),
    ("text", DataType.VARCHAR, {"max_length": 1000}), ("doc", DataType.JSON, {}),
]
ELEMENTS = [DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.FLOAT, DataType.DOUBLE,
            DataType.VARCHAR]
TEXTS = ["", "a", 'quote " and \' and \\', "line\nbreak\ttab\r", "nul\0inside", "Grüße 你好 🎬", "\u2028{%`/}", "x" * 999]


def whole(generator, bits):
    edge = 1 << (bits - 1)
    return generator.choice([0, 1, -1, edge - 1, -edge, generator.randrange(-edge, edge)])


def scalar(generator, kind):
    if kind == DataType.BOOL:
        return generator.random() < 0.5
    if kind in (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64):
        return whole(generator, {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}[kind])
    if kind == DataType.FLOAT:
        return generator.choice([0.0, 1.5, -2.25, 3.0e38, 1.0 / 1024, generator.randrange(-9999, 9999) / 8])
    if kind == DataType.DOUBLE:
        return generator.choice([0.0, 0.1, -1e308, 5e-324, generator.uniform(-1e6, 1e6)])
    if kind == DataType.VARCHAR:
        return generator.choice(TEXTS)
    return generator.choice([{}, {"a": 1}, {"ü": [1, 2.5, "x", None, True], "nested": {"deep": {"er": []}}}, {"n": 2**53}])


def every_type(key=DataType.INT64, dynamic=True):
    key_options = {"is_primary": True, **({"max_length": 64} if key == DataType.VARCHAR else {})}
    arrays = []
    for kind in ELEMENTS:
        options = {"element_type": kind, "max_capacity": 20, **({"max_length": 100} if kind == DataType.VARCHAR else {})}
        arrays.append((f"many_{kind.name.lower()}", DataType.ARRAY, options))
    return lib.schema(("key", key, key_options), *SCALARS, *arrays, ("vector", DataType.FLOAT_VECTOR, {"dim": 12}), dynamic=dynamic)


def every_type_row(generator, key, dynamic=True):
    row = {"key": key, "vector": lib.vector(generator, 12)}
    for name, kind, _ in SCALARS:
        row[name] = scalar(generator, kind)
    for kind in ELEMENTS:
        values = [scalar(generator, kind) for _ in range(generator.randrange(1, 6))]
        row[f"many_{kind.name.lower()}"] = [v[:90] for v in values] if kind == DataType.VARCHAR else values
    if dynamic:
        row["extra"] = generator.choice([1, "two", [3], {"four": 4}])
        if generator.random() < 0.5:
            row[f"sometimes_{generator.randrange(3)}"] = generator.random()
    return row


def text_key(number):
    return f"{TEXTS[number % 7][:20]}#{number}"


@pytest.mark.parametrize("key", [DataType.INT64, DataType.VARCHAR], ids=["integer_key", "text_key"])
def test_every_scalar_array_json_and_dynamic_value_arrives_unchanged(pair, bridges, key):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "films", every_type(key))
    generator = random.Random(lib.SEED)
    keys = [text_key(n) for n in range(500)] if key == DataType.VARCHAR else [n * 7 - 1000 for n in range(500)]
    s.insert("films", [every_type_row(generator, k) for k in keys])
    bridge = bridges(source)
    task = bridge.create(target, "films")
    lib.wait_same(s, t, "films")
    # The same types again as changes: new rows, replaced rows, deleted rows.
    more = ["ä new one", "z" * 60] if key == DataType.VARCHAR else [5_000_000_000, -(1 << 62)]
    s.upsert("films", [every_type_row(generator, k) for k in keys[::5] + more])
    s.delete("films", filter=lib.key_filter("key", keys[3::50]))
    lib.wait_same(s, t, "films")
    assert lib.count(t, "films") == len(lib.rows(t, "films"))
    assert bridge.task(task)["state"] == "Running"


def test_empty_arrays_arrive_and_do_not_crash_the_target(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "tags", lib.schema(
        ("id", DataType.INT64, {"is_primary": True}), ("words", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 8, "max_length": 20}),
        ("numbers", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 8}), ("vector", DataType.FLOAT_VECTOR, {"dim": 4})))
    s.insert("tags", [{"id": n, "words": ["w"] * (n % 3), "numbers": list(range(n % 2)), "vector": [n, 1, 2, 3]} for n in range(60)])
    bridges(source).create(target, "tags")
    lib.wait_same(s, t, "tags")


def test_inserts_updates_and_deletes_are_followed(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 1000))
    bridge = bridges(source)
    task = bridge.create(target, "c")
    lib.wait_same(s, t, "c")
    generator = random.Random(lib.SEED)
    for step in range(5):
        s.insert("c", lib.simple_rows(1000 + step * 100, 100))
        s.upsert("c", lib.simple_rows(step * 50, 50, generator, n=step))
        s.delete("c", ids=[generator.randrange(1000) for _ in range(20)])
    lib.wait_same(s, t, "c")
    progress = bridge.task(task)["progress"]
    assert progress["phase"] == "following" and progress["lag_ms"] is not None


def test_everything_deleted_on_the_source_is_deleted_on_the_target(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 300))
    bridges(source).create(target, "c")
    lib.wait_same(s, t, "c")
    s.delete("c", ids=list(range(300)))
    lib.wait_same(s, t, "c")
    assert lib.rows(t, "c") == {} and t.has_collection("c")


def test_partitions_and_the_rows_in_them_are_followed(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c", load=False)
    for name in ("red", "green"):
        s.create_partition("c", name)
    s.load_collection("c")
    s.insert("c", lib.simple_rows(0, 200), partition_name="red")
    s.insert("c", lib.simple_rows(200, 100), partition_name="green")
    s.insert("c", lib.simple_rows(300, 50))
    bridges(source).create(target, "c")
    lib.wait_same(s, t, "c", per_partition=True)
    s.create_partition("c", "blue")
    s.load_collection("c")
    s.insert("c", lib.simple_rows(1000, 70), partition_name="blue")
    s.delete("c", ids=list(range(200, 220)))
    lib.wait_same(s, t, "c", per_partition=True)
    assert "blue" in lib.partitions(t, "c")


def test_a_dropped_partition_takes_its_rows_along(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "c", load=False)
    s.create_partition("c", "old")
    s.load_collection("c")
    s.insert("c", lib.simple_rows(0, 100))
    s.insert("c", lib.simple_rows(100, 100), partition_name="old")
    bridges(milvus).create(lite, "c")
    lib.wait_same(s, t, "c", per_partition=True)
    s.release_collection("c")
    s.drop_partition("c", "old")
    s.load_collection("c")
    lib.wait_same(s, t, "c", per_partition=True)
    assert lib.partitions(t, "c") == ["_default"]


def test_keys_that_the_source_generated_are_kept(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c", lib.schema(("id", DataType.INT64, {"is_primary": True, "auto_id": True}), ("n", DataType.INT64, {}),
                                ("vector", DataType.FLOAT_VECTOR, {"dim": 8})))
    for _ in range(3):
        s.insert("c", [{"n": n, "vector": [n] * 8} for n in range(100)])
    bridges(source).create(target, "c")
    lib.wait_same(s, t, "c")
    s.insert("c", [{"n": n, "vector": [n] * 8} for n in range(50)])
    lib.wait_same(s, t, "c")
    assert len(lib.rows(t, "c")) == 350


def test_new_collections_and_databases_are_followed_and_dropped_ones_go(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    bridge = bridges(source)
    bridge.create(target, db_collections={"*": [{"name": "*"}]})
    lib.make(s, "first")
    s.insert("first", lib.simple_rows(0, 100))
    s.create_database("films")
    sf = lib.client(source, "films")
    lib.make(sf, "second")
    sf.insert("second", lib.simple_rows(0, 120))
    lib.wait_same(s, t, "first")
    lib.wait_until(lambda: "films" in t.list_databases(), what="database films on the target")
    tf = lib.client(target, "films")
    lib.wait_same(sf, tf, "second")
    s.drop_collection("first")
    sf.drop_collection("second")
    lib.wait_until(lambda: not t.has_collection("first") and not tf.has_collection("second"), what="both collections are gone")


def test_twenty_thousand_rows_arrive_page_by_page(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c", lib.simple_schema(dim=64))
    for first in range(0, 20_000, 2_000):
        s.insert("c", lib.simple_rows(first, 2_000, dim=64))
    bridge = bridges(source)
    task = bridge.create(target, "c")
    bridge.wait_copied(task)
    lib.wait_same(s, t, "c")
    assert bridge.resident_bytes(peak=True) <= 64 << 20


def test_binary_vectors_arrive_between_two_milvus_servers(milvus, milvus2, bridges):
    s, t = lib.client(milvus), lib.client(milvus2)
    lib.make(s, "c", lib.schema(("id", DataType.INT64, {"is_primary": True}), ("vector", DataType.BINARY_VECTOR, {"dim": 32})), index=False, load=False)
    lib.add_index(s, "c", index_type="BIN_FLAT", metric="HAMMING")
    s.load_collection("c")
    generator = random.Random(lib.SEED)
    s.insert("c", [{"id": n, "vector": generator.randbytes(4)} for n in range(400)])
    bridges(milvus).create(milvus2, "c")
    lib.wait_same(s, t, "c")
    assert lib.indexes(t, "c") == lib.indexes(s, "c")


@pytest.fixture
def lite2(tmp_path):
    with lib.servers.LiteServer(tmp_path / "lite-2") as server:
        yield server


def test_nullable_sparse_and_several_vectors_arrive_between_two_lite_servers(lite, lite2, bridges):
    s, t = lib.client(lite), lib.client(lite2)
    s.create_collection("c", schema=lib.schema(
        ("id", DataType.INT64, {"is_primary": True}), ("maybe", DataType.INT64, {"nullable": True}),
        ("word", DataType.VARCHAR, {"max_length": 50, "nullable": True}), ("dense", DataType.FLOAT_VECTOR, {"dim": 4}),
        ("other", DataType.FLOAT_VECTOR, {"dim": 6}), ("sparse", DataType.SPARSE_FLOAT_VECTOR, {})))
    s.insert("c", [{"id": n, "maybe": None if n % 3 else n, "word": None if n % 4 == 0 else f"w{n}", "dense": [n] * 4, "other": [n / 2] * 6,
                    "sparse": {n: 1.5, n + 7: 2.0}} for n in range(200)])
    bridges(lite).create(lite2, "c")
    lib.wait_same(s, t, "c")


def test_an_unloaded_source_collection_is_named_with_a_hint_while_the_others_go_on(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "asleep", load=False)
    s.insert("asleep", lib.simple_rows(0, 10))
    lib.make(s, "awake")
    s.insert("awake", lib.simple_rows(0, 10))
    bridge = bridges(milvus)
    task = bridge.create(lite)
    lib.wait_same(s, t, "awake")
    text = lib.wait_until(lambda: (x := str(bridge.progress(task))) and "asleep" in x and "load" in x and x, what="the view names the collection and says load")
    assert "awake" in text
    s.load_collection("asleep")
    lib.wait_same(s, t, "asleep")
