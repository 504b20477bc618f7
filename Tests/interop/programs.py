"""Runs our side: the program `wire-interop`, built from the same sources as the product."""

import contextlib
import os
import pathlib
import queue
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 60  # Longest run of one client.


def binary():
    """`wire-interop` in CDC_BRIDGE_BIN_DIR, else in .build/debug."""
    directory = pathlib.Path(os.environ.get("CDC_BRIDGE_BIN_DIR") or ROOT / ".build" / "debug")
    path = directory / "wire-interop"
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is missing: run `swift build --product wire-interop`, or set CDC_BRIDGE_BIN_DIR")
    return str(path)


class Result:
    """What a client run ended with. `reason` is what a person reads, with the peer's address written as PEER."""

    def __init__(self, code, output, errors, address):
        self.code = code
        self.output = output
        self.errors = errors.decode(errors="replace")
        self.reason = self.errors.rstrip("\n").replace(address, "PEER")

    def __repr__(self):
        return f"<exit {self.code}: {self.errors!r}>"


def client(address, case, *options, stdin=b"", seconds=SECONDS):
    """Runs one case of our client to its end."""
    command = [binary(), "client", "--server", address, *map(str, options), case]
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
    return Result(done.returncode, done.stdout, done.stderr, address)


class Program:
    """A running `wire-interop` whose lines are read as they come."""

    def __init__(self, *arguments):
        self._process = subprocess.Popen([binary(), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, bufsize=1)
        self._lines = queue.Queue()
        self._errors = []
        self._readers = [threading.Thread(target=self._read_output, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def errors(self):
        return "".join(self._errors)

    def line(self, seconds=SECONDS):
        """The next line of standard output."""
        found = self._lines.get(timeout=seconds)
        assert found is not None, f"the program ended: {self.errors}"
        return found.rstrip("\n")

    def tell(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, line, seconds=SECONDS):
        self.tell(line)
        return self.line(seconds)

    def peak_memory(self):
        """Largest resident size of the running program so far, in bytes (VmHWM)."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmHWM")

    def finish(self, seconds=SECONDS):
        """Closes its input and waits for its end; returns the exit code."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return code

    def signal_end(self):
        """SIGTERM: a server lets its calls finish."""
        self._process.send_signal(signal.SIGTERM)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)

    def _read_output(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self):
        for line in self._process.stderr:
            self._errors.append(line)


@contextlib.contextmanager
def server(*options):
    """Our server on a free port; yields the running program with its `address`."""
    with Program("server", "--listen", "127.0.0.1:0", *options) as program:
        announced = program.line()
        assert announced.startswith("listening on "), announced
        program.address = announced[len("listening on "):]
        yield program
