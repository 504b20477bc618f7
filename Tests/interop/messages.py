"""The message classes of testing.proto, compiled in memory with the protoc of grpcio-tools: no file is generated."""

import pathlib
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent


def compile_messages():
    with tempfile.TemporaryDirectory() as scratch:
        output = pathlib.Path(scratch) / "testing.binpb"
        status = protoc.main(["protoc", f"-I{HERE}", f"--descriptor_set_out={output}", "testing.proto"])
        if status != 0:
            raise RuntimeError("testing.proto does not compile")
        files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    # A pool of its own: the process-wide one may hold somebody else's grpc.testing.
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = [message.name for file in files.file for message in file.message_type]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"grpc.testing.{name}")) for name in names}


_CLASSES = compile_messages()
Empty = _CLASSES["Empty"]
Payload = _CLASSES["Payload"]
EchoStatus = _CLASSES["EchoStatus"]
SimpleRequest = _CLASSES["SimpleRequest"]
SimpleResponse = _CLASSES["SimpleResponse"]
StreamingInputCallRequest = _CLASSES["StreamingInputCallRequest"]
StreamingInputCallResponse = _CLASSES["StreamingInputCallResponse"]
ResponseParameters = _CLASSES["ResponseParameters"]
StreamingOutputCallRequest = _CLASSES["StreamingOutputCallRequest"]
StreamingOutputCallResponse = _CLASSES["StreamingOutputCallResponse"]


def zeros(size):
    """The payload that the services answer with."""
    return Payload(body=bytes(size))
