"""What the tests of native replication share: recorded messages, the two ends, and what a target took."""

import base64
import collections
import pathlib
import sys
import threading
import time
from concurrent import futures

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

import lib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "histories"))
from proxy import CuttingProxy  # noqa: E402, F401

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "MilvusWireTests" / "Fixtures"
LIVE, GOLDEN = FIXTURES / "wal-live", FIXTURES / "wal"
EVERYTHING = {"*": [{"name": "*"}]}
SKIPPED = {"32", "33"}
# What is recorded of whole sessions: files, the source's version, the target's id.
LOGS = {
    "source": (LIVE / "source", "pchannel-*.pb", "2.6.20", "cdc-dst"),
    "source-rocksmq": (LIVE / "source-rocksmq", "pchannel-*.pb", "2.6.20", "cdc-dst"),
    "source-v3": (LIVE / "source-v3", "pchannel-*.pb", "3.0.0", "cdc-dst"),
    "golden-2.6.23": (GOLDEN / "v2.6.23", "sequence-*.pb", "2.6.23", "by-prod"),
    "golden-3.0.1": (GOLDEN / "v3.0.1", "sequence-*.pb", "3.0.1", "by-prod"),
}


# --- what was recorded

def varint(data, place):
    """A number and the place behind it."""
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, place


def delimited(data):
    """The messages of a file, each behind its length as a varint."""
    place = 0
    while place < len(data):
        length, place = varint(data, place)
        yield data[place:place + length]
        place += length


def fields(data):
    """Number and value of a message's numbers and texts."""
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        value, place = varint(data, place)
        if key & 7 == 2:
            value, place = data[place:place + value], place + value
        yield key >> 3, value


def canonical(message):
    """One spelling of a message: fields and properties in key order."""
    return message.SerializeToString(deterministic=True)


def pchannel_of(message):
    return pchannel_of_name(message.properties["_vc"])


def pchannel_of_name(channel):
    head, _, tail = channel.rpartition("_")
    return head if "v" in tail else channel


def recorded(*files):
    """By pchannel: the messages that a target gets, in order, and those that it does not."""
    sent, left = collections.defaultdict(list), collections.defaultdict(list)
    for file in files:
        for data in delimited(file.read_bytes()):
            message = milvus_pb2.DumpMessagesResponse.FromString(data).message
            skipped = message.properties["_t"] in SKIPPED or "_ur" in message.properties
            (left if skipped else sent)[pchannel_of(message)].append(message)
    return sent, left


def tick(message):
    return int(message.properties["_tt"], 36)


def base36(number):
    digits, text = "0123456789abcdefghijklmnopqrstuvwxyz", ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text


# --- the two ends

class Witness:
    """A log witness as a target: what it took, in order."""

    def __init__(self, server, record):
        self.server, self.record = server, record
        self.uri, self.port = server.uri, server.port

    def events(self, name):
        return [e for e in self.server.events() if e["event"] == name]

    def taken(self):
        """By the source's pchannel: (tick, id, type) of every message that was put into the log, begins and bodies included."""
        taken = collections.defaultdict(list)
        for e in self.events("replicated"):
            if e.get("applied"):
                head, _, tail = e["source_vchannel"].rpartition("_")
                taken[head if "v" in tail else e["source_vchannel"]].append((int(e["tick"]), str(e["id"]), e["type"]))
        return taken

    def received(self):
        """By the source's pchannel: the messages as they came."""
        found = collections.defaultdict(list)
        for file in sorted(self.record.glob("*.pbs")):
            for data in delimited(file.read_bytes()):
                found[file.stem].append(common_pb2.ImmutableMessage.FromString(data))
        return found

    def assert_unharmed(self):
        assert self.server.process.poll() is None, lib.servers.tail(self.server.log)
        assert not self.events("panic")

    def stop(self):
        self.server.stop()


class Sandbox:
    """A sandbox as a target, with the same looks. It keeps what it has over a death, and every byte that it was sent."""

    def __init__(self, server, source="cdc-src"):
        self.server, self.source = server, source
        self.uri, self.address, self.port = server.uri, server.address, server.port
        server.control("record")

    def pchannels(self):
        return [p["name"] for p in self.server.control("state")["pchannels"]]

    def taken(self):
        """By the source's pchannel: (tick, id, type) of every replicated message in its log."""
        taken = collections.defaultdict(list)
        with grpc.insecure_channel(self.address) as channel:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            end = stub.AllocTimestamp(milvus_pb2.AllocTimestampRequest(), timeout=10).timestamp
            for pchannel in self.pchannels():
                request = milvus_pb2.DumpMessagesRequest(
                    pchannel=pchannel, start_message_id=common_pb2.MessageID(id="CAAQAQ==", WAL_name=4), end_timetick=end,
                    include_start_message=True)
                for answer in stub.DumpMessages(request, timeout=20):
                    properties = answer.message.properties
                    if "_rh" in properties:
                        header = dict(fields(base64.b64decode(properties["_rh"])))
                        source_id = common_pb2.MessageID.FromString(header[2]).id
                        taken[pchannel_of_name(header[5].decode())].append((header[4], source_id, properties["_t"]))
        return taken

    def raw(self):
        """By the source's pchannel: the bytes of every message as it came."""
        found = collections.defaultdict(list)
        for text in self.server.control("received")["messages"]:
            data = base64.b64decode(text)
            found[pchannel_of(common_pb2.ImmutableMessage.FromString(data))].append(data)
        return found

    def received(self):
        return {p: [common_pb2.ImmutableMessage.FromString(d) for d in data] for p, data in self.raw().items()}

    def assert_unharmed(self):
        assert self.server.control("state")["role"] == "secondary"

    def stop(self):
        self.server.stop()


def native(bridge, target, **options):
    return bridge.create(target, db_collections=EVERYTHING, apply="native", **options)


def is_complete(target, sent):
    """The target has taken every message that is to be sent."""
    taken = target.taken()
    return all(len(taken[p]) >= len(messages) for p, messages in sent.items())


def wait_all(target, sent, seconds=60):
    lib.wait_until(lambda: is_complete(target, sent), seconds, 0.2, "every message is on the target")


def assert_in_order_once(target, sent):
    taken = target.taken()
    for pchannel, messages in sent.items():
        # Members of a transaction share its tick, and none comes twice.
        assert [t for t, _, _ in taken[pchannel]] == [tick(m) for m in messages], pchannel
        assert [i for _, i, _ in taken[pchannel]] == [m.id.id for m in messages], pchannel


class RawSource:
    """A source that serves a recording's very bytes. Everything that is not the log is as small as it can be."""

    def __init__(self, *files, version="2.6.20", skip=0, credentials=None):
        """`skip`: so many messages of each pchannel came before the log begins. `credentials`: of a TLS server."""
        self.entries = collections.defaultdict(list)
        self.version = version
        for file in files:
            for data in list(delimited(file.read_bytes()))[skip:]:
                message = milvus_pb2.DumpMessagesResponse.FromString(data).message
                self.entries[pchannel_of(message)].append((tick(message), data))
        self.control = f"{min(self.entries)}_vcchan"
        self.server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.max_send_message_length", -1)])
        calls = {"DumpMessages": grpc.unary_stream_rpc_method_handler(self.dump)}
        for name in ("FlushAll", "AllocTimestamp", "GetVersion", "Connect", "ListDatabases", "ShowCollections", "DescribeDatabase",
                     "GetReplicateConfiguration"):
            calls[name] = grpc.unary_unary_rpc_method_handler(getattr(self, name))
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("milvus.proto.milvus.MilvusService", calls),))
        address = "127.0.0.1:0"
        self.port = self.server.add_secure_port(address, credentials) if credentials else self.server.add_insecure_port(address)
        self.uri = f"http{'s' if credentials else ''}://127.0.0.1:{self.port}"
        self.flushes = {p: self.flush(p, *entries[0]) for p, entries in self.entries.items()}
        self.server.start()

    def flush(self, pchannel, first_tick, first):
        """What FlushAll would have written right before the first message."""
        kind = milvus_pb2.DumpMessagesResponse.FromString(first).message.id.WAL_name
        message = common_pb2.ImmutableMessage(id=common_pb2.MessageID(id="CAAQAQ==" if kind == 4 else "1", WAL_name=kind))
        message.properties.update({"_v": "2", "_t": "37", "_tt": base36(first_tick - 1), "_lcs": "", "_vc": pchannel, "_h": "", "_pcl": ""})
        return message

    def FlushAll(self, _request, _context):
        return milvus_pb2.FlushAllResponse(
            flush_all_msgs=self.flushes,
            cluster_info=milvus_pb2.ClusterInfo(cluster_id="0", cchannel=self.control, pchannels=sorted(self.entries))).SerializeToString()

    def AllocTimestamp(self, _request, _context):
        return milvus_pb2.AllocTimestampResponse(timestamp=int(time.time() * 1000) << 18).SerializeToString()

    def GetVersion(self, _request, _context):
        return milvus_pb2.GetVersionResponse(version=self.version).SerializeToString()

    def Connect(self, _request, _context):
        return milvus_pb2.ConnectResponse(server_info=common_pb2.ServerInfo(build_tags=self.version)).SerializeToString()

    def ListDatabases(self, _request, _context):
        return milvus_pb2.ListDatabasesResponse(db_names=["default"]).SerializeToString()

    def ShowCollections(self, _request, _context):
        return milvus_pb2.ShowCollectionsResponse().SerializeToString()

    def DescribeDatabase(self, _request, _context):
        return milvus_pb2.DescribeDatabaseResponse(db_name="default").SerializeToString()

    def GetReplicateConfiguration(self, _request, context):
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "it hangs")

    def dump(self, data, context):
        request = milvus_pb2.DumpMessagesRequest.FromString(data)
        name, end = request.pchannel, request.end_timetick
        flush = self.flushes[name]
        wrapped = milvus_pb2.DumpMessagesResponse(message=flush).SerializeToString()
        for at, raw in [(tick(flush), wrapped)] + self.entries[name]:
            if at >= request.start_timetick and (not end or at <= end):
                yield raw
        if not end:
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait()

    def stop(self):
        self.server.stop(0)


def message_bytes(response):
    """The bytes of the message inside a DumpMessagesResponse, untouched."""
    return dict(fields(response))[2]


def files_of(log):
    folder, pattern, version, cluster = LOGS[log]
    return sorted(folder.glob(pattern)), version, cluster


def is_sent(data):
    properties = common_pb2.ImmutableMessage.FromString(data).properties
    return properties["_t"] not in SKIPPED and "_ur" not in properties


def assert_as_sent(target, source, sent, is_repeated=False):
    """Every message as it was: in bytes where the target shows them, else in the witness's one spelling. `is_repeated`: after its first time."""
    if isinstance(target, Sandbox):
        received = target.raw()
        wanted = {p: [m for m in (message_bytes(raw) for _, raw in entries) if is_sent(m)] for p, entries in source.entries.items()}
    else:
        received = {p: [canonical(m) for m in messages] for p, messages in target.received().items()}
        wanted = {p: [canonical(m) for m in messages] for p, messages in sent.items()}
    for pchannel, messages in wanted.items():
        found = received.get(pchannel, [])
        if is_repeated:
            found = list(dict.fromkeys(found))
        assert len(found) == len(messages), pchannel
        assert found == messages, pchannel
    assert set(received) <= set(wanted)


# --- writing on

def build(server, **message):
    return server.control("/build", message)


def insert(server, vchannel, count=1, **more):
    """Messages of a collection that the recording made and never dropped."""
    collection = vchannel.rpartition("_")[2].partition("v")[0]
    return build(server, type="Insert", vchannel=vchannel, header={"collection_id": collection, "partitions": []},
                 body={"collectionID": collection, "shardName": vchannel}, repeat=count, **more)


def living_vchannels(folder):
    """vchannels of collections that stand at the end of a recording."""
    made, dropped = set(), set()
    for messages in recorded(*sorted(folder.glob("pchannel-*.pb")))[0].values():
        for message in messages:
            if not message.properties["_vc"].endswith("vcchan"):
                (made if message.properties["_t"] == "5" else dropped if message.properties["_t"] == "6" else set()).add(message.properties["_vc"])
    return sorted(made - dropped)


def applied_keys(target):
    return {p: [(t, i) for t, i, _ in taken] for p, taken in target.taken().items()}
