"""Our JSON mapping against the official library's, in both directions: every recorded message and 10,000 generated ones.

SEED=N repeats a run of the generated ones.
"""

import base64
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import threading

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field
from pymilvus.grpc_gen import common_pb2, feder_pb2, milvus_pb2, msg_pb2, rg_pb2, schema_pb2

import programs

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests" / "MilvusWireTests" / "Fixtures"
GENERATED = 10_000
SECONDS = 300


def official_classes():
    """Full name -> message class of the official descriptors, without map entries."""
    found = {}

    def add(descriptor):
        if not descriptor.GetOptions().map_entry:
            found[descriptor.full_name] = message_factory.GetMessageClass(descriptor)
        for nested in descriptor.nested_types:
            add(nested)

    for module in (common_pb2, schema_pb2, rg_pb2, feder_pb2, msg_pb2, milvus_pb2):
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            add(descriptor)
    # The log's messages, in a pool of their own: their set brings its own version of the public files.
    (path,) = (ROOT / "protos" / "descriptors").glob("*.binpb")
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    for file in files:
        pool.Add(file)
    for file in files:
        if file.package == "milvus.proto.messages":
            for message in file.message_type:
                add(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
    return found


@pytest.fixture(scope="module")
def classes():
    known = subprocess.run([programs.binary(), "types"], capture_output=True, text=True, timeout=30).stdout.split()
    assert len(known) > 500
    return {name: cls for name, cls in official_classes().items() if name in set(known)}


def convert(lines):
    """What `wire-interop convert` makes of each line."""
    process = subprocess.Popen([programs.binary(), "convert"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    # Both pipes fill: somebody else writes while we read.
    writer = threading.Thread(target=lambda: (process.stdin.write("".join(f"{line}\n" for line in lines).encode()), process.stdin.close()))
    writer.start()
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    answers = process.stdout.read().decode().split("\n")
    watchdog.cancel()
    writer.join()
    process.stdout.close()
    assert process.wait() == 0
    assert answers.pop() == ""
    assert len(answers) == len(lines)
    return answers


def text(data):
    return base64.b64encode(data).decode()


def same(a, b):
    """Equal as JSON, numbers by value.

    The official library writes very small floats with more digits than they have (1.4013e-45 for 1e-45), so the same float is enough; the
    exact bits are compared where messages are.
    """
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(a, (int, float)) and isinstance(b, (int, float)) and (a == b or single(a) == single(b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def single(number):
    """The nearest float; what is too large for one is itself."""
    return struct.pack("<f", number) if abs(number) <= 3.5e38 else number


def canonical(message):
    return message.SerializeToString(deterministic=True)


def check(messages):
    """messages: [(label, official message)]. Bytes -> JSON -> bytes and JSON -> bytes -> JSON, each step made by either side."""
    lines, expected = [], []
    for _, message in messages:
        name = message.DESCRIPTOR.full_name
        data = canonical(message)
        official = json_format.MessageToDict(message, preserving_proto_field_name=True)
        # Python's own JSON text of the same message, in the other spelling of names.
        camel = json_format.MessageToJson(message, indent=None)
        full = json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        lines += [f"json {name} {text(data)}", f"all {name} {text(data)}", f"bytes {name} {camel}"]
        expected.append((data, official, full))
    answers = convert(lines)
    back = []
    for index, ((label, message), (data, official, full)) in enumerate(zip(messages, expected)):
        ours, ours_full, encoded = answers[3 * index:3 * index + 3]
        context = f"{label}: {message.DESCRIPTOR.full_name} {text(data)}"
        assert not ours.startswith("!") and not encoded.startswith("!"), f"{context}\n{ours}\n{encoded}"
        assert same(json.loads(ours), official), f"{context}\nours     {ours}\nofficial {official}"
        assert same(json.loads(ours_full), full), f"{context}\nours     {ours_full}\nofficial {full}"
        # Their JSON, our bytes: the same message for them, and the same bytes up to the order of map entries.
        parsed = type(message).FromString(base64.b64decode(encoded))
        assert canonical(parsed) == data, f"{context}\nencoded as {encoded}"
        assert len(base64.b64decode(encoded)) == len(data)
        # Our JSON, their bytes.
        assert canonical(json_format.Parse(ours, type(message)())) == data, f"{context}\n{ours}"
        back.append(f"bytes {message.DESCRIPTOR.full_name} {ours}")
    # Our JSON, our bytes.
    for (label, message), (data, _, _), encoded in zip(messages, expected, convert(back)):
        assert canonical(type(message).FromString(base64.b64decode(encoded))) == data, label


# Recorded messages


def delimited(data):
    position = 0
    while position < len(data):
        length = shift = 0
        while True:
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield data[position:position + length]
        position += length


def recorded(classes):
    public = FIXTURES / "public-rpc"
    for name, entry in json.loads((public / "decoded.json").read_text()).items():
        kind = entry["message"] if "." in entry["message"] else f"milvus.proto.milvus.{entry['message']}"
        yield name, classes[kind], (public / name).read_bytes()
    for version in ("v2.6.23", "v3.0.1"):
        folder = FIXTURES / "wal" / version
        for entry in json.loads((folder / "index.json").read_text())["files"]:
            path = folder / entry["file"]
            cls = classes.get(entry.get("proto") or entry.get("type") or "")
            if cls is None or not path.exists():
                continue
            data = path.read_bytes()
            is_many = path.suffix == ".pbs" or path.name.startswith("sequence-")
            for number, part in enumerate(delimited(data) if is_many else [data]):
                yield f"{path.name} {number}", cls, part
    for path in sorted((FIXTURES / "wal-live").glob("*/pchannel-*.pb")):
        for number, part in enumerate(delimited(path.read_bytes())):
            yield f"{path.name} {number}", classes["milvus.proto.milvus.DumpMessagesResponse"], part
    for path in sorted((FIXTURES / "wal-live").glob("*/rpc-*.json")):
        parts = list(delimited(path.with_suffix(".pb").read_bytes()))
        for entry in json.loads(path.read_text()):
            for side in ("request", "response"):
                index, kind = entry.get(f"{side}_index"), entry.get(f"{side}_type")
                if index is not None and kind in classes:
                    yield f"{path.name} {index}", classes[kind], parts[index]


def test_every_recorded_message(classes):
    messages = []
    for label, cls, data in recorded(classes):
        message = cls.FromString(data)
        messages.append((label, message))
    assert len(messages) > 1500
    check(messages)


# Generated messages

INTEGERS = {
    Field.TYPE_INT32: (-2**31, 2**31 - 1), Field.TYPE_SINT32: (-2**31, 2**31 - 1), Field.TYPE_SFIXED32: (-2**31, 2**31 - 1),
    Field.TYPE_INT64: (-2**63, 2**63 - 1), Field.TYPE_SINT64: (-2**63, 2**63 - 1), Field.TYPE_SFIXED64: (-2**63, 2**63 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1), Field.TYPE_FIXED32: (0, 2**32 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1), Field.TYPE_FIXED64: (0, 2**64 - 1),
}
TEXTS = ["", "a", "collection", "é", "日本", "\U0001f600", "\0", "a\0b", '"', "\\", "\n\t\b\f\r", "\x7f", "\u2028", "</script>", "x" * 300]


def scalar(field, rng):
    if field.type in INTEGERS:
        low, high = INTEGERS[field.type]
        return rng.choice([0, 1, low, high, rng.randint(low, high), rng.randint(max(low, -300), 300)])
    if field.type == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == Field.TYPE_FLOAT:
        return rng.choice([0.0, -0.0, 0.1, 1.0, 1e-45, 3.4028234663852886e38, 16777217.0, math.inf, -math.inf, math.nan,
                           rng.uniform(-1, 1), rng.uniform(-1e30, 1e30)])
    if field.type == Field.TYPE_DOUBLE:
        return rng.choice([0.0, -0.0, 0.1, 1.0, 5e-324, 1.7976931348623157e308, 1e16, 1e22, math.inf, -math.inf, math.nan,
                           rng.uniform(-1, 1), rng.uniform(-1e300, 1e300)])
    if field.type == Field.TYPE_STRING:
        return rng.choice(TEXTS)
    if field.type == Field.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 2, 3, 17]))
    values = [value.number for value in field.enum_type.values]
    return rng.choice(values + [0, -1, 4711])


def fill(message, rng, depth=0):
    """Any field may be set; a oneof ends with the member that was set last."""
    likely = 0.5 / (depth + 1)
    for field in message.DESCRIPTOR.fields:
        if rng.random() > likely:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            entries = getattr(message, field.name)
            key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
            for _ in range(rng.randint(0, 3)):
                if value.message_type is not None:
                    fill(entries[scalar(key, rng)], rng, depth + 1)
                else:
                    entries[scalar(key, rng)] = scalar(value, rng)
        elif field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask":
            message_of(message, field).paths.extend(rng.sample(["db", "collection_name", "a_b_c"], rng.randint(0, 3)))
        elif field.is_repeated:
            target = getattr(message, field.name)
            for _ in range(rng.randint(0, 3)):
                if field.message_type is not None:
                    if depth < 6:
                        fill(target.add(), rng, depth + 1)
                else:
                    target.append(scalar(field, rng))
        elif field.message_type is not None:
            if depth < 6:
                inner = message_of(message, field)
                fill(inner, rng, depth + 1)
        else:
            setattr(message, field.name, scalar(field, rng))


def message_of(message, field):
    inner = getattr(message, field.name)
    inner.SetInParent()
    return inner


def test_generated_messages_of_every_type(classes):
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    names = sorted(classes)
    messages = []
    for number in range(GENERATED):
        # Every type has its turn.
        cls = classes[names[number % len(names)]]
        message = cls()
        fill(message, rng)
        messages.append((f"SEED={seed} number {number}", message))
    assert {m.DESCRIPTOR.full_name for _, m in messages} == set(names)
    check(messages)
