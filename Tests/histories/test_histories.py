"""A few histories for each target; `make test-histories` plays more and longer ones."""

import os

import pytest

import play

# Short enough for every run of all tests: a load or a release takes Milvus seconds, Lite nothing.
OPERATIONS = {"lite": 100, "milvus": 40, "native": 150}
COUNT = int(os.environ.get("COUNT", 2))


@pytest.fixture(scope="module", params=list(play.TARGETS))
def target(request, tmp_path_factory):
    if play.TARGETS[request.param] is None:
        yield request.param, None
        return
    with play.TARGETS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield request.param, server


@pytest.mark.parametrize("number", range(COUNT))
def test_a_random_history_ends_with_equal_sides(target, number, tmp_path):
    kind, server = target
    seed = play.lib.SEED + number
    again = f"Tests/histories/play.py --seed {seed} --count 1 --target {kind} --operations {OPERATIONS[kind]}"
    print(f"again: dev/in-netns .work/venv/bin/python {again}")
    if server:
        play.lib.wipe(server)
    print(play.play(seed, server, tmp_path, OPERATIONS[kind], kind))
