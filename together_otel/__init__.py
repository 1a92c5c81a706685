"""Observability for Together AI's Python SDK: every auth failure seen, named and counted."""
