"""The recording file, read and written by code of its own (docs/RECORDING.md)."""

import struct

from pymilvus.grpc_gen import common_pb2

MAGIC = b"CDCR"
HEAD = struct.Struct("<4sBBHIII")


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def lz4(data, size):
    """One LZ4 block, unpacked."""
    out, at = bytearray(), 0

    def length(start):
        nonlocal at
        total = start
        if start == 15:
            while True:
                total += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        return total

    while at < len(data):
        token = data[at]
        at += 1
        literals = length(token >> 4)
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            break
        back = data[at] | data[at + 1] << 8
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-back])
    assert len(out) == size
    return bytes(out)


def blocks(data):
    """(kind, body) of every block; nothing may be damaged."""
    at = 0
    while at < len(data):
        magic, kind, encoding, version, stored, plain, total = HEAD.unpack_from(data, at)
        assert magic == MAGIC and version == 1 and struct.unpack_from("<I", data, at + 20)[0] == crc32c(data[at:at + 20])
        body = data[at + 24:at + 24 + stored]
        assert crc32c(body) == total
        yield kind, lz4(body, plain) if encoding else body
        at += 24 + stored


def block(kind, body):
    head = HEAD.pack(MAGIC, kind, 0, 1, len(body), len(body), crc32c(body))
    return head + struct.pack("<I", crc32c(head)) + body


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def fields(data):
    """(number, bytes) of a message that has length-delimited fields alone."""
    at = 0
    while at < len(data):
        tag, length, shift = data[at], 0, 0
        at += 1
        while True:
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        yield tag >> 3, data[at:at + length]
        at += length


def field(number, data):
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def rewrite(path, change):
    """Passes every message of the file through `change`."""
    out = b""
    for kind, body in blocks(path.read_bytes()):
        if kind == 2:
            entries = []
            for _, entry in fields(body):
                pchannel, message = (part for _, part in fields(entry))
                changed = change(common_pb2.ImmutableMessage.FromString(message))
                entries.append(field(1, field(1, pchannel) + field(2, changed.SerializeToString())))
            body = b"".join(entries)
        out += block(kind, body)
    path.write_bytes(out)
