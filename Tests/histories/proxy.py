"""A TCP proxy that resets connections on demand."""

import socket
import struct
import threading
import time


class CuttingProxy:
    """Passes connections on to a server until they are cut. It has what the live tests want of a server: `uri`, `address`, `port`.

    `cut` resets every connection in both directions, in the middle of whatever it carries. While it `refuses`, a new one is reset at once.
    While it `mutes`, the server's answers wait here. `stop_after(n)`: n more bytes go to the server, then nothing goes either way, `stopped`
    is set, and all waits for `cut` or `go_on`.
    """

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.cuts = 0
        self.refuses = self.mutes = False
        self.stopped = threading.Event()
        self._left = None
        self._lock = threading.Lock()
        self._ends = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self):
        return f"http://{self.address}"

    def stop_after(self, count):
        with self._lock:
            self._left = count

    def go_on(self):
        with self._lock:
            self._left = None
        self.stopped.clear()

    def cut(self):
        with self._lock:
            ends, self._ends = self._ends, set()
        self.go_on()
        self.cuts += bool(ends)
        for end in ends:
            _reset(end)

    def close(self):
        self.refuses = True
        self.listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                _reset(client)
                continue
            try:
                upstream = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
            except OSError:
                _reset(client)
                continue
            upstream.settimeout(None)
            for end in (client, upstream):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._ends |= {client, upstream}
            for ends in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _take(self, count):
        """How many of these bytes may go to the server."""
        with self._lock:
            if self._left is None:
                return count
            taken = min(count, self._left)
            self._left -= taken
            return taken

    def _wait(self, end, is_held):
        """As long as something holds back what came from `end`."""
        while is_held():
            with self._lock:
                if end not in self._ends:
                    raise OSError("it was cut")
            time.sleep(0.002)

    def _pump(self, source, sink, is_request):
        try:
            while data := source.recv(1 << 16):
                taken = self._take(len(data)) if is_request else len(data)
                if not is_request:
                    self._wait(source, lambda: self.mutes or self.stopped.is_set())
                sink.sendall(data[:taken])
                if taken < len(data):
                    self.stopped.set()
                    self._wait(source, self.stopped.is_set)
                    sink.sendall(data[taken:])
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            with self._lock:
                self._ends -= {source, sink}
            _reset(source)
            _reset(sink)


def _reset(end):
    """RST, not FIN: what was under way is lost."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # close() alone leaves a thread that sits in recv() where it is.
        end.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    end.close()
