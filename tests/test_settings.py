"""The environment's settings, good and bad."""

import re
from pathlib import Path

import pytest
from generation import made_up_key

from together_otel import settings
from together_otel.settings import VARIABLES, Settings


def test_defaults():
    assert Settings.from_environment({}) == Settings()
    assert Settings().runbook("cause-empty").endswith("/runbook.md#cause-empty")


def test_everything_set():
    assert Settings.from_environment(
        {
            "TOGETHER_OTEL_METRICS": " None ",
            "TOGETHER_OTEL_PROMETHEUS_PORT": "9464",
            "TOGETHER_OTEL_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - what containers take
            "TOGETHER_OTEL_FINGERPRINT": "OFF",
            "TOGETHER_OTEL_LOG_INTERVAL": "0",
            "TOGETHER_OTEL_RUNBOOK_URL": "https://wiki.example/@together",
            "TOGETHER_OTEL_HOSTS": "gw.example, https://GW2.example:8443/v1,",
            "TOGETHER_OTEL_PUSHGATEWAY": "HTTP://gateway:9091",
            "TOGETHER_OTEL_RECOVERY": "ENVIRONMENT; File:/run/key",
            "TOGETHER_OTEL_GENAI_METRICS": "Both",
            "TOGETHER_OTEL_CHUNK_TIMES": "on",
        }
    ) == Settings(
        metrics="none",
        prometheus_port=9464,
        prometheus_host="0.0.0.0",  # noqa: S104 - what containers take
        fingerprint=False,
        log_interval=0.0,
        runbook_url="https://wiki.example/@together",
        hosts=("gw.example", "gw2.example"),
        pushgateway="HTTP://gateway:9091",
        recovery=(("environment", ""), ("file", "/run/key")),
        genai_metrics="both",
        chunk_times=True,
    )


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("TOGETHER_OTEL_METRICS", "statsd", "auto, otel, prometheus or none"),
        ("TOGETHER_OTEL_PROMETHEUS_PORT", "99999", "a port, 0 to 65535"),
        ("TOGETHER_OTEL_PROMETHEUS_PORT", "http", "a port, 0 to 65535"),
        ("TOGETHER_OTEL_PROMETHEUS_PORT", "9" * 5_000, "a port, 0 to 65535"),
        ("TOGETHER_OTEL_FINGERPRINT", "maybe", "on or off"),
        ("TOGETHER_OTEL_GENAI_METRICS", "newest", "latest, legacy or both"),
        ("TOGETHER_OTEL_CHUNK_TIMES", "each", "off or on"),
        ("TOGETHER_OTEL_LOG_INTERVAL", "soon", "a number of seconds"),
        ("TOGETHER_OTEL_LOG_INTERVAL", "-1", "a number of seconds"),
        ("TOGETHER_OTEL_LOG_INTERVAL", "nan", "a number of seconds"),
        ("TOGETHER_OTEL_HOSTS", "gw.example, http://", "names of hosts, separated by commas"),
        ("TOGETHER_OTEL_RUNBOOK_URL", "our wiki", "a URL with http:// or https://"),
    ],
)
def test_a_value_not_understood(variable, value, allowed, caplog):
    """A warning names variable, value and allowed values; the default holds."""
    assert Settings.from_environment({variable: value}) == Settings()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(
        f"Invalid value {value!r} for {variable} (expected {allowed}"
    )


@pytest.mark.parametrize(
    "value",
    [
        made_up_key(),
        "k" * 19 + "7",
        "sk-" + "short9" * 2,
        "me:a/word@host",
        f'"{"aQz" * 7}"',
        "Ab" * 9 + "CDe",
    ],
    ids=range(6),
)
def test_a_value_that_may_be_a_key(value, caplog):
    """It is not repeated."""
    Settings.from_environment({"TOGETHER_OTEL_METRICS": value})
    (record,) = caplog.records
    assert f"Invalid value ({len(value)} characters) for" in record.getMessage()


@pytest.mark.parametrize(
    "value",
    ["TogetherAuthFailureSpike", "otel_metrics_exporter_of_mine", "METRICS_EXPORTER_OF_MINE"],
)
def test_a_value_of_words(value, caplog):
    """It helps to see what was written, however long."""
    Settings.from_environment({"TOGETHER_OTEL_METRICS": value})
    assert f"Invalid value {value!r} for" in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("me:word", "(7 characters)"),
        ("http://me%3Aword%40host", "(23 characters)"),
        ("host:9091/x", "'host:9091/x'"),
    ],
)
def test_a_gateway_that_is_a_user_and_a_password(value, shown, caplog):
    Settings.from_environment({"TOGETHER_OTEL_PUSHGATEWAY": value})
    assert caplog.records[0].getMessage().startswith(f"Invalid value {shown} for")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TOGETHER_OTEL_METRIC", "; did you mean TOGETHER_OTEL_METRICS?"),
        ("together_otel_hosts", "; did you mean TOGETHER_OTEL_HOSTS?"),
        ("TOGETHER_OTEL_NOSUCH", "."),  # what all have in common is no likeness
        ("TOGETHER_OTEL_X" + "Y" * 40, "."),
    ],
)
def test_a_variable_that_is_no_setting(name, said, caplog):
    """One warning names the nearest; those that are settings, or not ours, are silent."""
    more = dict.fromkeys(VARIABLES, "")
    assert Settings.from_environment({name: "x", "TOGETHER_API_KEY": "", **more}) == Settings()
    assert [one.getMessage() for one in caplog.records] == [f"{name} is not a setting{said}"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://host:9091", "host:9091"),
        ("https://me:a%2Fword@host/metrics/job/x", "host"),
        ("http://[::1]:9091", "[::1]:9091"),
        ("http://me:a/word@host", ""),
        ("http://me:a#word@host", ""),
        ("http://host:port", ""),
        ("http://[::1", ""),
        ("http://", ""),
        ("host:9091", ""),
    ],
)
def test_the_host_of_a_url(url, host):
    """Told only where it is certain that it is no part of a password."""
    assert settings.host_of(url) == host
    found = Settings.from_environment({"TOGETHER_OTEL_PUSHGATEWAY": url}).pushgateway
    assert (found is not None) == bool(host)


@pytest.mark.parametrize(
    ("environ", "backend"),
    [
        ({}, "otel"),
        ({"PROMETHEUS_MULTIPROC_DIR": "/somewhere"}, "prometheus"),
        ({"TOGETHER_OTEL_PROMETHEUS_PORT": "0"}, "prometheus"),
        ({"TOGETHER_OTEL_METRICS": "otel", "PROMETHEUS_MULTIPROC_DIR": "/somewhere"}, "otel"),
        ({"TOGETHER_OTEL_METRICS": "prometheus"}, "prometheus"),
    ],
)
def test_who_emits_metrics(environ, backend):
    """Unless it is said, prometheus_client does where its settings are."""
    assert Settings.from_environment(environ).metrics == backend


def test_every_variable_read_is_documented():
    read = {
        value
        for name, value in vars(settings).items()
        if name.isupper()
        and isinstance(value, str)
        and value.startswith(("TOGETHER_OTEL_", "OTEL_"))
    }
    page = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"
    listed = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(read) == sorted(VARIABLES)
