"""Patched methods and the calls that they make: plain calls, streams, open bodies and sessions."""
