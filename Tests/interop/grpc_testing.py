"""The gRPC project's interoperability services as a grpcio server, the independent witness for our client.

`grpc.testing.TestService` and `grpc.testing.UnimplementedService` behave as the project's test descriptions say. One service
is ours: `wireinterop.Relay/Echo` sends every message back as it came, for transfers whose bytes are compared.
"""

import concurrent.futures
import time

import grpc

import messages as m

SERVICE = "grpc.testing.TestService"
ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"
# Asks for the milliseconds that the server sees left until the deadline.
REMAINING_ASKED = "x-want-remaining-ms"
REMAINING = "x-remaining-ms"

# Name -> (request class, response class, client streams, server streams); UnimplementedCall exists nowhere on purpose.
METHODS = {
    "EmptyCall": (m.Empty, m.Empty, False, False),
    "UnaryCall": (m.SimpleRequest, m.SimpleResponse, False, False),
    "StreamingInputCall": (m.StreamingInputCallRequest, m.StreamingInputCallResponse, True, False),
    "StreamingOutputCall": (m.StreamingOutputCallRequest, m.StreamingOutputCallResponse, False, True),
    "FullDuplexCall": (m.StreamingOutputCallRequest, m.StreamingOutputCallResponse, True, True),
    "UnimplementedCall": (m.Empty, m.Empty, False, False),
}


class TestService:
    """The handlers."""

    __test__ = False  # Not a test class, though the gRPC project named it like one.

    def EmptyCall(self, request, context):
        self._echo_metadata(context)
        return m.Empty()

    def UnaryCall(self, request, context):
        self._echo_metadata(context)
        if self._fails(request, context):
            return m.SimpleResponse()
        return m.SimpleResponse(payload=m.zeros(request.response_size))

    def StreamingInputCall(self, requests, context):
        total = sum(len(request.payload.body) for request in requests)
        return m.StreamingInputCallResponse(aggregated_payload_size=total)

    def StreamingOutputCall(self, request, context):
        self._echo_metadata(context)
        if not self._fails(request, context):
            yield from self._responses(request)

    def FullDuplexCall(self, requests, context):
        self._echo_metadata(context)
        for request in requests:
            if self._fails(request, context):
                return
            yield from self._responses(request)

    @staticmethod
    def _responses(request):
        for parameters in request.response_parameters:
            if parameters.interval_us:
                time.sleep(parameters.interval_us / 1e6)
            yield m.StreamingOutputCallResponse(payload=m.zeros(parameters.size))

    @staticmethod
    def _fails(request, context):
        if not request.HasField("response_status"):
            return False
        code = {c.value[0]: c for c in grpc.StatusCode}[request.response_status.code]
        context.set_code(code)
        context.set_details(request.response_status.message)
        return code is not grpc.StatusCode.OK

    @staticmethod
    def _echo_metadata(context):
        received = dict(context.invocation_metadata())
        if ECHO_INITIAL in received:
            context.send_initial_metadata(((ECHO_INITIAL, received[ECHO_INITIAL]),))
        trailing = []
        if ECHO_TRAILING in received:
            trailing.append((ECHO_TRAILING, received[ECHO_TRAILING]))
        if REMAINING_ASKED in received:
            remaining = context.time_remaining()
            trailing.append((REMAINING, "none" if remaining is None else str(int(remaining * 1000))))
        if trailing:
            context.set_trailing_metadata(tuple(trailing))


def _handlers(service):
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    methods = {}
    for name, (request, response, client_streams, server_streams) in METHODS.items():
        handler = getattr(service, name, None)
        if handler is not None:
            make = kinds[client_streams, server_streams]
            methods[name] = make(handler, request.FromString, response.SerializeToString)
    relay = {"Echo": grpc.stream_stream_rpc_method_handler(lambda requests, context: requests)}
    return [
        grpc.method_handlers_generic_handler(SERVICE, methods),
        grpc.method_handlers_generic_handler("wireinterop.Relay", relay),
    ]


class GrpcioServer:
    """A grpcio server with the services on a free port of 127.0.0.1, or on `port` where a test starts it again."""

    def __init__(self, credentials=None, port=0, compression=None, options=()):
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=16),
            options=[*limits, *options],
            compression=compression,
        )
        self._server.add_generic_rpc_handlers(_handlers(TestService()))
        address = f"127.0.0.1:{port}"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        if self.port == 0:
            raise RuntimeError(f"grpcio cannot listen on {address}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """Ends it at once: running calls are cancelled, connections closed."""
        self._server.stop(grace=None).wait()
