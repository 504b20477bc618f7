"""Certificates for one test run, made by openssl: an authority, what it signed, and everything that must be refused."""

import pathlib
import subprocess

import grpc

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
new_certs_dir = {directory}
database = {directory}/index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[ca_extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[server_extensions]
subjectAltName = DNS:localhost, DNS:milvus.example, IP:127.0.0.1, IP:::1
extendedKeyUsage = serverAuth
[client_extensions]
extendedKeyUsage = clientAuth
"""
_PAST = ("20200101000000Z", "20200201000000Z")
_PRESENT = ("20200101000000Z", "20991231000000Z")


class Certificates:
    """PEM files by name: `ca`, `other_ca` (a stranger), `server`, `expired`, `client`, `stranger` (signed by `other_ca`)."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self._configuration = self.directory / "openssl.cnf"
        self._configuration.write_text(_CONFIGURATION.format(directory=self.directory))
        (self.directory / "index.txt").touch()
        self._authority("ca")
        self._authority("other_ca")
        self._sign("server", "server_extensions", "ca", _PRESENT)
        self._sign("expired", "server_extensions", "ca", _PAST)
        self._sign("client", "client_extensions", "ca", _PRESENT)
        self._sign("stranger", "client_extensions", "other_ca", _PRESENT)

    def path(self, name):
        return str(self.directory / f"{name}.pem")

    def key(self, name):
        return str(self.directory / f"{name}.key")

    def read(self, name):
        return pathlib.Path(self.path(name)).read_bytes()

    def read_key(self, name):
        return pathlib.Path(self.key(name)).read_bytes()

    def server_credentials(self, name="server", client_ca=None):
        """For a grpcio server; with `client_ca` it wants a certificate from every client."""
        pair = (self.read_key(name), self.read(name))
        if client_ca is None:
            return grpc.ssl_server_credentials([pair])
        return grpc.ssl_server_credentials([pair], root_certificates=self.read(client_ca), require_client_auth=True)

    def channel_credentials(self, client=None):
        """For a grpcio client that trusts our authority."""
        if client is None:
            return grpc.ssl_channel_credentials(self.read("ca"))
        return grpc.ssl_channel_credentials(self.read("ca"), self.read_key(client), self.read(client))

    def _authority(self, name):
        self._openssl("req", "-x509", "-config", self._configuration, "-extensions", "ca_extensions", "-nodes", "-newkey", "ec",
                      "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", self.key(name), "-out", self.path(name),
                      "-subj", f"/CN={name}", "-days", "3650")

    def _sign(self, name, extensions, authority, validity):
        request = self.directory / f"{name}.csr"
        self._openssl("req", "-new", "-config", self._configuration, "-nodes", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-keyout", self.key(name), "-out", request, "-subj", f"/CN={name}")
        self._openssl("ca", "-batch", "-notext", "-config", self._configuration, "-extensions", extensions, "-in", request,
                      "-cert", self.path(authority), "-keyfile", self.key(authority), "-startdate", validity[0],
                      "-enddate", validity[1], "-out", self.path(name))

    def _openssl(self, *arguments):
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
