"""`cdc-bridge call` against grpcio servers: streams as they go, statuses, fields of the future, both sides of a TLS misunderstanding."""

import concurrent.futures
import json
import pathlib
import subprocess
import threading

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

import programs

SECONDS = 60
PROGRAM = str(pathlib.Path(programs.binary()).with_name("cdc-bridge"))


class Servicer(milvus_pb2_grpc.MilvusServiceServicer):
    """Confirms every replicated message, and refuses what says so."""

    def GetVersion(self, request, context):
        context.set_trailing_metadata((("x-seen", dict(context.invocation_metadata()).get("x-who", "nobody")),))
        return milvus_pb2.GetVersionResponse(version="test")

    def CreateReplicateStream(self, requests, context):
        for number, request in enumerate(requests, 1):
            if request.replicate_message.source_cluster_id == "refused":
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
            response = milvus_pb2.ReplicateResponse()
            response.replicate_confirmed_message_info.confirmed_time_tick = number
            yield response

    def DumpMessages(self, request, context):
        for number in range(3):
            response = milvus_pb2.DumpMessagesResponse()
            response.message.id.id = f"{request.pchannel}/{number}"
            yield response
        context.abort(grpc.StatusCode.OUT_OF_RANGE, "the end")


@pytest.fixture
def serve():
    """Starts a server, with TLS where credentials are given; answers its address."""
    servers = []

    def start(credentials=None, handlers=()):
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Servicer(), server)
        if handlers:
            server.add_generic_rpc_handlers(handlers)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(0).wait()


def call(*arguments, stdin=b""):
    done = subprocess.run([PROGRAM, "call", *arguments], input=stdin, capture_output=True, timeout=SECONDS, env={})
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def confirmed(answer):
    return answer["replicate_confirmed_message_info"]["confirmed_time_tick"]


def test_each_request_is_sent_when_it_is_there(serve):
    """An answer comes back before the next request exists."""
    process = subprocess.Popen([PROGRAM, "call", "CreateReplicateStream", "--uri", serve()], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={})
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        for number in (1, 2, 3):
            # Over several lines and in pieces: a request is there with its last bracket.
            for piece in (b'{"replicate_message":\n', b' {"source_cluster_id": "a"}', b"}"):
                process.stdin.write(piece)
                process.stdin.flush()
            assert confirmed(json.loads(process.stdout.readline())) == str(number)
        process.stdin.close()
        assert process.wait(SECONDS) == 0, process.stderr.read()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_many_requests_from_a_file(serve, tmp_path):
    path = tmp_path / "requests"
    path.write_text('{"replicate_message": {"source_cluster_id": "a"}}\n' * 1000)
    code, answers, errors = call("CreateReplicateStream", "-d", f"@{path}", "--uri", serve())
    assert code == 0, errors
    assert [confirmed(answer) for answer in answers] == [str(n) for n in range(1, 1001)]


def test_a_stream_that_the_server_ends_has_its_status(serve):
    address = serve()
    lines = b'{"replicate_message": {"source_cluster_id": "a"}}\n{"replicate_message": {"source_cluster_id": "refused"}}\n'
    code, answers, errors = call("CreateReplicateStream", "-d", "@-", "--uri", address, stdin=lines)
    assert (code, len(answers)) == (64 + 7, 1), errors
    assert "not you" in errors
    code, answers, errors = call("DumpMessages", '{"pchannel": "p"}', "--uri", address)
    assert (code, [answer["message"]["id"]["id"] for answer in answers]) == (64 + 11, ["p/0", "p/1", "p/2"]), errors


def test_a_mistake_in_the_middle_of_a_stream_ends_it(serve):
    lines = b'{"replicate_message": {"source_cluster_id": "a"}}\n{"replicate_massage": {}}\n'
    code, _, errors = call("CreateReplicateStream", "-d", "@-", "--uri", serve(), stdin=lines)
    assert code == 2
    assert "standard input: replicate_massage: milvus.proto.milvus.ReplicateRequest has no such field" in errors


def test_trailers_are_shown(serve):
    code, _, errors = call("GetVersion", "-v", "-H", "x-who: me", "--uri", serve())
    assert code == 0
    assert any(line.startswith("<") and line.endswith("x-seen: me") for line in errors.splitlines()), errors


def test_a_field_of_the_future_is_reported(serve):
    answer = milvus_pb2.GetVersionResponse(version="new").SerializeToString() + b"\xba\x3e\x03abc"  # Field 999, three bytes.
    handler = grpc.method_handlers_generic_handler("milvus.proto.milvus.ClientTelemetryService", {
        "ClientHeartbeat": grpc.unary_unary_rpc_method_handler(lambda request, context: answer)})
    code, answers, errors = call("ClientHeartbeat", "--uri", serve(handlers=[handler]))
    assert len(answers) == 1, errors
    assert "milvus.proto.milvus.ClientHeartbeatResponse has no field 999 in our protos: not shown" in errors


def test_tls_and_both_misunderstandings(serve, certificates):
    secure, plain = serve(certificates.server_credentials(client_ca=None)), serve()
    port = secure.split(":")[1]
    code, _, errors = call("GetVersion", "--uri", f"https://localhost:{port}", "--ca-file", certificates.path("ca"))
    assert code == 0, errors
    code, _, errors = call("GetVersion", "--uri", f"https://localhost:{port}")
    assert code == 64 + 14 and "certificate" in errors, errors
    code, _, errors = call("GetVersion", "--uri", f"http://{secure}", "--plaintext", "--timeout", "10")
    assert code in (64 + 14, 64 + 4) and errors.startswith("cdc-bridge call: "), errors
    print(errors)
    code, _, errors = call("GetVersion", "--uri", f"https://{plain}")
    assert code == 64 + 14 and "speaks cleartext, not TLS" in errors, errors
