"""Runs protoc-c and writes the umbrella header and the registry of descriptors beside its output."""

import re
import subprocess

from . import proto_text

INCLUDE = "Sources/CProtobuf/include"
GENERATED = "Sources/CProtobuf/generated"
NOTE = "Written by dev/generate-protos. Do not edit."


def generate(files, work):
    """Path -> text of everything in Sources/CProtobuf."""
    source, output = work / "in", work / "out"
    source.mkdir()
    output.mkdir()
    names = [file.name for file in files]
    for file in files:
        (source / file.name).write_text(proto_text.render(file, for_c=True))
    command = ["protoc-c", f"--c_out={output}", f"-I{source}", "-I/usr/include", *names]
    subprocess.run(command, check=True)
    outputs = {}
    for file in files:
        stem = file.name.removesuffix(".proto")
        header = (output / f"{stem}.pb-c.h").read_text()
        # The descriptors keep the flag. In the header it would only turn reading what old servers
        # still send into a compiler warning.
        header = header.replace(" PROTOBUF_C__DEPRECATED", "")
        outputs[f"{INCLUDE}/{stem}.pb-c.h"] = _tidy(header)
        outputs[f"{GENERATED}/{stem}.pb-c.c"] = _tidy((output / f"{stem}.pb-c.c").read_text())
    outputs[f"{INCLUDE}/CProtobuf.h"] = _umbrella(files)
    outputs[f"{INCLUDE}/descriptor_registry.h"] = _registry_header()
    outputs[f"{GENERATED}/descriptor_registry.c"] = _registry(files, outputs)
    return outputs


def _tidy(text):
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines).rstrip() + "\n"


def _umbrella(files):
    includes = [f'#include "{file.name.removesuffix(".proto")}.pb-c.h"' for file in files]
    return "\n".join(
        [f"// {NOTE}", "#pragma once", "#include <protobuf-c/protobuf-c.h>"]
        + includes
        + ['#include "descriptor_registry.h"', ""]
    )


def _registry_header():
    return f"""// {NOTE}
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/// Swift may hand out the address of a copy of a C global, so descriptors are reached through these.
/// All messages, nested ones and map entries included, in the byte order of their full names.
size_t cdc_message_descriptor_count(void);
const ProtobufCMessageDescriptor *cdc_message_descriptor_at(size_t index);
/// NULL: no message has this full name, such as `milvus.proto.common.Status`.
const ProtobufCMessageDescriptor *cdc_message_descriptor(const char *full_name);
"""


def _registry(files, outputs):
    names = {}
    for file in files:
        stem = file.name.removesuffix(".proto")
        text = outputs[f"{GENERATED}/{stem}.pb-c.c"]
        pattern = r"const ProtobufCMessageDescriptor (\w+) =\n\{\n\s*PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,\n\s*\"([\w.]+)\""
        names.update({full: symbol for symbol, full in re.findall(pattern, text)})
    rows = "\n".join(f"  &{names[full]}," for full in sorted(names))
    return f"""// {NOTE}
#include "CProtobuf.h"
#include <string.h>

static const ProtobufCMessageDescriptor *const descriptors[] = {{
{rows}
}};

size_t cdc_message_descriptor_count(void) {{ return sizeof descriptors / sizeof descriptors[0]; }}

const ProtobufCMessageDescriptor *cdc_message_descriptor_at(size_t index) {{
  return index < cdc_message_descriptor_count() ? descriptors[index] : NULL;
}}

const ProtobufCMessageDescriptor *cdc_message_descriptor(const char *full_name) {{
  size_t low = 0, high = cdc_message_descriptor_count();
  while (low < high) {{
    size_t middle = low + (high - low) / 2;
    int order = strcmp(full_name, descriptors[middle]->name);
    if (order == 0) return descriptors[middle];
    if (order < 0) high = middle;
    else low = middle + 1;
  }}
  return NULL;
}}
"""
