"""What a create may ask for: names, filters, ownership, policies."""

import time

import pytest
from pymilvus import DataType

import lib


def test_a_collection_is_renamed_on_the_way(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "films")
    s.insert("films", lib.simple_rows(0, 100))
    bridges(source).create(target, "films", name_mapping=[
        {"source_db": "default", "target_db": "default", "collection_mapping": {"films": "movies"}}])
    lib.wait_same(s, t, "films", "movies")
    s.delete("films", ids=[1, 2, 3])
    lib.wait_same(s, t, "films", "movies")
    assert not t.has_collection("films")


def test_a_whole_database_is_renamed_on_the_way(pair, bridges):
    source, target = pair
    s = lib.client(source)
    s.create_database("prod")
    sp = lib.client(source, "prod")
    for name in ("a", "b"):
        lib.make(sp, name)
        sp.insert(name, lib.simple_rows(0, 80))
    bridges(source).create(target, database="prod", name_mapping=[
        {"source_db": "prod", "target_db": "standby", "collection_mapping": {}}])
    t = lib.client(target)
    lib.wait_until(lambda: "standby" in t.list_databases(), what="database standby")
    ts = lib.client(target, "standby")
    for name in ("a", "b"):
        lib.wait_same(sp, ts, name)
    assert "prod" not in t.list_databases()


def test_only_what_the_task_names_is_touched(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    s.create_database("other")
    so = lib.client(source, "other")
    for c in (s, so):
        for name in ("wanted", "unwanted"):
            lib.make(c, name)
            c.insert(name, lib.simple_rows(0, 30))
    bridge = bridges(source)
    task = bridge.create(target, "wanted")
    lib.wait_same(s, t, "wanted")
    bridge.wait_copied(task)
    time.sleep(3)  # Three more passes.
    assert t.list_collections() == ["wanted"] and t.list_databases() == ["default"]


def test_every_database_but_only_one_name(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    s.create_database("other")
    so = lib.client(source, "other")
    for c in (s, so):
        for name in ("wanted", "unwanted"):
            lib.make(c, name)
            c.insert(name, lib.simple_rows(0, 30))
    bridges(source).create(target, db_collections={"*": [{"name": "wanted"}]})
    lib.wait_same(s, t, "wanted")
    lib.wait_until(lambda: "other" in t.list_databases(), what="database other")
    to = lib.client(target, "other")
    lib.wait_same(so, to, "wanted")
    assert t.list_collections() == to.list_collections() == ["wanted"]


def view_text(bridge, task):
    return str(bridge.task(task)) + str(bridge.progress(task))


def test_a_target_collection_with_rows_is_not_touched_unless_adopted(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    for c in (s, t):
        lib.make(c, "c")
    s.insert("c", lib.simple_rows(0, 50))
    t.insert("c", lib.simple_rows(1000, 20))
    bridge = bridges(source)
    task = bridge.create(target, "c")
    lib.wait_until(lambda: "adopt" in view_text(bridge, task), what="the view says adopt")
    time.sleep(3)
    assert set(lib.rows(t, "c")) == set(range(1000, 1020))
    bridge.call("delete", task_id=task)
    bridge.create(target, "c", adopt=True)
    lib.wait_same(s, t, "c")


def test_an_equal_and_empty_target_collection_is_taken_over(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    for c in (s, t):
        lib.make(c, "c")
    s.insert("c", lib.simple_rows(0, 50))
    bridges(source).create(target, "c")
    lib.wait_same(s, t, "c")


def test_a_schema_conflict_stops_that_collection_alone(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    for name in ("clash", "fine"):
        lib.make(s, name)
        s.insert(name, lib.simple_rows(0, 40))
    lib.make(t, "clash", lib.simple_schema(dim=32))
    bridge = bridges(source)
    task = bridge.create(target)
    lib.wait_same(s, t, "fine")
    collection = lib.wait_until(
        lambda: next((c for c in bridge.progress(task)["collections"] if "clash" in str(c) and c.get("last_error")), None),
        what="the collection's error is in progress")
    assert collection["hint"], collection
    s.insert("fine", lib.simple_rows(40, 40))
    lib.wait_same(s, t, "fine")
    assert lib.rows(t, "clash") == {}
    assert bridge.task(task)["state"] == "Running"


def test_a_type_that_the_target_lacks_stops_that_collection_alone_and_nothing_is_sent(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "binary", lib.schema(("id", DataType.INT64, {"is_primary": True}), ("vector", DataType.BINARY_VECTOR, {"dim": 16})), index=False, load=False)
    lib.add_index(s, "binary", index_type="BIN_FLAT", metric="HAMMING")
    s.load_collection("binary")
    s.insert("binary", [{"id": 1, "vector": b"ab"}])
    lib.make(s, "fine")
    s.insert("fine", lib.simple_rows(0, 40))
    bridge = bridges(milvus)
    task = bridge.create(lite)
    lib.wait_same(s, t, "fine")
    lib.wait_until(lambda: "binary" in view_text(bridge, task) and "BinaryVector" in view_text(bridge, task), what="type and collection are named")
    assert not t.has_collection("binary")


def test_a_released_source_collection_is_not_taken_for_an_empty_one(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 100))
    bridge = bridges(milvus)
    task = bridge.create(lite, "c")
    lib.wait_same(s, t, "c")
    s.release_collection("c")
    lib.wait_until(lambda: "load" in view_text(bridge, task).replace("loaded_", ""), 30, what="the view says that it is not loaded")
    time.sleep(3)
    # The load state follows too: a running task would release it on the target again.
    bridge.call("pause", task_id=task)
    lib.wait_until(lambda: t.load_collection("c") or len(lib.rows(t, "c")) == 100, 30, 0.5, "the target's rows are all there")
    bridge.call("resume", task_id=task)
    s.load_collection("c")
    s.insert("c", lib.simple_rows(100, 10))
    lib.wait_same(s, t, "c")


def test_deleting_a_task_leaves_both_sides_as_they_are(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 50))
    bridge = bridges(source)
    task = bridge.create(target, "c")
    lib.wait_same(s, t, "c")
    bridge.call("delete", task_id=task)
    s.insert("c", lib.simple_rows(50, 50))
    time.sleep(3)
    assert len(lib.rows(s, "c")) == 100 and len(lib.rows(t, "c")) == 50
    with pytest.raises(lib.ApiError, match="not found"):
        bridge.task(task)


def test_many_tasks_run_side_by_side(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    bridge = bridges(source)
    for n in range(8):
        lib.make(s, f"c{n}")
        s.insert(f"c{n}", lib.simple_rows(0, 20 + n))
        bridge.create(target, f"c{n}")
    for n in range(8):
        lib.wait_same(s, t, f"c{n}")
    assert len(bridge.call("list")["tasks"]) == 8
    with pytest.raises(lib.ApiError, match="the collection name is duplicate with existing task"):
        bridge.create(target, "c3")


def test_a_dry_run_says_what_would_happen_and_changes_nothing(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 20))
    bridge = bridges(source)
    plan = bridge.call("create", milvus_connect_param={"uri": target.uri}, collection_infos=[{"name": "c"}], dry_run=True)
    assert "c" in str(plan)
    assert bridge.call("list")["tasks"] == [] and t.list_collections() == []


def test_one_bridge_serves_several_sources(milvus, milvus2, lite, bridges):
    t = lib.client(lite)
    bridge = bridges()
    for server, name in ((milvus, "one"), (milvus2, "two")):
        s = lib.client(server)
        lib.make(s, name)
        s.insert(name, lib.simple_rows(0, 60))
        bridge.create(lite, name, source_connect_param={"uri": server.uri})
    lib.wait_same(lib.client(milvus), t, "one")
    lib.wait_same(lib.client(milvus2), t, "two")


def test_disable_auto_start_leaves_the_task_paused_after_a_restart(milvus, lite, bridges):
    s, t = lib.client(milvus), lib.client(lite)
    lib.make(s, "c")
    bridge = bridges(milvus)
    task = bridge.create(lite, "c", disable_auto_start=True)
    assert bridge.task(task)["state"] == "Running"
    bridge.restart()
    view = bridge.task(task)
    assert (view["state"], view["reason"]) == ("Paused", "the task is disabled auto start")


def test_a_truncated_source_collection_is_followed(lite, milvus, bridges):
    s, t = lib.client(lite), lib.client(milvus)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 200))
    bridges(lite).create(milvus, "c")
    lib.wait_same(s, t, "c")
    s.truncate_collection("c")
    s.insert("c", lib.simple_rows(500, 5))
    lib.wait_same(s, t, "c")
    assert len(lib.rows(t, "c")) == 5


def test_a_new_index_and_a_dropped_one_are_followed(pair, bridges):
    source, target = pair
    s, t = lib.client(source), lib.client(target)
    lib.make(s, "c", index=False, load=False)
    if source.name.startswith("Milvus 2"):
        lib.add_index(s, "c")
        s.load_collection("c")
    s.insert("c", lib.simple_rows(0, 50))
    bridges(source).create(target, "c")
    lib.wait_same(s, t, "c")
    s.release_collection("c")
    for name in s.list_indexes("c"):
        s.drop_index("c", name)
    lib.add_index(s, "c", index_type="HNSW", metric="COSINE", M=8, efConstruction=32)
    s.load_collection("c")
    lib.wait_until(lambda: lib.indexes(t, "c") == {"vector": ("HNSW", "COSINE")}, what="the other index")
    s.insert("c", lib.simple_rows(50, 50))
    lib.wait_same(s, t, "c")
