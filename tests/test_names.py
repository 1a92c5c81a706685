"""The contract's names hold together among themselves."""

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    exception_attributes,
    http_attributes,
    server_attributes,
)

from together_otel import names


def test_every_cause_has_a_meaning():
    assert tuple(names.CAUSE_MEANINGS) == names.CAUSES


def test_prometheus_names_follow_from_the_opentelemetry_names():
    """Dots become underscores, a counter ends in _total, seconds are spelt out."""
    for metric in names.METRICS:
        assert metric.attributes == tuple(dict.fromkeys(metric.attributes))
        expected = metric.name.replace(".", "_")
        if metric.unit == "s":
            expected += "_seconds"
        if metric.kind == "counter":
            expected += "_total"
        assert metric.prometheus == expected
        assert metric.description.endswith(".")
        assert (metric.kind == "histogram") == bool(metric.buckets)


def test_buckets():
    assert names.TIME_BUCKETS[0] == 0.01
    assert names.TIME_BUCKETS[-1] == 0.01 * 2**13
    assert names.TOKEN_BUCKETS[-1] == 4**13


def test_conventions_names_are_the_conventions():
    """What is not ours is spelt as OpenTelemetry spells it."""
    theirs = {
        value
        for module in (
            gen_ai_attributes,
            error_attributes,
            exception_attributes,
            http_attributes,
            server_attributes,
        )
        for value in vars(module).values()
        if isinstance(value, str)
    }
    # In the conventions' own repository, and not yet in the package of its constants.
    names_not_released = {names.REASONING_LEVEL, names.PREVIOUS_RESPONSE, names.TOKEN_MODALITY}
    ours = {
        value
        for name, value in vars(names).items()
        if name.isupper()
        and isinstance(value, str)
        and value.startswith(("gen_ai.", "server.", "http.", "error.", "exception."))
    }
    assert ours - theirs <= names_not_released
    assert not (names_not_released & theirs)
    assert len(ours) > 12
