"""``together_otel.instrument()``: its keywords are the settings."""

import inspect
import threading
from importlib.metadata import version

import pytest
from prometheus_client import CollectorRegistry

import together_otel
from together_otel import instrumentor
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


@pytest.mark.parametrize("kind", [str, list, tuple, set, frozenset])
def test_hosts_of_any_kind(kind):
    hosts = "a.example" if kind is str else kind(["a.example"])
    assert Settings.from_keywords({"hosts": hosts}).hosts == ("a.example",)


def test_on_and_off():
    together_otel.instrument(metrics="none", preflight="off")
    assert together_otel.TogetherInstrumentor().is_instrumented_by_opentelemetry
    together_otel.uninstrument()
    assert not together_otel.TogetherInstrumentor().is_instrumented_by_opentelemetry


def test_several_threads_turn_it_on_once(monkeypatch):
    """One at a time: the others find it on, and nothing is left when it is turned off."""
    choose, chosen = instrumentor.choose_backend, []

    def choosing(*given):
        chosen.append(given)
        if len(chosen) == 1:
            other.start()
            other.join(0.2)  # as it waits for this one
        return choose(*given)

    options = {"registry": CollectorRegistry(), "preflight": "off", "prometheus_port": 0}
    other = threading.Thread(target=together_otel.instrument, kwargs=options)
    monkeypatch.setattr(instrumentor, "choose_backend", choosing)
    together_otel.instrument(**options)
    other.join()
    together_otel.uninstrument()
    assert len(chosen) == 1
    assert "together-otel-http-endpoint" not in [one.name for one in threading.enumerate()]


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
