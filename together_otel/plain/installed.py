"""The installed version of a distribution."""

from importlib import metadata


def release_of(distribution: str) -> str | None:
    """Return the installed version, or ``None`` if the distribution is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
