// Written by dev/generate-protos. Do not edit.
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/// Swift may hand out the address of a copy of a C global, so descriptors are reached through these.
/// All messages, nested ones and map entries included, in the byte order of their full names.
size_t cdc_message_descriptor_count(void);
const ProtobufCMessageDescriptor *cdc_message_descriptor_at(size_t index);
/// NULL: no message has this full name, such as `milvus.proto.common.Status`.
const ProtobufCMessageDescriptor *cdc_message_descriptor(const char *full_name);
