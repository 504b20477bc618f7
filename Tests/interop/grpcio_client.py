"""Every named case as a grpcio client, the independent witness for our server.

A case raises AssertionError or grpc.RpcError when the server is wrong. `CASES` holds them by the names that the gRPC project
gives them.
"""

import queue

import grpc

import messages as m
from grpc_testing import ECHO_INITIAL, ECHO_TRAILING, METHODS, SERVICE

REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
SECONDS = 20  # No call of a case may take longer.
SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


class Stub:
    """TestService over one channel: `stub.UnaryCall(...)`."""

    def __init__(self, channel, service=SERVICE):
        make = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        for name, (request, response, client_streams, server_streams) in METHODS.items():
            call = make[client_streams, server_streams](
                f"/{service}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            setattr(self, name, call)


class Requests:
    """A request stream that a test feeds one message at a time."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, request):
        self._queue.put(request)

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def output_request(size, request_size=0, **fields):
    return m.StreamingOutputCallRequest(
        response_parameters=[m.ResponseParameters(size=size)], payload=m.zeros(request_size), **fields)


def status_of(call):
    """(code, details) of a call that must fail."""
    try:
        result = call()
        if hasattr(result, "__iter__"):
            list(result)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call succeeded")


def empty_unary(stub):
    assert stub.EmptyCall(m.Empty(), timeout=SECONDS) == m.Empty()


def large_unary(stub):
    request = m.SimpleRequest(response_size=314159, payload=m.zeros(271828))
    response = stub.UnaryCall(request, timeout=SECONDS)
    assert response.payload.body == bytes(314159)


def client_streaming(stub):
    requests = (m.StreamingInputCallRequest(payload=m.zeros(size)) for size in REQUEST_SIZES)
    assert stub.StreamingInputCall(requests, timeout=SECONDS).aggregated_payload_size == sum(REQUEST_SIZES) == 74922


def server_streaming(stub):
    request = m.StreamingOutputCallRequest(response_parameters=[m.ResponseParameters(size=size) for size in RESPONSE_SIZES])
    sizes = [len(response.payload.body) for response in stub.StreamingOutputCall(request, timeout=SECONDS)]
    assert sizes == list(RESPONSE_SIZES)


def ping_pong(stub):
    requests = Requests()
    responses = stub.FullDuplexCall(iter(requests), timeout=SECONDS)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.send(output_request(response_size, request_size))
        assert next(responses).payload.body == bytes(response_size)
    requests.close()
    assert list(responses) == []


def empty_stream(stub):
    assert list(stub.FullDuplexCall(iter(()), timeout=SECONDS)) == []


def timeout_on_sleeping_server(stub):
    requests = Requests()  # Never closed: the server waits for more until the deadline.
    requests.send(m.StreamingOutputCallRequest(payload=m.zeros(27182)))
    code, _ = status_of(lambda: stub.FullDuplexCall(iter(requests), timeout=0.001))
    requests.close()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


def cancel_after_begin(stub):
    requests = Requests()
    future = stub.StreamingInputCall.future(iter(requests), timeout=SECONDS)
    future.cancel()
    requests.close()
    assert future.code() is grpc.StatusCode.CANCELLED


def cancel_after_first_response(stub):
    requests = Requests()
    responses = stub.FullDuplexCall(iter(requests), timeout=SECONDS)
    requests.send(output_request(31415, 27182))
    assert len(next(responses).payload.body) == 31415
    responses.cancel()
    requests.close()
    code, _ = status_of(lambda: responses)
    assert code is grpc.StatusCode.CANCELLED


def custom_metadata(stub):
    metadata = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab"))

    def check(call):
        assert dict(call.initial_metadata())[ECHO_INITIAL] == "test_initial_metadata_value"
        assert dict(call.trailing_metadata())[ECHO_TRAILING] == b"\xab\xab\xab"

    request = m.SimpleRequest(response_size=314159, payload=m.zeros(271828))
    response, call = stub.UnaryCall.with_call(request, timeout=SECONDS, metadata=metadata)
    assert len(response.payload.body) == 314159
    check(call)
    responses = stub.FullDuplexCall(iter([output_request(314159, 271828)]), timeout=SECONDS, metadata=metadata)
    assert [len(response.payload.body) for response in responses] == [314159]
    check(responses)


def _expect_echoed_status(stub, code, message, streams):
    status = m.EchoStatus(code=code.value[0], message=message)
    request = m.SimpleRequest(response_status=status)
    assert status_of(lambda: stub.UnaryCall(request, timeout=SECONDS)) == (code, message)
    if streams:
        requests = iter([m.StreamingOutputCallRequest(response_status=status)])
        assert status_of(lambda: stub.FullDuplexCall(requests, timeout=SECONDS)) == (code, message)


def status_code_and_message(stub):
    _expect_echoed_status(stub, grpc.StatusCode.UNKNOWN, "test status message", streams=True)


def special_status_message(stub):
    _expect_echoed_status(stub, grpc.StatusCode.UNKNOWN, SPECIAL_MESSAGE, streams=False)


def unimplemented_method(stub):
    code, _ = status_of(lambda: stub.UnimplementedCall(m.Empty(), timeout=SECONDS))
    assert code is grpc.StatusCode.UNIMPLEMENTED


def unimplemented_service(stub):
    code, _ = status_of(lambda: stub.other.UnimplementedCall(m.Empty(), timeout=SECONDS))
    assert code is grpc.StatusCode.UNIMPLEMENTED


CASES = {
    case.__name__: case
    for case in (
        empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, timeout_on_sleeping_server,
        cancel_after_begin, cancel_after_first_response, custom_metadata, status_code_and_message, special_status_message,
        unimplemented_method, unimplemented_service)
}


def run(name, channel):
    stub = Stub(channel)
    stub.other = Stub(channel, "grpc.testing.UnimplementedService")
    CASES[name](stub)
