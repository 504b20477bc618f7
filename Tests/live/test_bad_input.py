"""Bad input and bad peers: each with the message that a person sees."""

import json
import socket
import subprocess
import threading
import time

import pytest

import lib


@pytest.fixture
def bridge(bridges, milvus):
    return bridges(milvus)


# --- requests

@pytest.mark.parametrize("body", [b"", b"{", b'{"request_type": "list"} x', b"[1]", b'{"request_type": 5}', b'\xff\xfe{"request_type": "list"}',
                                  b'{"request_type": "list", "request_data": []}', b'{"a":' * 5000])
def test_malformed_json_is_answered_with_the_reason_and_the_service_lives(bridge, body):
    envelope = bridge.post(body)
    assert envelope["code"] == 500 and "data" not in envelope
    assert envelope["message"].startswith("fail to unmarshal the request, error: ")
    assert bridge.post({"request_type": "list"})["code"] == 200


@pytest.mark.parametrize("data, line", [
    ({"milvus_connect_param": "x"}, "'milvus_connect_param' expected a map, got 'string'"),
    ({"milvus_connect_param": {"port": "19530"}}, "'milvus_connect_param.port' expected type 'int', got unconvertible type 'string', value: '19530'"),
    ({"milvus_connect_param": {"enable_tls": 1}}, "'milvus_connect_param.enable_tls' expected type 'bool', got unconvertible type 'float64', value: '1'"),
    ({"collection_infos": {}}, "'collection_infos': source data must be an array or slice, got map"),
    ({"collection_infos": [1]}, "'collection_infos[0]' expected a map, got 'float64'"),
    ({"db_collections": []}, "'db_collections' expected a map, got 'slice'"),
])
def test_a_wrong_type_is_named_with_its_path(bridge, data, line):
    envelope = bridge.post({"request_type": "create", "request_data": data})
    assert envelope["code"] == 500
    assert envelope["message"].startswith("fail to decode the create request, error: 1 error(s) decoding:")
    assert line in envelope["message"]


def test_an_unknown_request_type_is_answered_with_the_known_ones(bridge):
    envelope = bridge.post({"request_type": "make"})
    assert envelope["code"] == 400
    assert envelope["message"].startswith("invalid 'request_type' param, can be set [") and "create" in envelope["message"]


# --- targets that cannot be connected to

def refused(bridge, **connection):
    connection.setdefault("connect_timeout", 2)
    with pytest.raises(lib.ApiError) as caught:
        bridge.call("create", milvus_connect_param=connection, collection_infos=[{"name": "c"}])
    assert caught.value.code == 500
    assert caught.value.message.startswith("fail to handle the create request, error: fail to connect the milvus: "), caught.value.message
    assert bridge.call("list")["tasks"] == []
    return caught.value.message


def test_an_unknown_host_is_named(bridge):
    message = refused(bridge, uri="http://no-such-host.invalid:19530")
    assert "no-such-host.invalid" in message


def test_a_wrong_port_says_refused(bridge):
    port = lib.servers.free_ports(1)[0]
    message = refused(bridge, uri=f"http://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in message and "refused" in message


class Listener:
    """A server that does something unexpected with every connection."""

    def __init__(self, behaviour):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.behaviour = behaviour
        self.held = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.held.append(connection)
            try:
                self.behaviour(connection)
            except OSError:
                pass

    def close(self):
        self.socket.close()
        for connection in self.held:
            connection.close()


@pytest.fixture
def listener():
    made = []

    def start(behaviour):
        made.append(Listener(behaviour))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_server_that_accepts_and_never_answers_ends_at_the_connect_timeout(bridge, listener):
    silent = listener(lambda connection: None)
    started = time.monotonic()
    message = refused(bridge, uri=silent.uri, connect_timeout=2)
    assert 1.5 < time.monotonic() - started < 6
    assert str(silent.port) in message and any(w in message.lower() for w in ("timed out", "deadline", "no answer", "within"))


def test_a_server_that_speaks_http_1_is_said_to_be_no_grpc_server(bridge, listener):
    web = listener(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    message = refused(bridge, uri=web.uri)
    assert str(web.port) in message and "HTTP/1.1, not gRPC" in message


def test_a_server_that_answers_garbage_is_refused_in_words(bridge, listener):
    noise = listener(lambda connection: connection.sendall(bytes(range(256)) * 16))
    assert str(noise.port) in refused(bridge, uri=noise.uri)


def test_a_server_that_hangs_up_at_once_is_refused_in_words(bridge, listener):
    rude = listener(lambda connection: connection.close())
    assert str(rude.port) in refused(bridge, uri=rude.uri)


def test_tls_to_a_cleartext_server_is_refused_in_words(bridge, lite):
    assert "TLS" in refused(bridge, uri=lite.uri.replace("http:", "https:"))


# --- sources that go wrong

def source_error(bridge, source_uri, lite, needle, **parameters):
    try:
        task = bridge.call("create", milvus_connect_param={"uri": lite.uri}, source_connect_param={"uri": source_uri, **parameters},
                           collection_infos=[{"name": "*"}], reconcile_interval=1)["task_id"]
    except lib.ApiError as error:
        text = error.message
    else:
        text = lib.wait_until(lambda: bridge.task(task)["progress"]["last_error"], 30, what="the source's error is in the view")
        assert bridge.task(task)["state"] == "Running"
    assert needle in text, text
    return text


def test_a_source_that_answers_garbage_harms_nothing(bridge, lite, listener):
    t = lib.client(lite)
    lib.make(t, "c")
    t.insert("c", lib.simple_rows(0, 20))
    noise = listener(lambda connection: connection.sendall(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\xff\xff\xff\xff" * 50))
    source_error(bridge, noise.uri, lite, str(noise.port))
    time.sleep(2)
    assert len(lib.rows(t, "c")) == 20
    assert bridge.post({"request_type": "list"})["code"] == 200


def test_a_source_that_never_answers_is_retried_with_a_reason(bridge, lite, listener):
    silent = listener(lambda connection: None)
    source_error(bridge, silent.uri, lite, str(silent.port))


def test_a_source_that_hangs_in_the_middle_is_noticed_and_followed_again(milvus2, lite, bridges):
    s, t = lib.client(milvus2), lib.client(lite)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 50))
    bridge = bridges(milvus2)
    bridge.create(lite, "c")
    lib.wait_same(s, t, "c")
    milvus2.pause()
    time.sleep(5)
    assert len(lib.rows(t, "c")) == 50, "a source that is silent is not an empty one"
    milvus2.resume()
    lib.wait_until(lambda: s.insert("c", lib.simple_rows(50, 50)), 30)
    lib.wait_same(s, t, "c", seconds=90)


def test_a_source_that_is_killed_and_returns_is_followed_again(tmp_path, lite, bridges):
    t = lib.client(lite)
    with lib.servers.MilvusServer(tmp_path / "source") as source:
        s = lib.client(source)
        lib.make(s, "c")
        s.insert("c", lib.simple_rows(0, 300))
        s.flush("c")
        bridge = bridges(source)
        task = bridge.create(lite, "c")
        lib.wait_same(s, t, "c")
        source.kill()
        bridge.wait_phase(task, "retrying", seconds=30)
        assert len(lib.rows(t, "c")) == 300
        source.start()
        s = lib.client(source)
        lib.wait_until(lambda: lib.count(s, "c") == 300, 90, 1, "the source serves its rows again")
        s.insert("c", lib.simple_rows(300, 30))
        lib.wait_same(s, t, "c", seconds=120)


# --- targets that go wrong

def test_a_target_that_dies_in_the_middle_of_a_batch_and_returns_becomes_equal(milvus, tmp_path, bridges):
    s = lib.client(milvus)
    lib.make(s, "c", lib.simple_schema(dim=128))
    for first in range(0, 20_000, 4_000):
        s.insert("c", lib.simple_rows(first, 4_000, dim=128))
    with lib.servers.LiteServer(tmp_path / "target") as target:
        bridge = bridges(milvus)
        task = bridge.create(target, "c")
        lib.wait_until(lambda: bridge.task(task)["progress"]["rows_copied"] > 1000, 60, 0.01, "the copy is under way")
        target.kill()
        bridge.wait_phase(task, "retrying", seconds=30)
        assert str(target.port) in bridge.task(task)["progress"]["last_error"]
        target.start()
        lib.wait_same(s, lib.client(target), "c", seconds=120)


# --- credentials and certificates

@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Milvus 2.3.5 that asks for a user."""
    with lib.servers.MilvusServer(tmp_path_factory.mktemp("guarded"), authorization=True) as server:
        yield server


def test_a_wrong_password_is_said_to_be_one_and_is_not_shown(bridge, guarded):
    message = refused(bridge, uri=guarded.uri, token="root:sesame-wrong")
    assert "password" in message and "sesame" not in message
    assert "sesame" not in bridge.log.read_text()


def test_a_missing_token_is_said_to_be_missing(bridge, guarded):
    message = refused(bridge, uri=guarded.uri)
    assert "auth" in message.lower()


def test_an_unknown_api_key_is_said_to_be_unknown(bridge, guarded):
    assert "api key" in refused(bridge, uri=guarded.uri, token="sesame-key")


def test_the_right_password_copies_both_ways_and_is_never_shown(milvus, lite, guarded, bridges, tmp_path):
    lib.wipe(guarded, token="root:Milvus")
    s, g, t = lib.client(milvus), lib.client(guarded, token="root:Milvus"), lib.client(lite)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 100))
    bridge = bridges(milvus)
    bridge.create(guarded, "c", milvus_connect_param={"uri": guarded.uri, "username": "root", "password": "Milvus"})
    lib.wait_same(s, g, "c")
    token = tmp_path / "token"
    token.write_text("root:Milvus\n")
    second = bridges(guarded, "--source-token-file", str(token))
    second.create(lite, "c")
    lib.wait_same(g, t, "c")
    for one in (bridge, second):
        assert '"Milvus"' not in json.dumps(one.call("list")) and "root:Milvus" not in json.dumps(one.call("list"))
        assert "root:Milvus" not in one.log.read_text()
        for path in one.data.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, f"{path} is readable by others"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, and a certificate of it for `milvus.test` and 127.0.0.1; a second CA that nobody should trust."""
    d = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=d)

    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "30", "-subj", f"/CN={ca}")
    (d / "ext").write_text("subjectAltName=DNS:milvus.test,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "ext")
    return d


@pytest.fixture(scope="module")
def secure(certificates, tmp_path_factory):
    """Milvus 2.3.5 with one-way TLS."""
    with lib.servers.MilvusServer(tmp_path_factory.mktemp("secure"), tls=(certificates / "server.pem", certificates / "server.key")) as server:
        yield server


def test_a_certificate_of_an_unknown_authority_is_refused(bridge, secure, certificates):
    message = refused(bridge, uri=secure.uri, dial_config={"server_pem_path": str(certificates / "other-ca.pem")})
    assert "certificate" in message
    assert "certificate" in refused(bridge, uri=secure.uri)


def test_a_certificate_for_another_name_is_refused(bridge, secure, certificates):
    message = refused(bridge, uri=secure.uri, dial_config={"server_pem_path": str(certificates / "ca.pem"), "server_name": "elsewhere.test"})
    assert "certificate" in message and "elsewhere.test" in message


def test_a_certificate_file_that_is_not_there_is_named(bridge, secure, certificates):
    assert "missing.pem" in refused(bridge, uri=secure.uri, dial_config={"server_pem_path": str(certificates / "missing.pem")})


def test_cleartext_to_a_tls_server_is_refused_in_words(bridge, secure):
    assert str(secure.port) in refused(bridge, uri=secure.uri.replace("https:", "http:"))


@pytest.mark.parametrize("name", [None, "milvus.test"])
def test_rows_are_copied_over_tls(milvus, secure, certificates, bridges, name):
    s = lib.client(milvus)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 200))
    dial = {"server_pem_path": str(certificates / "ca.pem"), **({"server_name": name} if name else {})}
    t = lib.Client(uri=secure.uri, server_pem_path=str(certificates / "ca.pem"), secure=True)
    if t.has_collection("c"):
        t.drop_collection("c")
    bridge = bridges(milvus)
    bridge.create(secure, "c", milvus_connect_param={"uri": secure.uri, "dial_config": dial})
    lib.wait_same(s, t, "c")
    t.drop_collection("c")
    t.close()


def test_rows_are_copied_over_mutual_tls(milvus, certificates, bridges, tmp_path):
    s = lib.client(milvus)
    lib.make(s, "c")
    s.insert("c", lib.simple_rows(0, 200))
    files = {k: str(certificates / v) for k, v in {"ca": "ca.pem", "cert": "client.pem", "key": "client.key"}.items()}
    with lib.servers.MilvusServer(tmp_path / "mutual", tls=(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")) as target:
        bridge = bridges(milvus)
        assert "certificate" in refused(bridge, uri=target.uri, dial_config={"server_pem_path": files["ca"]}).lower()
        bridge.create(target, "c", milvus_connect_param={"uri": target.uri, "dial_config": {
            "ca_pem_path": files["ca"], "client_pem_path": files["cert"], "client_key_path": files["key"]}})
        t = lib.Client(uri=target.uri, ca_pem_path=files["ca"], client_pem_path=files["cert"], client_key_path=files["key"], secure=True)
        lib.wait_same(s, t, "c")
        t.close()
