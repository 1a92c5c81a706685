"""Patched methods and the life of a call: plain calls, streams, open bodies and sessions."""
