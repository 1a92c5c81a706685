"""Adapters: what is specific to one client library, described in shared words."""
