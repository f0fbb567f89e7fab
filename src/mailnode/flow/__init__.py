"""Flows: the document, its runs with `input` and `context`, and the node types."""
