"""`cdc-bridge call` against real servers: every RPC that reads answers what the official stubs get."""

import json
import os
import re
import subprocess

import grpc
import pytest
from google.protobuf import json_format, message_factory
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

import lib

# Differ between two looks at an unchanged server.
MOVING = {"session_ts", "timestamp", "request_time", "physical_channel_ts", "created_utc_timestamps", "flush_all_ts", "response",
          "quota_center_metrics", "reserved", "build_time", "identifier", "collectionID", "nodeIDs"}


def call(server, method, request=None, *options, seconds=60):
    """The program's exit code, its messages as JSON, and what it said on standard error."""
    command = [str(lib.PROGRAM), "call", method, json.dumps(request or {}), "--uri", server.uri, "--layout", "lines", *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env={"PATH": os.environ["PATH"]})
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()], run.stderr


@pytest.fixture(params=["milvus", "lite"])
def server(request):
    yield request.getfixturevalue(request.param)


@pytest.fixture
def filled(server):
    """A collection with every kind of object that reading calls show; its rows include a text with a NUL where the server takes one."""
    client = lib.client(server)
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=100)
    schema.add_field("score", DataType.FLOAT)
    schema.add_field("exact", DataType.DOUBLE)
    schema.add_field("more", DataType.JSON)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection("films", schema=schema, index_params=index, consistency_level="Strong")
    client.insert("films", [{"id": i, "title": f"Titel {i} é\n", "score": i / 3, "exact": i / 7, "more": {"n": [i, None, "x"]},
                             "v": [i / 10, 0.5, -1, 3e-8], "extra": i} for i in range(5)])
    client.create_partition("films", "old")
    client.create_alias("films", "movies")
    client.close()
    return server


def reading_calls(server):
    """Method -> requests. Those that no server of the two implements are not here."""
    film = {"collection_name": "films"}
    return {
        "GetVersion": [{}], "CheckHealth": [{}], "ListDatabases": [{}],
        "HasCollection": [film, {"collection_name": "none"}],
        "DescribeCollection": [film, {"collection_name": "movies"}, {"collection_name": "none"}],
        "ShowCollections": [{}], "GetCollectionStatistics": [film],
        "HasPartition": [{**film, "partition_name": "old"}], "ShowPartitions": [film],
        "GetPartitionStatistics": [{**film, "partition_name": "old"}],
        "DescribeIndex": [{**film, "field_name": "v"}], "GetIndexState": [{**film, "field_name": "v"}],
        "GetIndexBuildProgress": [{**film, "field_name": "v"}], "GetIndexStatistics": [film],
        "GetLoadState": [film], "GetLoadingProgress": [film],
        "DescribeAlias": [{"alias": "movies"}], "ListAliases": [film],
        "Query": [
            {**film, "expr": "id >= 0", "output_fields": ["*"], "consistency_level": "Strong"},
            {**film, "expr": "", "output_fields": ["count(*)"], "consistency_level": "Strong"},
            {**film, "expr": "no such syntax ((", "output_fields": ["*"]},
        ],
        "ListCredUsers": [{}], "SelectRole": [{}], "SelectUser": [{}], "ListResourceGroups": [{}],
        "GetComponentStates": [{}], "ListImportTasks": [{}], "GetReplicas": [{**film}], "GetQuerySegmentInfo": [{"collectionName": "films"}],
        "GetPersistentSegmentInfo": [{"collectionName": "films"}], "AllocTimestamp": [{}], "DescribeDatabase": [{"db_name": "default"}],
        "ListPrivilegeGroups": [{}], "BackupRBAC": [{}], "ListSnapshots": [film], "GetReplicateInfo": [{"target_pchannel": "x"}],
    }


# What such an RPC's name begins with.
READING = re.compile(r"(Get|List|Describe|Show|Has|Select|Check|Search|HybridSearch|Query|CalcDistance|Dummy|AllocTimestamp|Connect)")


def all_reading_calls(server):
    """Besides: every other RPC whose name says that it reads, with a request that names nothing."""
    calls = reading_calls(server)
    for method in milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods:
        if READING.match(method.name) and not method.server_streaming and not method.client_streaming:
            calls.setdefault(method.name, [{}])
    return calls


def still(value, key=None):
    """Without what moves. Milvus 2.3.5 answers "*" in another order each time."""
    if isinstance(value, dict):
        return {key: still(inner, key) for key, inner in value.items() if key not in MOVING}
    if key in ("output_fields", "fields_data"):
        return sorted((still(inner) for inner in value), key=lambda inner: inner if isinstance(inner, str) else inner["field_name"])
    if isinstance(value, list):
        return [still(inner) for inner in value]
    return value


def test_every_reading_call_answers_what_the_official_stubs_get(filled):
    channel = grpc.insecure_channel(filled.uri.removeprefix("http://"))
    stub = milvus_pb2_grpc.MilvusServiceStub(channel)
    descriptors = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods_by_name
    answered, refused = [], []
    for method, requests in all_reading_calls(filled).items():
        for request in requests:
            kind = descriptors[method].input_type.name
            message = json_format.ParseDict(request, message_factory.GetMessageClass(descriptors[method].input_type)())
            try:
                official = getattr(stub, method)(message, timeout=10)
            except grpc.RpcError as error:
                code, answers, errors = call(filled, method, request, "--exact", "--timeout", "10")
                assert (code, answers) == (64 + error.code().value[0], []), f"{method}: {errors}"
                if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                    assert error.details()[:60] in errors, f"{method}: {errors}"
                refused.append(method)
                continue
            code, answers, errors = call(filled, method, request, "--exact", "--timeout", "10")
            assert len(answers) == 1, f"{method}: {errors}"
            expected = json_format.MessageToDict(official, preserving_proto_field_name=True)
            assert still(answers[0]) == still(expected), method
            status = getattr(official, "status", None) if kind and hasattr(official, "status") else official
            failed = getattr(status, "code", 0) != 0 or getattr(status, "error_code", 0) != 0
            assert code == (1 if failed and hasattr(status, "reason") else 0), f"{method}: {errors}"
            answered.append(method)
    channel.close()
    print(f"answered: {' '.join(sorted(set(answered)))}\nrefused: {' '.join(sorted(set(refused)))}")
    assert len(set(answered)) >= 20


def test_rows_and_vectors_are_what_the_official_client_reads(filled):
    client = lib.client(filled)
    expected = sorted(client.query("films", filter="id >= 0", output_fields=["*"], consistency_level="Strong"), key=lambda row: row["id"])
    client.close()
    request = {"collection_name": "films", "expr": "id >= 0", "output_fields": ["*"], "consistency_level": "Strong"}
    code, (answer,), errors = call(filled, "Query", request, "--rows", "--full")
    assert code == 0, errors
    rows = sorted(answer["rows"], key=lambda row: row["id"])
    assert len(rows) == len(expected) == 5
    for row, wanted in zip(rows, expected):
        # Dynamic fields stand in one JSON column; the client spreads them.
        row = {**{key: value for key, value in row.items() if key != "$meta"}, **row.get("$meta", {})}
        for key, value in wanted.items():
            if key in ("v", "score"):
                assert [lib.math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) for a, b in zip(*([row[key]], [value]) if key == "score"
                        else (row[key], value))].count(False) == 0, (key, row, wanted)
            else:
                assert row[key] == value, (key, row, wanted)
    code, (answer,), _ = call(filled, "Query", request, "--rows")
    vector = sorted(answer["rows"], key=lambda row: row["id"])[1]["v"]
    assert vector["type"] == "FloatVector" and vector["dim"] == 4 and vector["first"][:3] == [0.1, 0.5, -1.0]
    assert lib.math.isclose(vector["norm"], 1.1224972, rel_tol=1e-6)


def test_a_collection_made_and_searched_with_nothing_but_json(server):
    schema = {"name": "made", "fields": [
        {"name": "id", "data_type": "Int64", "is_primary_key": True},
        {"name": "v", "data_type": "FloatVector", "type_params": [{"key": "dim", "value": "4"}]}]}
    steps = [
        ("CreateCollection", {"collection_name": "made", "schema": schema, "consistency_level": "Strong"}),
        ("CreateIndex", {"collection_name": "made", "field_name": "v", "index_name": "v", "extra_params": [
            {"key": "index_type", "value": "FLAT"}, {"key": "metric_type", "value": "L2"}]}),
        ("LoadCollection", {"collection_name": "made", "replica_number": 1}),
        ("Insert", {"collection_name": "made", "num_rows": 2, "fields_data": [
            {"type": "Int64", "field_name": "id", "scalars": {"long_data": {"data": [1, 2]}}},
            {"type": "FloatVector", "field_name": "v", "vectors": {"dim": 4, "float_vector": {"data": [1, 0, 0, 0, 0, 1, 0, 0]}}}]}),
    ]
    for method, request in steps:
        code, _, errors = call(server, method, request)
        assert code == 0, f"{method}: {errors}"
    client = lib.client(server)
    lib.wait_until(lambda: "Loaded" in str(client.get_load_state("made")["state"]), what="loaded")
    search = {
        "collection_name": "made", "dsl": "", "dsl_type": "BoolExprV1", "nq": 1, "output_fields": ["id"], "consistency_level": "Strong",
        "guarantee_timestamp": 0, "placeholder_group": {"placeholders": [{"tag": "$0", "type": "FloatVector", "values": [[0, 0.9, 0, 0]]}]},
        "search_params": [{"key": "anns_field", "value": "v"}, {"key": "topk", "value": "2"}, {"key": "metric_type", "value": "L2"},
                          {"key": "params", "value": "{}"}, {"key": "round_decimal", "value": "-1"}]}
    code, (answer,), errors = call(server, "Search", search, "--rows")
    assert code == 0, errors
    assert [row["$id"] for row in answer["results"]["rows"]] == ["2", "1"], answer
    official = client.search("made", data=[[0, 0.9, 0, 0]], limit=2, output_fields=["id"], consistency_level="Strong")[0]
    assert [str(hit["id"]) for hit in official] == ["2", "1"]
    client.close()


def test_a_stream_that_a_server_lacks_ends_with_its_status(server):
    code, answers, errors = call(server, "DumpMessages", {"pchannel": "x"})
    assert (code, answers) == (64 + 12, []), errors
    assert re.search("Hint: DumpMessages came with Milvus 2.6.14", errors), errors


# --- requests that kill

def replicate_request(**properties):
    """A ReplicateRequest in JSON: an insert as a source writes it, with some properties changed."""
    return {"replicate_message": {"source_cluster_id": "src", "message": {
        "id": {"id": "CAUQew==", "WAL_name": "WoodPecker"}, "payload": "",
        "properties": {"_t": "2", "_v": "1", "_tt": "abc", "_lcs": "true", "_vc": "src-rootcoord-dml_0_1v0", "_h": "", **properties}}}}


def test_requests_that_kill_a_server_are_not_sent(sandbox):
    for properties, reason in [({"_t": "99"}, "_t"), ({"_v": "9"}, "_v"), ({"_v": ""}, "_v"), ({"_t": ""}, "_t")]:
        refused = lib.run("call", "CreateReplicateStream", json.dumps(replicate_request(**properties)), "--uri", sandbox.uri, "--timeout", "5",
                          "-H", "cluster-id: by-dev")
        assert refused.returncode == 2, refused.stderr
        assert f"{reason}: " in refused.stderr and "would die of it" in refused.stderr and "--allow-harmful" in refused.stderr
        sent = lib.run("call", "CreateReplicateStream", json.dumps(replicate_request(**properties)), "--uri", sandbox.uri, "--timeout", "5",
                       "-H", "cluster-id: by-dev", "--allow-harmful")
        # A cluster that is no standby takes the call and ends it: nothing is harmed here.
        assert sent.returncode != 2, sent.stderr
    forced = lib.run("call", "UpdateReplicateConfiguration", '{"force_promote": true}', "--uri", sandbox.uri, "--timeout", "5")
    assert forced.returncode == 2 and "without the configuration" in forced.stderr
    assert lib.run("call", "GetVersion", "--uri", sandbox.uri).returncode == 0
