"""What is noted of keys that were accepted or refused, and what is logged of it."""

import logging
from unittest.mock import Mock

import pytest

from together_otel import names
from together_otel.auth import runtime as runtime_module
from together_otel.auth.registry import KeyRegistry
from together_otel.auth.runtime import AuthFailure, Runtime
from together_otel.clients.base import Answer, Failure
from together_otel.keys import TOGETHER, Diagnosis, Reader, inspect_key
from together_otel.settings import Settings
from together_otel.telemetry.attributes import of_key

KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
OTHER = "opaque.token/012"
OPENAI = "sk" + "-proj-" + "Q7w" * 10
HOST = "api.together.xyz"
READER = Reader("openai", "OpenAI", ("OPENAI_API_KEY",))


@pytest.fixture
def now(monkeypatch):
    """The time, which a test sets."""
    clock = Mock(return_value=1_000.0)
    monkeypatch.setattr("together_otel.plain.clocks.time", clock)
    return clock


@pytest.fixture
def told(monkeypatch):
    """The events that were emitted."""
    emitted = []
    monkeypatch.setattr(runtime_module.events, "emit", lambda *event: emitted.append(event))
    return emitted


@pytest.fixture
def metrics():
    return Mock(has_failed=False)


@pytest.fixture
def runtime(metrics):
    settings = Settings(hosts=("gw.test",), runbook_url="https://runbook.test/")
    return Runtime(settings, Mock(), metrics, KeyRegistry(fingerprint=True))


@pytest.mark.parametrize(
    ("key", "level", "remedy"),
    [
        (None, logging.ERROR, "set TOGETHER_API_KEY to a key from"),
        (" ", logging.ERROR, "holds only white space: pass a key from"),
        ("changeme", logging.WARNING, "is a placeholder: put a key from"),
        (KEY[:-1], logging.WARNING, "is too short for a Together key: copy the whole key"),
        (f"{KEY[:-1]}!", logging.WARNING, "has a character that no Together key has"),
        (f"{OTHER}\n", logging.WARNING, "ends in a newline: strip it"),
        (OPENAI, logging.WARNING, "is a key of OpenAI: pass a Together key from"),
        (KEY, logging.INFO, None),
        (OTHER, logging.INFO, None),
    ],
)
def test_finding_about_a_key(key, level, remedy, runtime, told):
    """What is wrong comes with what to do about it."""
    report = inspect_key(key, source="argument", environ={})
    runtime.key_checked(report, "openai")
    ((event, found_level, fields),) = told
    assert (event, found_level) == (names.KEY_CHECKED, level)
    said = fields.pop(names.AUTH_REMEDY, None)
    assert (remedy is None and said is None) or remedy in said
    assert fields == {names.CLIENT_LIBRARY: "openai", **of_key(report)}


@pytest.mark.parametrize(
    ("host", "level"), [("gw.test", logging.INFO), ("api.together.ai", logging.WARNING)]
)
def test_key_of_a_gateway(host, level, runtime, told):
    """A listed gateway issues keys of its own, which may look like OpenAI's."""
    report = inspect_key(OPENAI, source="argument", environ={})
    runtime.key_checked(report, "together", at_gateway=runtime.is_gateway(host))
    assert [event[1] for event in told] == [level]


def test_acceptance_is_noted_by_key_text_and_whose_the_host_is(runtime, metrics, now, told):
    report = runtime.keys.of(f"{KEY} ", "argument")
    runtime.accepted(f"{KEY} ", report, Answer(authorization=f"Bearer {KEY} "), HOST)
    history = runtime.keys.history
    assert history.last_accepted(report.identity) == 1_000.0
    assert history.accepted_by(report.text_identity, "together") == 1_000.0
    assert history.is_fresh(report.identity, 1_000.0, report.text_identity, HOST)
    metrics.accepted.assert_called_once_with(1_000.0)
    metrics.keys_changed.assert_called_once_with(at_once=True)
    runtime.accepted(f"{KEY} ", report, Answer(), "gw.test")
    now.return_value += 9
    runtime.accepted(f"{KEY} ", report, Answer(), "b.test")
    assert history.accepted_by(report.text_identity, "together") == 1_000.0
    assert history.accepted_by(report.text_identity, "b.test") == 1_009.0
    assert history.accepted_by(report.text_identity, "gw.test") is None
    assert metrics.keys_changed.call_args_list[1:] == [({"at_once": False},)] * 2
    assert told == []


def test_what_was_just_accepted_is_not_noted_again(runtime, metrics, now):
    """A success after a failure is, though of the key nothing is new."""
    report = runtime.keys.of(KEY)
    for _ in range(2):
        runtime.accepted(KEY, report, Answer(), HOST)
    assert metrics.accepted.call_count == 1
    metrics.has_failed = True
    now.return_value += 0.25
    runtime.accepted(KEY, report, Answer(), HOST)
    assert metrics.accepted.call_args_list[1:] == [((1_000.25,),)]
    assert metrics.keys_changed.call_count == 1


@pytest.mark.usefixtures("now")
def test_the_key_that_was_sent_is_the_one_that_was_accepted(runtime):
    report = runtime.keys.of(KEY)
    runtime.accepted(KEY, report, Answer(authorization=f"Bearer {OTHER}"), HOST)
    assert runtime.keys.history.last_accepted(report.identity) is None
    sent = runtime.keys.of(OTHER)
    assert (sent.source, runtime.keys.history.last_accepted(sent.identity)) == ("header", 1_000.0)


def test_recovery_is_logged(runtime, metrics, now, told):
    report = runtime.keys.of(KEY)
    runtime.accepted(KEY, report, Answer(), HOST)
    runtime.keys.history.refused(report.identity, 1_000.0)
    now.return_value = 1_002.12345
    runtime.accepted(KEY, report, Answer(), HOST)
    assert metrics.keys_changed.call_args_list == [({"at_once": True},)] * 2
    fields = {names.AUTH_FAILED_FOR: 2.123, **of_key(report)}
    assert told == [(names.AUTH_RECOVERED, logging.INFO, fields)]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Failure("error", Answer(host=HOST)), "rejected"),
        (Failure("error", Answer(host=HOST, authorization=f"Bearer {OTHER}")), "rejected"),
        (Failure("error", Answer(host=HOST, authorization=f"Bearer {KEY}"), sent=True), "rejected"),
        (Failure("error", Answer(host=HOST), sent=True), "overridden"),
        (Failure("error", Answer(host=HOST, authorization=f"Bearer {OTHER}"), sent=True), "overridden"),
        (Failure("error", Answer(host=HOST, redirected_from="a.test")), "redirected"),
        (Failure("error", Answer(host=HOST, sign_in=True)), "wrong_endpoint"),
        (Failure("error", Answer(host=HOST, has_scheme=False)), "malformed"),
        (Failure("error", Answer(host=HOST), code="missing_api_key"), "header_lost"),
        (Failure("error", Answer(host="b.test", from_together=False)), "wrong_endpoint"),
        (Failure("error", Answer(host="b.test")), "rejected"),
        (Failure("error", Answer(host="gw.test", from_together=False)), "rejected"),
        (Failure("error", Answer(from_together=False)), "rejected"),
    ],
)  # fmt: skip
def test_cause_of_a_refusal(failure, cause, runtime, now):
    """By what was sent and what came back; it is noted of the key that was sent, or of none."""
    report = runtime.keys.of(KEY, "argument")
    override = Mock(return_value=None)
    found = runtime.refused("refused", KEY, report, failure, override, READER)
    assert found.diagnosis.cause == cause
    assert found.report.reader is READER
    sent, history = failure.answer.authorization, runtime.keys.history
    identity = report.identity
    is_other = failure.sent and sent != f"Bearer {KEY}"
    assert override.call_args_list == [((failure.answer,),)] * is_other
    if failure.sent and sent is not None:
        assert found.report.length == len(sent.removeprefix("Bearer "))
    if failure.sent:
        assert found.report.source == ("header" if sent == f"Bearer {OTHER}" else "argument")
        identity = b"" if sent is None else found.report.identity
    assert history.last_refused(identity) == now.return_value
    assert history.last_refused(b"" if identity else report.identity) is None


@pytest.mark.usefixtures("now")
def test_what_was_accepted_before_is_revoked(runtime):
    """By whom it was, unless nothing was sent."""
    report = runtime.keys.of(KEY)
    runtime.accepted(KEY, report, Answer(), HOST)

    def cause(kind="refused", *, override=None, sent=False, **answer):
        failure = Failure("error", Answer(**answer), sent=sent)
        return runtime.refused(kind, KEY, report, failure, lambda _: override, TOGETHER).diagnosis

    assert cause(host="api.together.ai").cause == cause().cause == "revoked"
    assert cause(host="b.test").cause == "rejected"
    assert cause("unsendable", host=HOST).cause == "malformed"
    overridden = cause(sent=True, override="netrc", host=HOST)
    assert overridden.cause == "overridden"
    assert "the file that NETRC names" in overridden.remedy


@pytest.mark.usefixtures("now")
def test_no_key_is_not_revoked(runtime):
    """Though a host has accepted requests without one."""
    report = inspect_key(environ={})
    runtime.accepted(None, report, Answer(), HOST)
    failure = Failure("error", Answer(host=HOST), sent=True)
    found = runtime.refused("refused", None, report, failure, lambda _: None, TOGETHER)
    assert found.diagnosis.cause == "missing"


def test_nothing_is_done_at_the_first_call_unless_it_is_set(runtime):
    assert runtime.at_first_call() is None


def test_constructor_that_refused(runtime):
    report = inspect_key(environ={})
    failure = runtime.missing(report)
    assert failure.report is report
    assert failure.diagnosis.cause == "missing"
    assert failure.attributes() == {names.AUTH_CAUSE: "missing", **of_key(report)}


def test_failure_that_could_not_be_diagnosed(metrics, monkeypatch):
    for name in ("TOGETHER_API_KEY", "TOGETHER_KEY"):
        monkeypatch.setenv(name, f"{KEY}\n")
    runtime = Runtime(Settings(), Mock(), metrics, KeyRegistry(fingerprint=True))
    report = runtime.unknown_key
    assert report == inspect_key(source="none", environ={})
    failure = runtime.unexplained(report)
    assert failure == AuthFailure(report, Diagnosis("unknown", names.CAUSE_REMEDIES["unknown"]))


@pytest.mark.parametrize(
    ("suppressed", "recovered", "level", "more"),
    [
        (0, None, logging.ERROR, {}),
        (3, None, logging.ERROR, {names.AUTH_SUPPRESSED: 3}),
        (0, "succeeded", logging.WARNING, {names.RECOVERY_OUTCOME: "succeeded"}),
    ],
)
def test_log_of_a_failure(suppressed, recovered, level, more, runtime, told):
    report = inspect_key(KEY, environ={})
    failure = AuthFailure(report, Diagnosis("revoked", "make a new one"))
    runtime.log_auth_failure(failure, {"detail": 1}, suppressed, recovered)
    fields = {
        names.AUTH_CAUSE: "revoked",
        names.AUTH_REMEDY: "make a new one",
        **of_key(report),
        "detail": 1,
        names.AUTH_RUNBOOK: runtime.settings.runbook("cause-revoked"),
        **more,
    }
    assert told == [(names.AUTH_FAILED, level, fields)]
    runtime.log_auth_failure(failure, {}, None)
    assert len(told) == 1


def test_repeated_failures_are_held_back_and_counted(runtime, monkeypatch):
    """By event, cause and key; an event whose time has come says how many were not logged."""
    written = []
    monkeypatch.setattr(
        runtime_module.events, "write_held_back", lambda *held: written.append(held)
    )
    one, other = (
        AuthFailure(inspect_key(key, environ={}), Diagnosis("revoked", "")) for key in (KEY, OTHER)
    )
    assert [runtime.auth_failure_held_back(failure) for failure in (one, other, one, one)] == [
        0,
        0,
        None,
        None,
    ]
    assert runtime.held_back(names.OPERATION_EXCEPTION, "chat", "Error") == 0
    assert runtime.held_back(names.OPERATION_EXCEPTION, "chat", "Error") is None
    runtime.report_held_back()
    assert written == [
        (names.AUTH_FAILED, {names.AUTH_CAUSE: "revoked"}, 2),
        (names.OPERATION_EXCEPTION, {names.OPERATION: "chat", names.ERROR_TYPE: "Error"}, 1),
    ]


def test_keys_in_use_that_cannot_be_told_are_none(runtime, metrics, monkeypatch):
    """An error of ours costs the collection nothing but the keys."""
    report = runtime.keys.of(KEY)
    assert [use.fingerprint for use in metrics.keys_in_use()] == [report.fingerprint]
    monkeypatch.setattr("together_otel.guard.Guard.raising", False)
    monkeypatch.setattr(runtime.keys, "in_use", Mock(side_effect=ZeroDivisionError))
    assert metrics.keys_in_use() == ()
    metrics.swallowed.assert_called_once_with("collect")
