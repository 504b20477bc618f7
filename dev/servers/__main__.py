"""Runs the two real servers in the foreground until Ctrl-C: `python dev/servers --milvus-port 19530 --lite-port 19531`."""

import argparse
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import servers


def main():
    parser = argparse.ArgumentParser(prog="dev/servers", description=__doc__)
    parser.add_argument("--milvus-port", type=int, default=19530, help="port of Milvus 2.3.5; 0 leaves it out")
    parser.add_argument("--lite-port", type=int, default=19531, help="port of Milvus Lite; 0 leaves it out")
    parser.add_argument("--data", type=pathlib.Path, default=servers.WORK / "servers", help="where both keep their data")
    parser.add_argument("--authorization", action="store_true", help="Milvus 2.3.5 asks for root:Milvus")
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    running = []
    try:
        if arguments.milvus_port:
            running.append(servers.MilvusServer(arguments.data / "milvus", arguments.milvus_port, arguments.authorization))
        if arguments.lite_port:
            running.append(servers.LiteServer(arguments.data / "lite", arguments.lite_port))
        for server in running:
            server.start()
            print(f"{server.name} is healthy at {server.uri} (pid {server.pid}, log {server.log})", flush=True)
        stopped.wait()
    except servers.ServerError as error:
        print(f"dev/servers: {error}", file=sys.stderr)
        return 1
    finally:
        for server in reversed(running):
            server.stop()
    return 0


sys.exit(main())
