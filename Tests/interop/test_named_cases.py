"""The gRPC project's named cases: our client against a grpcio server, a grpcio client against ours, with and without TLS."""

import grpc
import pytest

import grpcio_client
import messages as m
import programs

CASES = list(grpcio_client.CASES)


@pytest.mark.parametrize("case", CASES)
def test_our_client_against_grpcio(case, grpcio_server, security):
    result = programs.client(grpcio_server.address, case, *security.client_options)
    assert (result.code, result.errors, result.output) == (0, "", b""), result


def test_the_deadline_reaches_a_grpcio_server(grpcio_server, security):
    options = [*security.client_options, "--timeout-ms", 7000]
    result = programs.client(grpcio_server.address, "deadline_reaches_server", *options)
    assert result.code == 0, result
    assert 0 < int(result.output) <= 7000


@pytest.mark.parametrize("case", CASES)
def test_grpcio_against_our_server(case, channel):
    grpcio_client.run(case, channel)


def test_our_server_hears_of_a_cancellation(security):
    with programs.server(*security.server_options) as server, security.channel(server.address) as channel:
        grpcio_client.run("cancel_after_first_response", channel)
        assert server.line() == "ended FullDuplexCall cancelled"


def test_our_server_ends_a_handler_at_the_deadline(security):
    """The handler would take ten minutes."""
    with programs.server(*security.server_options) as server, security.channel(server.address) as channel:
        request = m.StreamingOutputCallRequest(response_parameters=[m.ResponseParameters(size=1, interval_us=600_000_000)])
        call = grpcio_client.Stub(channel).StreamingOutputCall(request, timeout=0.2)
        assert grpcio_client.status_of(lambda: call)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        assert server.line().startswith("ended StreamingOutputCall ")


@pytest.mark.parametrize("case", CASES)
def test_our_client_against_our_server(case, our_server, security):
    result = programs.client(our_server.address, case, *security.client_options)
    assert (result.code, result.errors, result.output) == (0, "", b""), result
