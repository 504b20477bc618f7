"""A few histories over each route; `make test-histories` plays more and longer ones."""

import contextlib
import os

import pytest

import play

# Short enough for every run of all tests: a load or a release takes Milvus seconds, Lite nothing.
OPERATIONS = {"lite": 100, "milvus": 40, "native": 150, "from-milvus": 40, "from-lite": 40}
COUNT = int(os.environ.get("COUNT", 2))


@pytest.fixture(scope="module", params=list(play.ROUTES))
def route(request, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield request.param, play.start(request.param, tmp_path_factory.mktemp(request.param), stack)


@pytest.mark.parametrize("number", range(COUNT))
def test_a_random_history_ends_with_equal_sides(route, number, tmp_path):
    name, servers = route
    seed = play.lib.SEED + number
    again = f"Tests/histories/play.py --seed {seed} --count 1 --route {name} --operations {OPERATIONS[name]}"
    print(f"again: dev/in-netns .work/venv/bin/python {again}")
    print(play.play(seed, name, servers, tmp_path, OPERATIONS[name]))
