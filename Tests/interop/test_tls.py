"""TLS that must not come about, each with the text that a person sees; and what it needs to come about."""

import socket
import ssl

import grpc
import pytest

import grpcio_client
import programs
from grpc_testing import GrpcioServer
from raw_peer import RawServer

NOT_TRUSTED = ("unavailable: the TLS handshake with PEER failed: the server's certificate is not trusted: "
               "unable to get local issuer certificate (give the CA file that signed it)")
NO_ALPN = "unavailable: PEER does not offer HTTP/2 over TLS (no application protocol was agreed on)"
# grpcio refuses a client's certificate without an alert.
CLOSED = "unavailable: cannot connect to PEER: the server closed the connection at once (does it want a client certificate?)"


@pytest.fixture(scope="module")
def tls_server(certificates):
    with GrpcioServer(certificates.server_credentials()) as server:
        yield server


@pytest.fixture(scope="module")
def mutual_server(certificates):
    with GrpcioServer(certificates.server_credentials(client_ca="ca")) as server:
        yield server


def expect_failure(result, reason):
    assert (result.code, result.reason, result.output) == (1, reason, b"")


def test_a_stranger_signed_the_server(tls_server, certificates):
    result = programs.client(tls_server.address, "empty_unary", "--tls", "--ca", certificates.path("other_ca"))
    expect_failure(result, NOT_TRUSTED)


def test_the_systems_trust_does_not_know_the_server(tls_server):
    expect_failure(programs.client(tls_server.address, "empty_unary", "--tls"), NOT_TRUSTED)


def test_the_certificate_is_for_another_name(tls_server, certificates):
    options = ["--tls", "--ca", certificates.path("ca"), "--server-name", "other.example"]
    expect_failure(
        programs.client(tls_server.address, "empty_unary", *options),
        "unavailable: the TLS handshake with PEER failed: the server's certificate is for localhost, milvus.example, "
        "127.0.0.1, 0:0:0:0:0:0:0:1, not for other.example (set the server name if this is right)")


def test_the_certificate_has_expired(certificates):
    with GrpcioServer(certificates.server_credentials("expired")) as server:
        result = programs.client(server.address, "empty_unary", "--tls", "--ca", certificates.path("ca"))
    expect_failure(result, "unavailable: the TLS handshake with PEER failed: the server's certificate expired on 2020-02-01")


def test_the_ca_file_is_missing(tls_server):
    result = programs.client(tls_server.address, "empty_unary", "--tls", "--ca", "no-such-file.pem")
    expect_failure(result, "unavailable: cannot read the CA file no-such-file.pem: No such file or directory (PEER)")


def test_the_key_is_not_the_certificates(tls_server, certificates):
    options = ["--tls", "--ca", certificates.path("ca"), "--cert", certificates.path("client"),
               "--key", certificates.key("stranger")]
    expect_failure(programs.client(tls_server.address, "empty_unary", *options), f"unavailable: the client key {certificates.key('stranger')} does not belong to the certificate "
                           f"{certificates.path('client')} (PEER)")


def test_the_server_wants_a_client_certificate(mutual_server, certificates):
    result = programs.client(mutual_server.address, "empty_unary", "--tls", "--ca", certificates.path("ca"))
    expect_failure(result, CLOSED)


def test_the_server_refuses_a_strangers_certificate(mutual_server, certificates):
    options = ["--tls", "--ca", certificates.path("ca"), "--cert", certificates.path("stranger"),
               "--key", certificates.key("stranger")]
    expect_failure(programs.client(mutual_server.address, "empty_unary", *options), CLOSED)


def test_tls_to_a_cleartext_port(certificates):
    with GrpcioServer() as server:
        result = programs.client(server.address, "empty_unary", "--tls", "--ca", certificates.path("ca"))
    expect_failure(result, "unavailable: PEER speaks cleartext, not TLS")


def test_cleartext_to_a_tls_port(tls_server):
    """grpcio closes such a connection without a word; the client says what it saw."""
    expect_failure(programs.client(tls_server.address, "empty_unary"),
                   "unavailable: cannot connect to PEER: the server closed the connection at once (does it want TLS?)")


def test_a_server_that_never_shakes_hands(certificates):
    with RawServer(lambda connection: connection.drain_bytes()) as server:
        options = ["--tls", "--ca", certificates.path("ca"), "--connect-timeout-ms", 300]
        result = programs.client(server.address, "empty_unary", *options)
    expect_failure(result, "unavailable: cannot connect to PEER: timed out after 300 ms in the TLS handshake")


def server_context(certificates, protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server"), certificates.key("server"))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


@pytest.mark.parametrize(("protocols", "reason"), [(["http/1.1"], NO_ALPN), ([], NO_ALPN)], ids=["http1", "none"])
def test_a_server_that_does_not_agree_on_h2(certificates, protocols, reason):
    with RawServer(lambda connection: connection.drain_bytes(), tls=server_context(certificates, protocols)) as server:
        result = programs.client(server.address, "empty_unary", "--tls", "--ca", certificates.path("ca"))
    expect_failure(result, reason)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_only_tls_1_1(certificates):
    context = server_context(certificates, ["h2"])
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with RawServer(lambda connection: connection.drain_bytes(), tls=context) as server:
        result = programs.client(server.address, "empty_unary", "--tls", "--ca", certificates.path("ca"))
    expect_failure(result, "unavailable: the TLS handshake with PEER failed: no common TLS version (1.2 or newer is needed)")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_the_client_offers_the_name_and_h2(certificates, version):
    seen = {}

    def script(connection):
        seen["protocol"] = connection.sock.selected_alpn_protocol()
        seen["version"] = connection.sock.version()
        connection.greet()
        request = connection.read_request()
        seen["authority"] = request.headers[":authority"]
        seen["scheme"] = request.headers[":scheme"]
        connection.answer(request)
        connection.drain()

    context = server_context(certificates, ["h2"])
    context.minimum_version = context.maximum_version = version
    context.sni_callback = lambda sock, name, unused: seen.update(name=name)
    with RawServer(script, tls=context) as server:
        options = ["--tls", "--ca", certificates.path("ca"), "--server-name", "milvus.example"]
        result = programs.client(server.address, "empty_unary", *options)
    assert result.code == 0, result
    wanted = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
    assert wanted[seen.pop("version")] == version
    assert seen == {"name": "milvus.example", "protocol": "h2", "authority": "milvus.example", "scheme": "https"}


# --- Our server


@pytest.fixture(scope="module")
def our_mutual_server(certificates):
    options = ["--cert", certificates.path("server"), "--key", certificates.key("server"), "--client-ca", certificates.path("ca")]
    with programs.server(*options) as server:
        yield server


@pytest.mark.parametrize("client", [None, "stranger"])
def test_our_server_refuses_a_client_without_a_right_certificate(our_mutual_server, certificates, client):
    with grpc.secure_channel(our_mutual_server.address, certificates.channel_credentials(client)) as channel:
        code, _ = grpcio_client.status_of(lambda: grpcio_client.run("empty_unary", channel))
        assert code is grpc.StatusCode.UNAVAILABLE
    with grpc.secure_channel(our_mutual_server.address, certificates.channel_credentials("client")) as channel:
        grpcio_client.run("empty_unary", channel)


def test_our_server_survives_a_client_that_never_shakes_hands(certificates):
    options = ["--cert", certificates.path("server"), "--key", certificates.key("server"), "--connect-timeout-ms", 300]
    with programs.server(*options) as server:
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=programs.SECONDS) as silent:
            assert silent.recv(1) == b""  # Closed by the server, not by us.
        with grpc.secure_channel(server.address, certificates.channel_credentials()) as channel:
            grpcio_client.run("empty_unary", channel)


@pytest.mark.parametrize("protocols", [["http/1.1"], []], ids=["http1", "none"])
def test_our_server_refuses_a_client_that_does_not_offer_h2(our_mutual_server, certificates, protocols):
    context = ssl.create_default_context(cafile=certificates.path("ca"))
    context.load_cert_chain(certificates.path("client"), certificates.key("client"))
    if protocols:
        context.set_alpn_protocols(protocols)
    host, port = our_mutual_server.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=programs.SECONDS) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                # With TLS 1.3 the client's handshake ends before the server's refusal arrives.
                if secured.recv(1) == b"":
                    raise ConnectionResetError("closed")


def test_our_servers_wrong_files_stop_it_with_a_reason(certificates):
    with programs.Program("server", "--listen", "127.0.0.1:0", "--cert", certificates.path("server"),
                          "--key", certificates.key("client")) as server:
        assert server.finish() == 1
        assert server.errors == (f"the server key {certificates.key('client')} does not belong to the certificate "
                                 f"{certificates.path('server')}\n")
