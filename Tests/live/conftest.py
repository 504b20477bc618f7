import contextlib
import os
import shutil
import signal
import sys
import warnings

import pytest

import lib
import native

sys.path.insert(0, str(lib.ROOT / "Tests" / "interop"))

from certificates import Certificates  # noqa: E402


def pytest_report_header(config):
    return f"cdc-bridge live tests: program {lib.PROGRAM}, SEED={lib.SEED}"


@pytest.fixture(scope="session")
def server_directory(tmp_path_factory):
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def milvus_server(server_directory):
    with lib.servers.MilvusServer(server_directory / "milvus") as server:
        yield server


@pytest.fixture(scope="session")
def second_milvus_server(server_directory):
    with lib.servers.MilvusServer(server_directory / "milvus-2") as server:
        yield server


@pytest.fixture(scope="session")
def lite_server(server_directory):
    with lib.servers.LiteServer(server_directory / "lite") as server:
        yield server


def revive(server):
    """A test may leave its server killed or stopped, a server may have ended by itself."""
    if server.process and server.process.poll() is not None:
        server.kill()
    if server.process is None:
        server.start()
    server.resume()


def replace(server, error):
    warnings.warn(f"{server.name} was replaced by a new one: {error}")
    server.kill()
    shutil.rmtree(server.directory)
    server.directory.mkdir()
    server.start()


# Each test finds its servers empty and leaves them to be emptied, so that tests neither see nor slow each other. What a server does with
# what an earlier test left is not the next one's to pay: 2.3.5 keeps a collection now and then that it can neither load nor drop, or ends
# by itself and then at each start on the same data.
def emptied(server):
    try:
        revive(server)
    except lib.servers.ServerError as error:
        replace(server, error)
    yield server
    try:
        revive(server)
        lib.wipe(server)
    except Exception as error:
        replace(server, error)


@pytest.fixture
def milvus(milvus_server):
    yield from emptied(milvus_server)


@pytest.fixture
def milvus2(second_milvus_server):
    yield from emptied(second_milvus_server)


@pytest.fixture
def lite(lite_server):
    yield from emptied(lite_server)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def sandbox(tmp_path):
    with lib.servers.SandboxServer(tmp_path / "sandbox") as server:
        yield server


@pytest.fixture
def log_witness(tmp_path):
    """Starts log witnesses that end with the test: a source whose log Milvus's own message code serves."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, version="2.6.23"):
            directory = tmp_path / f"witness-{version}"
            return stack.enter_context(lib.servers.LogWitness(directory, *arguments, version=version))

        yield start


@pytest.fixture
def witness(tmp_path):
    """Starts log witnesses as targets, which keep what they were sent."""
    numbers = iter(range(100))

    def start(*arguments, version="2.6.23", cluster="cdc-dst", pchannels=4):
        record = tmp_path / f"record-{next(numbers)}"
        record.mkdir()
        server = lib.servers.LogWitness(tmp_path / f"target-{record.name}", "--cluster-id", cluster, "--pchannels", pchannels,
                                        "--record", record, *arguments, version=version)
        server.start()
        started.append(server)
        return native.Witness(server, record)

    started = []
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def sandboxes(tmp_path):
    """Starts sandboxes by their replication ids."""
    with contextlib.ExitStack() as stack:
        yield lambda name, *arguments: stack.enter_context(
            lib.servers.SandboxServer(tmp_path / f"sandbox-{name}", "--cluster-id", name, *arguments))


@pytest.fixture
def target_of(witness, sandboxes):
    """Starts targets by their kind: a witness of some version, or a sandbox."""
    def start(kind, cluster, pchannels, *arguments, version="3.0.1"):
        if kind.startswith("witness"):
            return witness(*arguments, version=kind.removeprefix("witness-"), cluster=cluster, pchannels=pchannels)
        return native.Sandbox(sandboxes(cluster, "--pchannels", pchannels, "--version", version))

    return start


@pytest.fixture
def raw_sources():
    """Starts sources that serve recordings byte for byte."""
    started = []

    def start(*files, **options):
        started.append(native.RawSource(*files, **options))
        return started[-1]

    yield start
    for source in started:
        source.stop()


@pytest.fixture(params=["milvus_to_lite", "lite_to_milvus"])
def pair(request, milvus, lite):
    """(source, target) in both directions."""
    return (milvus, lite) if request.param == "milvus_to_lite" else (lite, milvus)


@pytest.fixture
def bridges(tmp_path, request):
    """Starts bridges that end with the test; `bridges(source)` gives a running one."""
    made = []
    request.node.live_bridges = made

    def start(source=None, *options, begin=True, **settings):
        bridge = lib.Bridge(tmp_path / f"bridge-{len(made)}", source.uri if source else None, options, **settings)
        made.append(bridge)
        return bridge.start() if begin else bridge

    yield start
    for bridge in made:
        if bridge.process and bridge.process.poll() is None:
            bridge.kill()


class Watcher:
    """Says what failed at once, not only in the summary, and what was running when the run is ended from outside: a run of everything
    takes a while, and a test that never ends has no other way to be known."""

    def __init__(self, plugins):
        self.plugins = plugins
        self.running = set()
        signal.signal(signal.SIGTERM, self.say_what_runs)

    def say(self, text):
        terminal = self.plugins.getplugin("terminalreporter")
        terminal.write_line("\n" + text)
        terminal.flush()

    def say_what_runs(self, *_):
        # Without workers the test's own output is being captured.
        self.plugins.getplugin("capturemanager").suspend_global_capture()
        for test in sorted(self.running):
            self.say(f"FAILED {test}: still running")
        os._exit(143)

    def pytest_runtest_logstart(self, nodeid):
        self.running.add(nodeid)

    def pytest_runtest_logfinish(self, nodeid):
        self.running.discard(nodeid)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.say(f"FAILED {report.nodeid}: {str(crash.message if crash else report.longrepr)[:2000]}")


def pytest_configure(config):
    # A worker's output goes nowhere; the process that gave it its tests hears of all of them.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Watcher(config.pluginmanager))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure comes with the bridge's log and what stands on both sides."""
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for bridge in getattr(item, "live_bridges", []):
        report.sections.append((f"log of {bridge.directory.name}", lib.servers.tail(bridge.log, 80)))
        if bridge.process and bridge.process.poll() is None:
            try:
                report.sections.append((f"tasks of {bridge.directory.name}", lib.json.dumps(bridge.call("list"), indent=1)))
            except Exception as error:
                report.sections.append((f"tasks of {bridge.directory.name}", f"no answer: {error}"))
    for name in ("milvus", "milvus2", "lite", "sandbox"):
        server = item.funcargs.get(name)
        if server is not None and server.process is not None:
            server.resume()
            report.sections.append((f"on {server.name} ({name})", contents(server)))


def contents(server):
    lines = []
    try:
        c = lib.client(server)
        for database in c.list_databases():
            d = lib.client(server, database)
            for collection in sorted(d.list_collections()):
                try:
                    state = f"{lib.count(d, collection)} rows"
                except Exception as error:
                    state = str(error).splitlines()[0][:120]
                lines.append(f"{database}.{collection}: {state}, loaded {lib.is_loaded(d, collection)}, "
                             f"partitions {d.list_partitions(collection)}, indexes {lib.indexes(d, collection)}")
    except Exception as error:
        lines.append(f"unreadable: {error}")
    return "\n".join(lines)
