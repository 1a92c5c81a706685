"""Adapters, each of which describes the calls of one client library in common types."""
