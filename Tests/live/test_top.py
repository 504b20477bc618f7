"""`top` on a terminal: a screen that fits, follows the terminal's size, ends with q, and leaves the terminal as it was."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

import lib

ESCAPE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


class Screen:
    """A program on a pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, *arguments, terminal="xterm-256color"):
        self.master, slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            lib.servers.dying_with_parent([str(lib.PROGRAM), *map(str, arguments)]), stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": terminal})
        self.text = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.master], [], [], left)
            if not ready:
                break
            try:
                self.text += os.read(self.master, 65536).decode()
            except OSError:
                break
        return self.text

    def until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < end, repr(self.text[-2000:])
            self.read(0.2)
        return self.text

    def frames(self):
        """What was drawn, frame by frame, without escapes."""
        return [[ESCAPE.sub("", line) for line in frame.replace("\r", "").split("\n")] for frame in self.text.split("\x1b[H")[1:]]

    def press(self, key):
        os.write(self.master, key)

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def service(bridges, sandbox, tmp_path):
    """A service with one task that follows."""
    bridge = bridges(sandbox)
    c = lib.client(sandbox)
    lib.make(c, "c")
    c.insert("c", lib.simple_rows(0, 10))
    with lib.servers.SandboxServer(tmp_path / "target") as target:
        bridge.create(target, "c", task_id="a-task")
        yield bridge


def test_top_redraws_follows_the_size_and_ends_with_q(service):
    screen = Screen("top", "--server", service.url, "--interval", "0.5")
    try:
        screen.until(lambda text: "a-task" in text and text.count("\x1b[H") >= 3)
        assert screen.text.startswith("\x1b[?1049h\x1b[?25l")
        # Nothing but the first frame clears the screen: lines are overwritten in place.
        assert "\x1b[2J" not in screen.text
        for frame in screen.frames():
            assert len(frame) <= 24 and all(len(line) <= 80 for line in frame), frame
        screen.press(b"x")
        screen.text = ""
        screen.press(b"q")
        assert screen.process.wait(10) == 0
        screen.read(0.5)
        assert screen.text.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(screen.slave) == screen.before
    finally:
        screen.end()


def test_another_size_is_drawn_at_once(service):
    screen = Screen("top", "--server", service.url, "--interval", "60")
    try:
        screen.until(lambda text: "a-task" in text)
        screen.resize(50, 10)
        screen.until(lambda text: text.count("\x1b[H") >= 2 and text.endswith("\x1b[J"))
        assert all(len(line) <= 50 for line in screen.frames()[-1]) and len(screen.frames()[-1]) <= 10
        screen.press(b"q")
        assert screen.process.wait(10) == 0
    finally:
        screen.end()


def test_top_ends_with_ctrl_c_and_leaves_the_terminal_as_it_was(service):
    screen = Screen("top", "--server", service.url)
    try:
        screen.until(lambda text: "a-task" in text)
        screen.process.send_signal(2)
        assert screen.process.wait(10) == 0
        screen.read(0.5)
        assert screen.text.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(screen.slave) == screen.before
    finally:
        screen.end()


def test_a_dumb_terminal_and_a_pipe_get_one_screen(service):
    screen = Screen("top", "--server", service.url, "--interval", "0.2", terminal="dumb")
    try:
        assert screen.process.wait(20) == 0
        screen.read(0.5)
        assert "a-task" in screen.text and "\x1b" not in screen.text
    finally:
        screen.end()
    run = lib.run("top", "--server", service.url, "--interval", "0.2")
    assert run.returncode == 0 and "a-task" in run.stdout and "\x1b" not in run.stdout


def test_a_service_that_goes_away_is_said_on_the_screen(service):
    screen = Screen("top", "--server", service.url, "--interval", "0.2")
    try:
        screen.until(lambda text: "a-task" in text)
        screen.text = ""
        service.stop()
        screen.until(lambda text: "connection refused" in text)
        screen.text = ""
        service.start()
        screen.until(lambda text: "a-task" in text)
        screen.press(b"q")
        assert screen.process.wait(10) == 0
    finally:
        screen.end()


def test_watch_redraws_in_place(service):
    screen = Screen("list", "--server", service.url, "--watch", "--interval", "0.2")
    try:
        screen.until(lambda text: text.count("\x1b[H") >= 3 and "a-task" in text)
    finally:
        screen.end()
