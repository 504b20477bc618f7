"""The checked-in files are what dev/generate-protos writes today."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check():
    command = [sys.executable, str(ROOT / "dev" / "generate-protos"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_generated_files_are_fresh():
    result = check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_changed_file_is_noticed():
    # Not an input of the build: a changed time must not compile everything again.
    proto = ROOT / "protos" / "rg.proto"
    text = proto.read_text()
    try:
        proto.write_text(text + "// changed\n")
        result = check()
    finally:
        proto.write_text(text)
    assert result.returncode == 1
    assert "protos/rg.proto differs" in result.stderr
