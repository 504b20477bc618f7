"""Real Milvus servers as child processes: started on free ports, waited for, and stopped by pid whatever happens.

    with MilvusServer(directory) as milvus, LiteServer(other) as lite:
        pymilvus.MilvusClient(uri=milvus.uri)

As a program: `python dev/servers --help`.
"""

import fcntl
import http.client
import json
import lzma
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# The client library hooks into fork() and writes noise into the logs of our children; they exec at once and need no hook.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".work"


class ServerError(Exception):
    """A server could not be started; the text is for a person."""


# Processes that test side by side choose from ranges of their own: what one has chosen and not bound yet no other takes.
PORTS = range(15000, 32000)
WORKER_COUNT_MAX = 8
given_ports = set()


def own_ports():
    """This process's share of the ports: by its number where a test run has several workers, else the last one."""
    worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    number = int(worker[1]) % WORKER_COUNT_MAX if worker else WORKER_COUNT_MAX
    size = len(PORTS) // (WORKER_COUNT_MAX + 1)
    return PORTS[number * size:(number + 1) * size]


def free_ports(count):
    """Ports that nobody listens on now, below the range from which the kernel takes local ports of connections, and none twice:
    a server that is stopped for a while finds its port free again."""
    found, own = [], own_ports()
    if len(given_ports) > len(own) // 2:
        given_ports.clear()
    while len(found) < count:
        port = random.choice(own)
        if port in given_ports:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        given_ports.add(port)
    return found


def require_free(port, what):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(f"port {port} for {what} is taken ({error.strerror}); choose another one") from None


def dying_with_parent(command):
    """The command, killed by the kernel when this process dies in any way, kill -9 included.

    util-linux's setpriv does it and becomes the command, so the pid is the command's. Python's preexec_fn would fork this process, and
    gRPC's threads in it do not survive a fork: the child aborts now and then before it is the command.
    """
    return ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)]


def tail(path, lines=40):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""


class ChildServer:
    """A server process with a log file. `start`, `stop`, `kill`, `pause` and `resume` may be called in any sensible order."""

    name = "server"
    healthy_within = 120

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "server.log"
        self.log_begin = 0
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def is_healthy(self):
        raise NotImplementedError

    def before_start(self):
        """Checks of the ports and everything else that can be refused with a clear message."""

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        assert self.process is None, f"{self.name} runs already"
        self.before_start()
        self.launch()
        if wait:
            self.wait_healthy()
        return self

    def launch(self):
        with open(self.log, "ab") as log:
            self.log_begin = log.tell()
            # A session of its own: a Ctrl-C at the terminal reaches us only, and we stop the server in order.
            self.process = subprocess.Popen(
                dying_with_parent(self.command()), cwd=self.directory, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)

    def wait_healthy(self):
        deadline = time.monotonic() + self.healthy_within
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                code = self.process.returncode
                self.process = None
                raise ServerError(f"{self.name} ended with {code} while starting. {self.last_words()}")
            if self.is_healthy():
                return
            time.sleep(0.1)
        self.kill()
        raise ServerError(f"{self.name} was not healthy within {self.healthy_within} s. {self.last_words()}")

    def last_words(self, lines=40):
        """What its log ends with; of a Go program that panicked the reason, which stacks and registers would hide."""
        with open(self.log, "rb") as log:
            log.seek(self.log_begin)
            text = log.read().decode(errors="replace").splitlines(keepends=True)
        reasons = [n for n, line in enumerate(text) if line.startswith(("panic:", "fatal error:", "SIG"))]
        return f"The end of {self.log}:\n{''.join(text[reasons[0] if reasons else -lines:][:lines])}"

    def stop(self, patience=10):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self):
        """kill -9: nothing is flushed, connections break."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    def pause(self):
        """SIGSTOP: connections stay, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()


def milvus_binaries():
    """The directory of the unpacked 2.3.5 binary; unpacked once per checkout (250 MB, some seconds)."""
    import milvus  # the package that carries the real server, compressed

    target = WORK / f"milvus-{milvus.__version__}"
    packed = pathlib.Path(milvus.__file__).parent / "data" / "bin"
    WORK.mkdir(exist_ok=True)
    with open(WORK / "milvus.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = pathlib.Path(tempfile.mkdtemp(prefix="milvus-", dir=WORK))
            for archive in packed.glob("*.lzma"):
                with lzma.open(archive) as source, open(partial / archive.stem, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                os.chmod(partial / archive.stem, 0o755)
            os.chmod(partial, 0o755)
            partial.rename(target)
    return target


class MilvusServer(ChildServer):
    """Milvus 2.3.5 standalone. Every port it binds is chosen here, so several may run side by side.

    `tls` is (certificate, key) for one-way TLS, or (certificate, key, ca) for mutual TLS. With `authorization` the
    user is root and the password Milvus.
    """

    name = "Milvus 2.3.5"
    port_names = ["root_coord_port", "proxy_internal_port", "query_coord_port", "query_node_port", "index_coord_port",
                  "index_node_port", "data_coord_port", "data_node_port", "etcd_port", "etcd_peer_port", "metrics_port"]

    def __init__(self, directory, port=None, authorization=False, tls=None):
        super().__init__(directory)
        ports = free_ports(len(self.port_names) + 1)
        self.port = port or ports.pop()
        self.ports = dict(zip(self.port_names, ports))
        self.authorization = authorization
        self.tls = tls

    @property
    def uri(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def before_start(self):
        self.binaries = milvus_binaries()
        require_free(self.port, self.name)
        for name, port in self.ports.items():
            require_free(port, f"{self.name} ({name.replace('_', ' ')})")
        self._write_configuration()

    def _write_configuration(self):
        import milvus

        data = self.directory / "data"
        configuration = self.directory / "configs"
        logs = self.directory / "logs"
        for path in (data, configuration, logs, self.directory / "run"):
            path.mkdir(exist_ok=True)
        package = pathlib.Path(milvus.__file__).parent / "data"
        tls = [str(pathlib.Path(p).resolve()) for p in self.tls or ()]
        values = {
            "proxy_port": self.port, **self.ports,
            "etcd_log_path": logs / "etcd.log", "system_log_path": logs, "etcd_data_dir": data / "etcd.data",
            "local_storage_dir": data, "rocksmq_data_dir": data / "rocksmq",
            "authorization_enabled": str(self.authorization).lower(), "tls_mode": max(0, len(tls) - 1),
            "server_pem_path": tls[0] if tls else "configs/cert/server.pem",
            "server_key_path": tls[1] if tls else "configs/cert/server.key",
            "ca_pem_path": tls[2] if len(tls) > 2 else "configs/cert/ca.pem",
        }

        def value(match):
            name, _, default = match.group(1).partition(":")
            name = re.sub(r"\(.*\)", "", name).strip()
            return str(values.get(name, default.strip()))

        text = re.sub(r"\{\{(.*?)\}\}", value, (package / "config.yaml.template").read_text())
        # The embedded etcd reads its own ports from a file of its own; the one for peers has no key in Milvus's.
        text = text.replace("\n  use:\n    embed: true", f"\n  config:\n    path: {configuration / 'etcd.yaml'}\n  use:\n    embed: true", 1)
        (configuration / "milvus.yaml").write_text(text)
        client, peer = (f"http://127.0.0.1:{self.ports[p]}" for p in ("etcd_port", "etcd_peer_port"))
        (configuration / "etcd.yaml").write_text(
            f"name: default\nlisten-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
            f"initial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n")
        shutil.copy(package / "glog.conf", configuration / "glog.conf")

    def command(self):
        return [str(self.binaries / "milvus"), "run", "standalone"]

    def environment(self):
        return {**os.environ, "DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(self.ports["metrics_port"]),
                "MILVUS_RUN_DIR": str(self.directory / "run"), "LD_LIBRARY_PATH": str(self.binaries)}

    def wait_healthy(self):
        """2.3.5 panics while it starts once in hundreds of times; it is given a second chance, and what it said is shown."""
        try:
            super().wait_healthy()
        except ServerError as error:
            print(f"{error}\n{self.name} is started once more", file=sys.stderr, flush=True)
            self.launch()
            super().wait_healthy()

    def is_healthy(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["metrics_port"], timeout=2)
        try:
            connection.request("GET", "/healthz")
            if b"OK" not in connection.getresponse().read():
                return False
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return can_connect(self.port)


class LiteServer(ChildServer):
    """Milvus Lite 3.2.2 as a server."""

    name = "Milvus Lite 3.2.2"

    def __init__(self, directory, port=None):
        super().__init__(directory)
        self.port = port or free_ports(1)[0]

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def before_start(self):
        require_free(self.port, self.name)

    def command(self):
        program = pathlib.Path(sys.executable).parent / "milvus-lite"
        return [str(program), "server", "--data-dir", str(self.directory / "data"), "--host", "127.0.0.1", "--port", str(self.port)]

    def is_healthy(self):
        return can_connect(self.port)


def witness_program(version):
    """The log witness (Tests/witness/README.md) of this Milvus version: from CDC_BRIDGE_WITNESS, else as `dev/setup` unpacked it."""
    program = pathlib.Path(os.environ.get("CDC_BRIDGE_WITNESS") or WORK / "witness") / f"log-witness-{version}"
    if not program.exists():
        raise ServerError(f"{program} is missing; dev/setup python unpacks it, CDC_BRIDGE_WITNESS names another folder")
    return program


class LogWitness(ChildServer):
    """A log source and replication target of Milvus's own message code. `arguments` as in its --help; the log file holds its events."""

    healthy_within = 60

    def __init__(self, directory, *arguments, version="2.6.23"):
        super().__init__(directory)
        self.name = f"log witness {version}"
        self.version = version
        self.port, self.control_port = free_ports(2)
        self.arguments = [str(argument) for argument in arguments]

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def before_start(self):
        require_free(self.port, self.name)

    def command(self):
        return [str(witness_program(self.version)), "--listen", self.address, "--control", f"127.0.0.1:{self.control_port}", *self.arguments]

    def is_healthy(self):
        return can_connect(self.port)

    def control(self, path, body=None, raw=False):
        """A call of the control port; `body` is JSON (or bytes). Gives what it answers as JSON, None where it answers nothing."""
        data = body if raw else None if body is None else json.dumps(body).encode()
        method = "GET" if path.startswith("/state") else "POST"
        request = urllib.request.Request(f"http://127.0.0.1:{self.control_port}{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ServerError(f"{self.name}: {path}: {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text.strip() else None

    def events(self):
        """What it has printed so far: one object a line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class SandboxServer(ChildServer):
    """`cdc-bridge sandbox`: an in-memory Milvus endpoint with a log; `arguments` as in its --help. It forgets everything when it stops."""

    name = "sandbox"
    healthy_within = 60

    def __init__(self, directory, *arguments, program=None):
        super().__init__(directory)
        self.port, self.control_port = free_ports(2)
        self.program = str(program or ROOT / os.environ.get("CDC_BRIDGE_PROGRAM", ".build/release/cdc-bridge"))
        self.arguments = [str(argument) for argument in arguments]

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def before_start(self):
        require_free(self.port, self.name)

    def command(self):
        return [self.program, "sandbox", "--listen", self.address, "--control", f"127.0.0.1:{self.control_port}", *self.arguments]

    def is_healthy(self):
        return can_connect(self.port) and can_connect(self.control_port)

    def control(self, call, **members):
        """A call of the control port, as `Sandbox.control` lists them; gives its JSON answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.control_port}/{call}", data=json.dumps(members).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ServerError(f"{self.name}: {call}: {error.read().decode(errors='replace')}") from None


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False
