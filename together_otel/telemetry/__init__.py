"""Spans, metrics and log events; knows no client library."""
