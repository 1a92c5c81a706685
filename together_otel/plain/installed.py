"""Which release of a distribution is installed."""

from importlib import metadata


def release_of(distribution: str) -> str | None:
    """Return the release that is installed, ``None`` where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
