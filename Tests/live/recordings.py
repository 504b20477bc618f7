"""Recorded logs of real servers: their messages in order, what stood when the session ended, and how to play them."""

import collections
import functools
import json
import pathlib

from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2, msg_pb2

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "MilvusWireTests" / "Fixtures" / "wal-live"
SYSTEM_FIELDS = 100


class Recording:
    """A folder of `wal-live`: every message decoded (JSON) beside its bytes, in the order of ticks."""

    def __init__(self, name):
        self.name = name
        self.folder = FIXTURES / name
        self.rpc = self.folder / "rpc-describe.pb"
        self.messages = []
        for path in sorted(self.folder.glob("pchannel-*.json")):
            decoded = json.loads(path.read_text())
            for message, record in zip(decoded, delimited(path.with_suffix(".pb").read_bytes()), strict=True):
                message["pchannel"] = "_".join(message["vchannel"].split("_")[:2])
                message["record"] = milvus_pb2.DumpMessagesResponse.FromString(record).message
                self.messages.append(message)
        self.messages.sort(key=lambda m: int(m["time_tick"]))

    @functools.cached_property
    def pchannels(self):
        cluster = self.messages[0]["pchannel"].rpartition("_")[0]
        return [f"{cluster}_{n}" for n in range(4)]

    def append_to(self, witness):
        """Every message again, as if it were written now: with a new id and tick, schema changes in their order."""
        for message in self.messages:
            witness.control(f"/append?pchannel={message['pchannel']}", message["record"].SerializeToString(), raw=True)

    @functools.cached_property
    def end(self):
        """id → `Stood`, of the collections that are there when the recorded session ends."""
        stood = {}
        transaction = None
        for message in self.messages:
            kind = message["type_name"]
            if kind == "BeginTxn":
                transaction = []
            elif kind == "CommitTxn":
                rows, transaction = transaction, None
                # Deletes first, whatever the log's order.
                for member in sorted(rows, key=lambda m: m["type_name"] == "Insert"):
                    apply(stood, member)
            elif transaction is not None:
                transaction.append(message)
            else:
                apply(stood, message)
        return stood


class Stood:
    """One collection as the log left it."""

    def __init__(self, message):
        body = message["body"]
        self.database = body.get("db_name") or "default"
        self.name = body["collectionName"]
        self.fields, self.dynamic = [], False
        self.take_schema(body["collection_schema"])
        self.aliases, self.indexes, self.loaded = set(), {}, set()
        self.rows, self.homes = collections.defaultdict(list), {}

    @property
    def path(self):
        return f"{self.database}.{self.name}"

    def take_schema(self, schema):
        self.fields = [f for f in schema["fields"] if int(f.get("fieldID", 0)) >= SYSTEM_FIELDS and not f.get("is_dynamic")]
        self.structs = [f["name"] for f in schema.get("struct_array_fields", [])]
        self.dynamic = any(f.get("is_dynamic") for f in schema["fields"])

    @property
    def key(self):
        return next(f for f in self.fields if f.get("is_primary_key"))

    @property
    def row_count(self):
        return sum(map(len, self.rows.values()))


def apply(stood, message):
    kind, header, body = message["type_name"], message.get("header", {}), message.get("body", {})
    identity = header.get("collection_id")
    there = stood.get(identity)
    on_control = message["vchannel"].endswith("vcchan")
    if kind == "CreateCollection":
        stood.setdefault(identity, Stood(message))
    elif kind == "DropCollection":
        stood.pop(identity, None)
    elif there is None and kind not in ("AlterAlias", "DropAlias", "DropDatabase"):
        return
    elif kind == "Insert":
        rows = msg_pb2.InsertRequest.FromString(message["record"].payload)
        columns = {c.field_id: values(c, rows.num_rows) for c in rows.fields_data}
        key = columns[int(there.key["fieldID"])]
        for at in range(rows.num_rows):
            there.rows[key[at]].append({n: v[at] for n, v in columns.items() if v is not None})
            there.homes[key[at]] = (message["vchannel"], rows.partitionID)
    elif kind == "Delete":
        keys = msg_pb2.DeleteRequest.FromString(message["record"].payload).primary_keys
        for key in [*keys.int_id.data, *keys.str_id.data]:
            there.rows.pop(key, None)
    elif kind == "DropPartition":
        gone(there, lambda channel, partition: channel == message["vchannel"] and partition == int(header["partition_id"]))
    elif kind == "TruncateCollection":
        # Each channel's copy is ordered with the rows of that channel.
        gone(there, lambda channel, partition: channel == message["vchannel"])
    elif kind == "AlterCollection":
        mask, updates = header.get("update_mask", ""), body.get("updates", {})
        if "collectionName" in mask:
            there.name = updates["collection_name"]
        if "db" in mask.split(","):
            there.database = updates["db_name"]
        if "schema" in mask:
            there.take_schema(updates["schema"])
    elif kind == "AlterAlias":
        for other in stood.values():
            other.aliases.discard(header["alias"])
        stood[identity].aliases.add(header["alias"])
    elif kind == "DropAlias":
        for other in stood.values():
            other.aliases.discard(header["alias"])
    elif kind in ("CreateIndex", "AlterIndex"):
        for index in body.get("field_indexes", [body.get("field_index")]):
            info = index["index_info"]
            there.indexes[info["indexID"]] = info
    elif kind == "DropIndex":
        for index in header.get("index_ids", list(there.indexes)):
            there.indexes.pop(index, None)
    elif kind == "AlterLoadConfig" and on_control:
        there.loaded = set(header.get("partition_ids", []))
    elif kind == "DropLoadConfig" and on_control:
        there.loaded = set()


def gone(there, is_gone):
    for key in [k for k, home in there.homes.items() if is_gone(*home)]:
        there.rows.pop(key, None)


def values(column, count):
    """The values of a column by row, None for a null; None for types whose form differs between log and reader in more than the place."""
    kind = column.type
    if kind == DataType.FLOAT_VECTOR:
        dim, data = column.vectors.dim, column.vectors.float_vector.data
        return [list(data[at * dim:(at + 1) * dim]) for at in range(count)] if len(data) == dim * count else None
    name = {DataType.BOOL: "bool_data", DataType.INT8: "int_data", DataType.INT16: "int_data", DataType.INT32: "int_data",
            DataType.INT64: "long_data", DataType.FLOAT: "float_data", DataType.DOUBLE: "double_data",
            DataType.VARCHAR: "string_data"}.get(kind)
    if name is None:
        return None
    dense = list(getattr(column.scalars, name).data)
    return [v if valid else None for v, valid in zip(dense, column.valid_data)] if column.valid_data else dense


def delimited(data):
    """Messages after their lengths (LEB128)."""
    at = 0
    while at < len(data):
        length = shift = 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield data[at:at + length]
        at += length
