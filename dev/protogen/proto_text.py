"""Renders a FileDescriptorProto as .proto text in one canonical form.

Two dialects: the full one, which is checked in as protos/*.proto, and the one protoc-c 1.4 can
read. The second leaves out services and custom options, spells `optional T f` as the one-member
oneof that it is, and names protobuf-c's base member `pbc` because 114 messages have a field
`base`. No field changes its name, number or type.
"""

from google.protobuf import descriptor_pb2

from .descriptors import ENUM_TYPE, MESSAGE_TYPE

FieldProto = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    getattr(FieldProto, f"TYPE_{name.upper()}"): name
    for name in (
        "double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32"
        " sfixed32 sfixed64 sint32 sint64"
    ).split()
}


def render(file, for_c=False):
    return _Printer(file, for_c).text()


class _Printer:
    def __init__(self, file, for_c):
        self.file = file
        self.for_c = for_c
        self.lines = []
        self.depth = 0

    def text(self):
        file = self.file
        self.line("// Written by dev/generate-protos from official descriptors (protos/PIN). Do not edit.")
        self.line(f'syntax = "{file.syntax}";')
        self.line()
        self.line(f"package {file.package};")
        self.line()
        for name in self.imports():
            self.line(f'import "{name}";')
        if self.for_c:
            for option, value in self.c_options():
                self.line(f"option (pb_c_file).{option} = {value};")
        if not self.for_c:
            for extension in file.extension:
                self.extension(extension)
        comments = {tuple(l.path): l.leading_comments for l in file.source_code_info.location}
        for index, enum in enumerate(file.enum_type):
            self.line()
            self.comment(comments.get((ENUM_TYPE, index)))
            self.enum(enum)
        for index, message in enumerate(file.message_type):
            self.line()
            self.comment(comments.get((MESSAGE_TYPE, index)))
            self.message(message)
        if not self.for_c:
            for service in file.service:
                self.line()
                self.service(service)
        return "\n".join(self.lines) + "\n"

    def imports(self):
        names = list(self.file.dependency)
        if not self.for_c:
            return names
        names = [name for name in names if self.uses(name)]
        return [*names, "protobuf-c/protobuf-c.proto"]

    def uses(self, imported):
        """Whether a field needs the file; without services and options some imports are idle."""
        package = f".milvus.proto.{imported.removesuffix('.proto')}."

        def any_field(message):
            fields = any(field.type_name.startswith(package) for field in message.field)
            return fields or any(any_field(nested) for nested in message.nested_type)

        return any(any_field(message) for message in self.file.message_type)

    def c_options(self):
        yield "gen_pack_helpers", "false"
        yield "gen_init_helpers", "false"
        yield "c_package", f'"{c_package(self.file)}"'

    def line(self, text=""):
        self.lines.append("  " * self.depth + text if text else "")

    def comment(self, text):
        if text:
            self.line(f"// {text}")

    def block(self, head):
        printer = self

        class Block:
            def __enter__(self):
                printer.line(head + " {")
                printer.depth += 1

            def __exit__(self, *_):
                printer.depth -= 1
                printer.line("}")

        return Block()

    def extension(self, field):
        self.line()
        with self.block(f"extend {field.extendee[1:]}"):
            self.line(f"{self.type_name(field)} {field.name} = {field.number};")

    def enum(self, enum):
        with self.block(f"enum {enum.name}"):
            self.flags(enum.options, ["allow_alias", "deprecated"])
            # protobuf keeps the end of an enum range, and one past the end of a message range.
            ranges = [(r.start, r.end) for r in enum.reserved_range]
            self.reserved(ranges, enum.reserved_name)
            for value in enum.value:
                suffix = " [deprecated = true]" if value.options.deprecated else ""
                self.line(f"{value.name} = {value.number}{suffix};")

    def message(self, message):
        with self.block(f"message {message.name}"):
            if self.for_c:
                self.line('option (pb_c_msg).base_field_name = "pbc";')
            self.flags(message.options, ["deprecated"])
            if not self.for_c:
                self.custom_options(message.options)
            ranges = [(r.start, r.end - 1) for r in message.reserved_range]
            self.reserved(ranges, message.reserved_name)
            for enum in message.enum_type:
                self.enum(enum)
            maps = {}
            for nested in message.nested_type:
                if nested.options.map_entry:
                    maps[nested.name] = nested
                else:
                    self.message(nested)
            self.fields(message, maps)

    def fields(self, message, maps):
        done = set()
        for field in message.field:
            if not field.HasField("oneof_index"):
                self.field(field, maps)
            elif field.proto3_optional and not self.for_c:
                self.field(field, maps, "optional ")
            elif field.oneof_index not in done:
                done.add(field.oneof_index)
                members = [
                    f
                    for f in message.field
                    if f.HasField("oneof_index") and f.oneof_index == field.oneof_index
                ]
                with self.block(f"oneof {message.oneof_decl[field.oneof_index].name}"):
                    for member in members:
                        self.field(member, maps)

    def field(self, field, maps, label=""):
        suffix = " [deprecated = true]" if field.options.deprecated else ""
        entry = maps.get(field.type_name.rsplit(".", 1)[-1]) if field.type_name else None
        if entry is not None:
            key, value = (self.type_name(f) for f in entry.field)
            kind = f"map<{key}, {value}>"
        else:
            if field.label == FieldProto.LABEL_REPEATED:
                label = "repeated "
            kind = label + self.type_name(field)
        self.line(f"{kind} {field.name} = {field.number}{suffix};")

    def type_name(self, field):
        if not field.type_name:
            return SCALARS[field.type]
        name = field.type_name[1:]
        if name.startswith(self.file.package + "."):
            return name[len(self.file.package) + 1 :]
        return name.removeprefix("milvus.proto.")

    def flags(self, options, names):
        for name in names:
            if getattr(options, name):
                self.line(f"option {name} = true;")

    def custom_options(self, options):
        for extension, value in options.ListFields():
            if extension.is_extension:
                short = extension.full_name.removeprefix("milvus.proto.")
                with self.block(f"option ({short}) ="):
                    for member, content in value.ListFields():
                        for item in content if member.is_repeated else [content]:
                            self.line(f"{member.name}: {_literal(member, item)}")
                self.lines[-1] += ";"

    def reserved(self, ranges, names):
        if ranges:
            text = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in ranges)
            self.line(f"reserved {text};")
        if names:
            self.line("reserved " + ", ".join(f'"{name}"' for name in names) + ";")

    def service(self, service):
        with self.block(f"service {service.name}"):
            for method in service.method:
                request = self.method_type(method.input_type, method.client_streaming)
                response = self.method_type(method.output_type, method.server_streaming)
                head = f"rpc {method.name}({request}) returns ({response})"
                if method.options.deprecated:
                    with self.block(head):
                        self.line("option deprecated = true;")
                else:
                    self.line(head + ";")

    def method_type(self, name, streaming):
        field = FieldProto(type_name=name)
        return ("stream " if streaming else "") + self.type_name(field)


def _literal(field, value):
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return str(value)


def c_package(file):
    """The prefix of the C names: the last part of the package, `wal` for the log."""
    return "wal" if file.name == "wal.proto" else file.package.rsplit(".", 1)[-1]
