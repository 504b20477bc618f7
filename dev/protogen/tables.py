"""Tables made from the descriptors: the method table in Swift and the listing a Swift test compares."""

from .proto_text import SCALARS, FieldProto

METHODS = "Sources/MilvusWire/Milvus/MethodTable.swift"
ONEOFS = "Sources/MilvusWire/Protobuf/OneofTable.swift"
LISTING = "Tests/MilvusWireTests/Fixtures/descriptors.txt"


def generate(files):
    return {METHODS: method_table(files), ONEOFS: oneof_table(files), LISTING: "\n".join(listing(files)) + "\n"}


def method_table(files):
    lines = [
        "// Written by dev/generate-protos. Do not edit.",
        "// swift-format-ignore-file",
        "",
        "extension Method {",
        "  /// Every method of every service in `protos/`, in the order of the protos.",
        "  package static let all: [Method] = [",
    ]
    for file in files:
        for service in file.service:
            for method in service.method:
                lines.append(f"    Method({_arguments(file, service, method)}),")
    lines += ["  ]", "}", ""]
    return "\n".join(lines)


def oneof_table(files):
    """protobuf-c's descriptors know which fields belong together and not what that is called."""
    lines = [
        "// Written by dev/generate-protos. Do not edit.",
        "// swift-format-ignore-file",
        "",
        "/// Names of oneofs: message, then each member's field by its oneof. Those of one member alone, proto3's `optional`, are left out.",
        "enum OneofTable {",
        "  static let names: [String: [String: String]] = [",
    ]

    def visit(message, scope):
        name = f"{scope}.{message.name}"
        members = [(field.name, message.oneof_decl[field.oneof_index].name) for field in message.field
                   if field.HasField("oneof_index") and not field.proto3_optional]
        if members:
            lines.append(f'    "{name}": [' + ", ".join(f'"{field}": "{oneof}"' for field, oneof in members) + "],")
        for nested in message.nested_type:
            visit(nested, name)

    for file in files:
        for message in file.message_type:
            visit(message, file.package)
    lines += ["  ]", "}", ""]
    return "\n".join(lines)


def _arguments(file, service, method):
    parts = [
        f'"{file.package}.{service.name}"',
        f'"{method.name}"',
        f'"{method.input_type[1:]}"',
        f'"{method.output_type[1:]}"',
    ]
    if method.client_streaming:
        parts.append("clientStreaming: true")
    if method.server_streaming:
        parts.append("serverStreaming: true")
    return ", ".join(parts)


def listing(files):
    """One line per message, field and enum value, as the compiled C must describe them."""
    lines = []
    for file in files:
        for message in file.message_type:
            _message(message, file.package, lines)
    enums = _enum_index(files)
    used = set()
    for line in lines:
        words = line.split()
        if words[0] == "field" and words[4] == "enum":
            used.add(words[5])
    for name in used:
        for value in enums[name].value:
            lines.append(f"value {name} {value.name} {value.number}")
    return sorted(lines)


def _message(message, scope, lines):
    name = f"{scope}.{message.name}"
    lines.append(f"message {name}")
    for field in message.field:
        kind = "message" if field.type == FieldProto.TYPE_MESSAGE else SCALARS.get(field.type, "enum")
        label = "repeated" if field.label == FieldProto.LABEL_REPEATED else "singular"
        # Proto3 packs every repeated number; a oneof is told by its members only.
        packable = label == "repeated" and kind not in ("message", "string", "bytes")
        words = [f"field {name}.{field.name}", str(field.number), label, kind]
        words += [field.type_name[1:]] if field.type_name else []
        words += ["packed"] if packable else []
        words += ["oneof"] if field.HasField("oneof_index") else []
        words += ["deprecated"] if field.options.deprecated else []
        lines.append(" ".join(words))
    for nested in message.nested_type:
        _message(nested, name, lines)


def _enum_index(files):
    enums = {}

    def visit(message, scope):
        name = f"{scope}.{message.name}"
        for enum in message.enum_type:
            enums[f"{name}.{enum.name}"] = enum
        for nested in message.nested_type:
            visit(nested, name)

    for file in files:
        for enum in file.enum_type:
            enums[f"{file.package}.{enum.name}"] = enum
        for message in file.message_type:
            visit(message, file.package)
    return enums
