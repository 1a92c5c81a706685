"""What the metrics say of requests, whichever family their operations are of."""

FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
_FAMILIES = ("inference", "embeddings", "operation")


def durations(telemetry):
    """Return the points of all durations."""
    found = telemetry.metrics()
    names = (f"gen_ai.client.{family}.duration" for family in _FAMILIES)
    return [point for name in names for point in found.get(name, ())]


def measured(telemetry):
    """Return how many requests have a duration."""
    return sum(point["count"] for point in durations(telemetry))
