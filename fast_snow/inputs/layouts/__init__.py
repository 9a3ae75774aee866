"""Readers of what other tools record: each knows one layout, and answers with a recording."""
