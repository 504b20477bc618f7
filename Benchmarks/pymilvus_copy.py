"""The script that everyone writes to copy a collection: pymilvus `query_iterator` and `insert` (or `upsert`). The peer of bench_copy.py."""

import argparse

from pymilvus import MilvusClient

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("source")
parser.add_argument("target")
parser.add_argument("collection")
parser.add_argument("--batch", type=int, default=4000)
parser.add_argument("--write", choices=["insert", "upsert"], default="insert")
arguments = parser.parse_args()

source, target = MilvusClient(uri=arguments.source), MilvusClient(uri=arguments.target)
schema = target.create_schema()
for field in source.describe_collection(arguments.collection)["fields"]:
    schema.add_field(field["name"], field["type"], is_primary=field.get("is_primary", False), **field.get("params", {}))
target.create_collection(arguments.collection, schema=schema)
write = getattr(target, arguments.write)
pages = source.query_iterator(arguments.collection, batch_size=arguments.batch, output_fields=["*"])
copied = 0
while page := pages.next():
    write(arguments.collection, page)
    copied += len(page)
pages.close()
print(copied)
