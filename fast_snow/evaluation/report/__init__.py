"""Reports of results: tables, an HTML page and comparisons."""
