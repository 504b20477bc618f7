"""A server whose flow control is watched: package h2 keeps the books of both directions and raises when a window is overrun.

A script runs on a thread with a `Flow`; what it raises, h2's complaints included, fails the test.
"""

import queue
import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings

import messages as m

SECONDS = 30
_RESPONSE = [(":status", "200"), ("content-type", "application/grpc")]
_TRAILERS = [("grpc-status", "0")]
_INITIAL_WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


def grpc_message(message):
    payload = message.SerializeToString()
    return b"\x00" + len(payload).to_bytes(4, "big") + payload


class Flow:
    """One connection that carries one call."""

    def __init__(self, sock, window):
        self.sock = sock
        self.sock.settimeout(SECONDS)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings[_INITIAL_WINDOW] = window
        self.h2.initiate_connection()
        self.stream = None
        self.body = bytearray()
        self.has_ended = False
        self.settings_acknowledged = False
        self.may_change = True
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def pump(self):
        """Reads once and returns how many body bytes came, as flow control counts them."""
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("the client closed the connection")
        received = 0
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.stream = event.stream_id
            elif isinstance(event, h2.events.DataReceived):
                self.body += event.data
                received += event.flow_controlled_length
            elif isinstance(event, h2.events.StreamEnded):
                self.has_ended = True
            elif isinstance(event, h2.events.SettingsAcknowledged):
                self.settings_acknowledged = True
        self.flush()
        return received

    def return_windows(self, count):
        if count:
            self.h2.increment_flow_control_window(count)
            if not self.has_ended:
                self.h2.increment_flow_control_window(count, self.stream)
            self.flush()

    def change_window(self, size):
        """Sends SETTINGS; they hold once the client has acknowledged them."""
        self.h2.update_settings({_INITIAL_WINDOW: size})
        self.settings_acknowledged = self.may_change = False

    def window(self):
        """How much may be sent now, in one frame."""
        return min(self.h2.local_flow_control_window(self.stream), self.h2.max_outbound_frame_size)

    def take_messages(self):
        """Drops whole messages from the body; returns the bytes of their payloads."""
        total = 0
        while len(self.body) >= 5:
            size = int.from_bytes(self.body[1:5], "big")
            if len(self.body) < 5 + size:
                break
            total += len(m.StreamingInputCallRequest.FromString(bytes(self.body[5:5 + size])).payload.body)
            del self.body[:5 + size]
        return total

    def finish(self, message):
        self.h2.send_headers(self.stream, _RESPONSE)
        self.h2.send_data(self.stream, grpc_message(message))
        self.h2.send_headers(self.stream, _TRAILERS, end_stream=True)
        self.flush()

    def wait_for_close(self):
        try:
            while True:
                self.pump()
        except ConnectionError:
            pass


class FlowServer:
    """Accepts one connection for `script(server, flow)`."""

    WINDOW = 65535

    def __init__(self, script):
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._stopped = queue.Queue()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def stopped_at(self):
        """How many body bytes had been sent when the client's window was used up."""
        return self._stopped.get(timeout=SECONDS)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, error, traceback):
        self._thread.join(SECONDS)
        self._listener.close()
        if self._error is not None:
            raise self._error
        assert not self._thread.is_alive(), "the script still runs"

    def _run(self):
        try:
            sock, _ = self._listener.accept()
            with sock:
                self._script(self, Flow(sock, self.WINDOW))
        except Exception as error:  # The test's to judge.
            self._error = error

    # Scripts

    @staticmethod
    def send_until_stopped(total):
        """Answers a download with `total` payload bytes in messages of 1 MiB; reports where the window first stopped it."""

        def script(server, flow):
            while not flow.has_ended:
                flow.pump()
            flow.h2.send_headers(flow.stream, _RESPONSE)
            one = grpc_message(m.StreamingOutputCallResponse(payload=m.zeros(1 << 20)))
            pending = memoryview(one * (total >> 20))
            sent, has_reported = 0, False
            while sent < len(pending):
                room = flow.window()
                if room > 0:
                    flow.h2.send_data(flow.stream, bytes(pending[sent:sent + room]))
                    sent += min(room, len(pending) - sent)
                    flow.flush()
                    continue
                # The client returns a window while it takes messages; it has stopped when nothing comes for a while.
                flow.sock.settimeout(0.5 if not has_reported else SECONDS)
                try:
                    flow.pump()
                except socket.timeout:
                    server._stopped.put(sent)
                    has_reported = True
            flow.h2.send_headers(flow.stream, _TRAILERS, end_stream=True)
            flow.flush()
            flow.wait_for_close()

        return script

    @staticmethod
    def receive_slowly(server, flow):
        """Returns a window only when it is used up, so the client always has the least that it may have."""
        total = held = 0
        while not flow.has_ended:
            held += flow.pump()
            total += flow.take_messages()
            if held >= FlowServer.WINDOW:
                flow.return_windows(held)
                held = 0
        flow.finish(m.StreamingInputCallResponse(aggregated_payload_size=total))
        flow.wait_for_close()

    @staticmethod
    def change_windows(server, flow):
        """Whenever the client may send no more, another INITIAL_WINDOW_SIZE; where that leaves it stuck, WINDOW_UPDATE too."""
        sizes = [1000, 1, 200000, 16384, 70000, 0, 100000]
        total = turn = 0
        while not flow.has_ended:
            received = flow.pump()
            total += flow.take_messages()
            if received:
                flow.h2.increment_flow_control_window(received)
            if flow.stream is not None and flow.settings_acknowledged and not flow.has_ended:
                window = flow.h2.remote_flow_control_window(flow.stream)
                if window <= 0 and flow.may_change:
                    flow.change_window(sizes[turn % len(sizes)])
                    turn += 1
                elif window <= 0:
                    flow.h2.increment_flow_control_window(30000 - window, flow.stream)
                    flow.may_change = True
            flow.flush()
        assert turn >= 3 * len(sizes), "the windows changed too seldom to prove anything"
        flow.finish(m.StreamingInputCallResponse(aggregated_payload_size=total))
        flow.wait_for_close()
