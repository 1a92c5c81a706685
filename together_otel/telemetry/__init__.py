"""Spans, metrics and log events. No SDK here."""
