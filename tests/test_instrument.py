"""``together_otel.instrument()``: its keywords are the settings."""

import inspect
from importlib.metadata import version

import pytest

import together_otel
from together_otel.settings import KEYWORDS, Settings


def test_each_setting_has_a_keyword():
    keywords = set(inspect.signature(together_otel.instrument).parameters)
    assert {*KEYWORDS, "recovery"} <= keywords


def test_keywords_come_before_variables(monkeypatch):
    monkeypatch.setenv("TOGETHER_OTEL_FINGERPRINT", "on")
    monkeypatch.setenv("TOGETHER_OTEL_LOG_INTERVAL", "5")
    given = {"fingerprint": False, "hosts": ["a.example", "b.example"], "prometheus_port": 0}
    settings = Settings.from_keywords(given)
    assert not settings.fingerprint
    assert settings.hosts == ("a.example", "b.example")
    assert settings.prometheus_port == 0
    assert settings.log_interval == 5.0


def test_on_and_off():
    together_otel.instrument(metrics="none", preflight="off")
    assert together_otel.TogetherInstrumentor().is_instrumented_by_opentelemetry
    together_otel.uninstrument()
    assert not together_otel.TogetherInstrumentor().is_instrumented_by_opentelemetry


def test_a_keyword_that_is_none():
    with pytest.raises(TypeError, match=r"'metric'; did you mean metrics\?"):
        together_otel.instrument(metric="none")


def test_a_keyword_that_the_instrumentor_does_not_know(caplog):
    """A warning names the nearest; the instrumentation is on, as others are turned on after it."""
    together_otel.TogetherInstrumentor().instrument(metric="none", preflight="off")
    assert together_otel.TogetherInstrumentor().is_instrumented_by_opentelemetry
    together_otel.uninstrument()
    assert "instrument() has no keyword metric; did you mean metrics?" in caplog.messages


def test_version():
    assert together_otel.__version__ == version("together-otel")
