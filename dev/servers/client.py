"""The official client, every call of which ends: by itself it waits for ever for a server that hangs or a load that never is done."""

import functools
import inspect

from pymilvus import MilvusClient

CALL_SECONDS = 90
# They take a deadline and do not say so.
UNSAID = {"list_collections", "list_indexes", "drop_database", "describe_database", "alter_database_properties", "drop_database_properties"}


def bounded(method):
    """The method with a deadline where the caller gives none."""
    @functools.wraps(method)
    def call(self, *arguments, **options):
        return method(self, *arguments, **{"timeout": CALL_SECONDS, **options})

    return call


class Client(MilvusClient):
    """`MilvusClient` with a deadline of `CALL_SECONDS` for each call that is given none."""


for name, method in inspect.getmembers(MilvusClient, inspect.isfunction):
    if name in UNSAID or "timeout" in inspect.signature(method).parameters and not name.startswith("_"):
        setattr(Client, name, bounded(method))
