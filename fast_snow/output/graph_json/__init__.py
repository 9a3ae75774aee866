"""`4dsg.json`: writing, reading, checking and migrating the scene graph's document.

The document keeps the names of the paper (SNOW, arXiv 2512.16461); fields beyond it are additive. What each means is
in the JSON Schema beside this file and in `docs/reference/4dsg.md`. A graph that is written and read is the same graph,
bit for bit. Documents are untrusted: what does not hold is refused with one line that names the place.
"""

from fast_snow.output.graph_json.checking import validate
from fast_snow.output.graph_json.document_schema import SCHEMA_VERSION, migrate, schema
from fast_snow.output.graph_json.reading import loads, read_graph
from fast_snow.output.graph_json.writing import dumps, pieces, write

__all__ = ["SCHEMA_VERSION", "dumps", "loads", "migrate", "pieces", "read_graph", "schema", "validate", "write"]
