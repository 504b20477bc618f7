"""A log forwarded over TLS: with grpcio's server as the source, which wants a certificate, and `cdc-bridge tap` before the target."""

import contextlib
import types

import pytest

import lib
from native import CuttingProxy, assert_as_sent, assert_in_order_once, files_of, is_complete, native, recorded, wait_all
from test_tap import tap


@pytest.mark.parametrize("kind", ["witness-2.6.23", "sandbox"])
# Tuples: the order of a set is another one in each worker.
@pytest.mark.parametrize("secured", [("source",), ("target",), ("source", "target")], ids="+".join)
def test_a_log_is_forwarded_over_tls(secured, kind, authority, raw_sources, target_of, bridges, tmp_path):
    files, version, cluster = files_of("source")
    sent, _ = recorded(*files)
    credentials = authority.server_credentials(client_ca="ca") if "source" in secured else None
    source = raw_sources(*files, version=version, credentials=credentials)
    target = target_of(kind, cluster, len(source.entries))
    options, dial = [], {}
    if "source" in secured:
        options = ["--source-ca-file", authority.path("ca"), "--source-client-cert-file", authority.path("client"),
                   "--source-client-key-file", authority.key("client")]
    with contextlib.ExitStack() as stack:
        front = target
        if "target" in secured:
            uri = stack.enter_context(tap(target, "--quiet", "--tls-cert-file", authority.path("server"), "--tls-key-file",
                                          authority.key("server"), directory=tmp_path))
            front = types.SimpleNamespace(port=int(uri.rpartition(":")[2]))
            dial = {"dial_config": {"ca_pem_path": authority.path("ca")}}
        ways = [CuttingProxy(source), CuttingProxy(front)]
        for way in ways:
            stack.callback(way.close)
        addresses = [way.uri.replace("http:", "https:") if side in secured else way.uri for side, way in zip(("source", "target"), ways)]
        bridge = bridges(types.SimpleNamespace(uri=addresses[0]), *options)
        # Broken in the middle of a message, and of a record of TLS.
        ways[1].stop_after(100_000)
        task = native(bridge, None, milvus_connect_param={"uri": addresses[1], **dial})
        assert ways[1].stopped.wait(30), bridge.task(task)
        assert not is_complete(target, sent)
        for way in ways:
            way.cut()
        wait_all(target, sent)
        target.assert_unharmed()
        assert_in_order_once(target, sent)
        assert_as_sent(target, source, sent, is_repeated=True)
        assert bridge.task(task)["state"] == "Running"


def test_an_authority_that_nobody_knows_is_named(authority, raw_sources, sandboxes, bridges):
    files, version, cluster = files_of("source")
    source = raw_sources(*files, version=version, credentials=authority.server_credentials())
    bridge = bridges(source, "--source-ca-file", authority.path("other_ca"))
    task = native(bridge, sandboxes(cluster))
    lib.wait_until(lambda: bridge.task(task)["state"] == "Paused", 30, what="the task ends")
    assert "certificate is not trusted" in bridge.task(task)["reason"]
