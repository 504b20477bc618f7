// Written by dev/generate-protos. Do not edit.
#pragma once
#include <protobuf-c/protobuf-c.h>
#include "common.pb-c.h"
#include "schema.pb-c.h"
#include "rg.pb-c.h"
#include "feder.pb-c.h"
#include "msg.pb-c.h"
#include "milvus.pb-c.h"
#include "wal.pb-c.h"
#include "descriptor_registry.h"
