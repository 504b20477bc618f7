"""Our .proto files and method table against the official descriptors, in both directions.

Ours are compiled with the protoc of grpcio-tools; the official ones are read from the installed
pymilvus and from protos/descriptors. Neither side of the comparison is made by our generator.
"""

import importlib.resources
import pathlib
import re

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from pymilvus.grpc_gen import common_pb2, feder_pb2, milvus_pb2, msg_pb2, rg_pb2, schema_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
OFFICIAL = {
    "common.proto": common_pb2,
    "schema.proto": schema_pb2,
    "rg.proto": rg_pb2,
    "feder.proto": feder_pb2,
    "msg.proto": msg_pb2,
    "milvus.proto": milvus_pb2,
}
LOG_PACKAGE = "milvus.proto.messages"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """File name -> FileDescriptorProto of our protos."""
    output = tmp_path_factory.mktemp("descriptors") / "ours.binpb"
    well_known = str(importlib.resources.files("grpc_tools") / "_proto")
    names = [path.name for path in sorted(PROTOS.glob("*.proto"))]
    status = protoc.main(
        ["protoc", f"-I{PROTOS}", f"-I{well_known}", f"--descriptor_set_out={output}", *names]
    )
    assert status == 0, "our protos do not compile"
    descriptor_set = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    return {file.name: file for file in descriptor_set.file}


@pytest.fixture(scope="session")
def log_set():
    (path,) = (PROTOS / "descriptors").glob("*.binpb")
    return descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())


def flatten(file, moves=None):
    """Everything that matters on the wire and in names, as a set of tuples."""
    moves = moves or {}
    facts = set()

    def type_of(name):
        return moves.get(name, name)

    def message(node, scope):
        name = f"{scope}.{node.name}"
        facts.add(("message", name, node.options.deprecated, node.options.map_entry))
        facts.update(("reserved", name, r.start, r.end) for r in node.reserved_range)
        facts.update(("reserved", name, text) for text in node.reserved_name)
        oneofs = [oneof.name for oneof in node.oneof_decl]
        for field in node.field:
            oneof = oneofs[field.oneof_index] if field.HasField("oneof_index") else None
            packed = field.options.packed if field.options.HasField("packed") else None
            facts.add(
                ("field", name, field.name, field.number, field.label, field.type)
                + (type_of(field.type_name), oneof, field.proto3_optional, packed)
                + (field.options.deprecated,)
            )
        for nested in node.nested_type:
            message(nested, name)
        for nested in node.enum_type:
            enum(nested, name)

    def enum(node, scope):
        name = f"{scope}.{node.name}"
        facts.add(("enum", name, node.options.deprecated, node.options.allow_alias))
        facts.update(("reserved", name, r.start, r.end) for r in node.reserved_range)
        for value in node.value:
            facts.add(("value", name, value.name, value.number, value.options.deprecated))

    scope = f".{file.package}"
    for node in file.message_type:
        message(node, scope)
    for node in file.enum_type:
        enum(node, scope)
    for node in file.extension:
        facts.add(("extension", node.name, node.number, node.extendee, node.type_name))
    for service in file.service:
        facts.add(("service", f"{scope}.{service.name}"))
        for method in service.method:
            facts.add(
                ("method", f"{scope}.{service.name}", method.name, method.input_type)
                + (method.output_type, method.client_streaming, method.server_streaming)
            )
    return facts


def same(ours, official):
    assert official, "nothing to compare with"
    assert sorted(map(str, official - ours)) == [], "missing or different in our protos"
    assert sorted(map(str, ours - official)) == [], "in our protos only"


def official_file(module):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def test_the_files_are_the_expected_ones(compiled):
    assert set(compiled) == {*OFFICIAL, "wal.proto"}


@pytest.mark.parametrize("name", OFFICIAL)
def test_public_protos_equal_the_official_descriptors(compiled, name):
    ours, official = compiled[name], official_file(OFFICIAL[name])
    assert ours.package == official.package
    assert ours.syntax == official.syntax
    same(flatten(ours), flatten(official))


@pytest.mark.parametrize("name", OFFICIAL)
def test_privileges_of_requests_are_kept(compiled, name):
    extension = common_pb2.privilege_ext_obj

    def privileges(file):
        return {
            message.name: str(message.options.Extensions[extension])
            for message in file.message_type
            if message.options.HasExtension(extension)
        }

    assert privileges(compiled[name]) == privileges(official_file(OFFICIAL[name]))


def moved_types():
    """Full name at home -> full name in wal.proto, as the comments there tell."""
    text = (PROTOS / "wal.proto").read_text()
    pairs = re.findall(r"// Declared as ([\w.]+)\.\n(?:message|enum) (\w+) ", text)
    return {f".{home}": f".{LOG_PACKAGE}.{name}" for home, name in pairs}


def top_level(descriptor_set):
    for file in descriptor_set.file:
        for node in [*file.message_type, *file.enum_type]:
            yield f".{file.package}.{node.name}", file, node


def test_log_protos_equal_the_descriptors_of_the_log(compiled, log_set):
    moves = moved_types()
    assert ".milvus.proto.streaming.StreamingCode" in moves
    expected = descriptor_pb2.FileDescriptorProto()
    expected.CopyFrom(next(file for file in log_set.file if file.package == LOG_PACKAGE))
    for name, _, node in top_level(log_set):
        if name in moves:
            is_enum = isinstance(node, descriptor_pb2.EnumDescriptorProto)
            (expected.enum_type if is_enum else expected.message_type).add().CopyFrom(node)
    nested = {
        f"{home}.{child.name}": f"{moves[home]}.{child.name}"
        for home, _, node in top_level(log_set)
        if home in moves and isinstance(node, descriptor_pb2.DescriptorProto)
        for child in [*node.nested_type, *node.enum_type]
    }
    same(flatten(compiled["wal.proto"]), flatten(expected, {**moves, **nested}))


def test_public_types_used_by_the_log_have_all_fields_the_log_knows(compiled, log_set):
    """The log's descriptors and pymilvus are of different versions: ours must contain both."""
    ours = set().union(*(flatten(file) for file in compiled.values()))
    known = {fact[1:4] for fact in ours if fact[0] == "field"}
    checked = 0
    for file in log_set.file:
        if file.package not in {f.package for f in compiled.values()} - {LOG_PACKAGE}:
            continue
        for fact in flatten(file):
            if fact[0] == "field":
                assert fact[1:4] in known, fact
                checked += 1
    assert checked > 1000


def test_the_method_table_equals_the_official_services():
    text = (ROOT / "Sources/MilvusWire/Milvus/MethodTable.swift").read_text()
    ours = set()
    for arguments in re.findall(r"Method\((.*)\),", text):
        service, name, request, response = re.findall(r'"([^"]*)"', arguments)
        streaming = ("clientStreaming: true" in arguments, "serverStreaming: true" in arguments)
        ours.add((service, name, request, response, *streaming))
    official = set()
    for module in OFFICIAL.values():
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                official.add(
                    (service.full_name, method.name, method.input_type.full_name)
                    + (method.output_type.full_name, method.client_streaming)
                    + (method.server_streaming,)
                )
    assert any(method[4] and method[5] for method in official)
    same(ours, official)
