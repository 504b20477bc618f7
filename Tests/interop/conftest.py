"""Shared fixtures: certificates, the three kinds of security, and a server of each side for each kind."""

import grpc
import pytest

import programs
from certificates import Certificates
from grpc_testing import GrpcioServer


def pytest_sessionstart(session):
    programs.binary()  # A missing binary fails the run; it must not look like skipped tests.


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Security:
    """One way to protect a connection, as options for either side."""

    def __init__(self, name, certificates):
        self.name = name
        is_tls, is_mutual = name != "cleartext", name == "mtls"
        c = certificates
        self.server_credentials = c.server_credentials(client_ca="ca" if is_mutual else None) if is_tls else None
        self.channel_credentials = c.channel_credentials("client" if is_mutual else None) if is_tls else None
        # For our client and our server.
        self.client_options = ["--tls", "--ca", c.path("ca")] if is_tls else []
        self.server_options = ["--cert", c.path("server"), "--key", c.key("server")] if is_tls else []
        if is_mutual:
            self.client_options += ["--cert", c.path("client"), "--key", c.key("client")]
            self.server_options += ["--client-ca", c.path("ca")]

    def channel(self, address, options=()):
        """A grpcio channel without a size limit."""
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), *options]
        if self.channel_credentials is None:
            return grpc.insecure_channel(address, options=options)
        return grpc.secure_channel(address, self.channel_credentials, options=options)


@pytest.fixture(scope="session", params=["cleartext", "tls", "mtls"])
def security(request, certificates):
    return Security(request.param, certificates)


@pytest.fixture(scope="session")
def grpcio_server(security):
    with GrpcioServer(security.server_credentials) as server:
        yield server


@pytest.fixture(scope="session")
def our_server(security):
    with programs.server(*security.server_options) as server:
        yield server


@pytest.fixture(scope="session")
def channel(our_server, security):
    """A grpcio channel to our server."""
    with security.channel(our_server.address) as channel:
        yield channel
