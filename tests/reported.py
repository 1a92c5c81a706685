"""What was emitted, by what tests ask of it."""


def events(telemetry, name="auth_failed"):
    """Return the attributes of the log events of a name."""
    return [
        one["attributes"]
        for one in telemetry.logs()
        if one["event_name"] == f"together.client.{name}"
    ]


def failures(telemetry):
    """Return how many authentication failures were counted, by cause, without the zeros."""
    points = telemetry.metrics().get("together.client.auth.failures", ())
    return {
        one["attributes"]["together.auth.cause"]: one["value"] for one in points if one["value"]
    }


def calls(telemetry):
    """Return the attributes of the spans of requests, in the order in which they ended."""
    return [span["attributes"] for span in telemetry.spans() if span["kind"] == "CLIENT"]


def call(telemetry):
    """Return the attributes of the only request's span."""
    (attributes,) = calls(telemetry)
    return attributes


def outcomes(telemetry):
    """Return what became of the requests."""
    return [one["together.request.outcome"] for one in calls(telemetry)]


def only_failure(telemetry, keys):
    """Return the one event of the one failure, which was counted once and shows no key."""
    (event,) = events(telemetry)
    assert failures(telemetry) == {event["together.auth.cause"]: 1}
    assert event["together.auth.remedy"].count(". ") == 0
    (failed,) = [span for span in telemetry.spans() if span["status"] == "ERROR"]
    assert failed["attributes"]["together.auth.cause"] == event["together.auth.cause"]
    assert failed["attributes"]["error.type"] == event["error.type"]
    assert failed["attributes"]["together.client.library"] == event["together.client.library"]
    assert keys.shown_in({"telemetry": telemetry.everything()}) == []
    return event
