"""Reads the official descriptors and shapes the closure that protos/wal.proto needs."""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from importlib import metadata

from google.protobuf import descriptor_pb2

# In the order in which they may import each other.
OFFICIAL = ["common", "schema", "rg", "feder", "msg", "milvus"]
LOG_DESCRIPTORS = "descriptors/descriptors-v3.0.1.binpb"
LOG_PACKAGE = ".milvus.proto.messages"
# What travels in the text of a gRPC status, beyond the messages of the log itself.
LOG_EXTRAS = [".milvus.proto.streaming.StreamingError", ".milvus.proto.streaming.StreamingCode"]

# Field numbers of FileDescriptorProto, as paths in SourceCodeInfo spell them.
MESSAGE_TYPE, ENUM_TYPE = 4, 5


def load(protos):
    """FileDescriptorProto of every file in protos/, with custom options parsed."""
    official = [_official(name) for name in OFFICIAL]
    return [*official, log_file(read_log_set(protos), {f".{f.package}" for f in official})]


def _official(name):
    file = descriptor_pb2.FileDescriptorProto()
    grpc_gen(name).DESCRIPTOR.CopyToProto(file)
    return file


def grpc_gen(name):
    """The module pymilvus.grpc_gen.<name>_pb2, without running the rest of the package."""
    package = "pymilvus_grpc_gen"
    if package not in sys.modules:
        init = metadata.distribution("pymilvus").locate_file("pymilvus/grpc_gen")
        spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations = [str(init)]
        sys.modules[package] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{package}.{name}_pb2")


def read_log_set(protos):
    data = (protos / LOG_DESCRIPTORS).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest not in (protos / "PIN").read_text():
        sys.exit(f"generate-protos: {LOG_DESCRIPTORS} is not the file that protos/PIN names")
    return descriptor_pb2.FileDescriptorSet.FromString(data)


def log_file(descriptor_set, public_packages):
    """wal.proto: package messages, with the few types it takes from internal packages moved into it.

    A message on the wire does not carry its package, so moving a type changes no byte. Types of
    the public packages are imported. A comment above each moved type tells its full name.
    """
    types = index_types(descriptor_set)
    source = next(f for f in descriptor_set.file if f".{f.package}" == LOG_PACKAGE)
    roots = [f"{LOG_PACKAGE}.{t.name}" for t in [*source.message_type, *source.enum_type]]
    needed = _closure([*roots, *LOG_EXTRAS], types)
    moved = sorted(
        name
        for name in needed
        if types[name][1] not in public_packages | {LOG_PACKAGE} and types[name][2] is None
    )
    file = descriptor_pb2.FileDescriptorProto()
    file.CopyFrom(source)
    file.ClearField("dependency")
    file.ClearField("options")
    file.name = "wal.proto"
    file.dependency.extend(f"{name}.proto" for name in ["common", "schema", "rg", "milvus"])
    for name in moved:
        node = types[name][0]
        target = file.message_type if _is_message(node) else file.enum_type
        if any(node.name == other.name for other in [*file.message_type, *file.enum_type]):
            sys.exit(f"generate-protos: {name} collides with a type of {LOG_PACKAGE}")
        target.add().CopyFrom(node)
        file.source_code_info.location.add(
            path=[MESSAGE_TYPE if _is_message(node) else ENUM_TYPE, len(target) - 1],
            leading_comments=f"Declared as {name[1:]}.",
        )
    moves = {name: f"{LOG_PACKAGE}.{types[name][0].name}" for name in moved}
    for message in file.message_type:
        _rename(message, moves)
    return file


def index_types(descriptor_set):
    """Full name -> (node, package, full name of the enclosing message or None)."""
    types = {}

    def visit(node, package, parent):
        name = f"{parent or package}.{node.name}"
        types[name] = (node, package, parent)
        if _is_message(node):
            for child in [*node.nested_type, *node.enum_type]:
                visit(child, package, name)

    for file in descriptor_set.file:
        for node in [*file.message_type, *file.enum_type]:
            visit(node, f".{file.package}", None)
    return types


def _closure(roots, types):
    seen, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        node, _, parent = types[name]
        if parent:
            waiting.append(parent)
        if _is_message(node):
            waiting.extend(f.type_name for f in node.field if f.type_name)
    return seen


def _rename(message, moves):
    for field in message.field:
        for old, new in moves.items():
            if field.type_name == old or field.type_name.startswith(old + "."):
                field.type_name = new + field.type_name[len(old) :]
    for nested in message.nested_type:
        _rename(nested, moves)


def _is_message(node):
    return isinstance(node, descriptor_pb2.DescriptorProto)
