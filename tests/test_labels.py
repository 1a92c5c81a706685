"""Labels of metrics: redacted, valid UTF-8, bounded in length and number."""

import pytest
from generation import made_up_key

from together_otel.names import MODEL_LIMIT, OTHER, OTHER_ERROR, SERVER_LIMIT
from together_otel.telemetry.labels import LENGTH, BoundedLabels, clean
from together_otel.telemetry.metrics import Metrics


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a/model", "a/model"),
        ("modèle 模型 🙂", "modèle 模型 🙂"),
        ("x\ud83d", "x\ufffd"),
        ("\udc00x\ud83d", "\ufffdx\ufffd"),
        ("a\x00b\nc\x7f\x85", "a\ufffdb\ufffdc\ufffd\ufffd"),
    ],
)
def test_every_label_is_text_that_can_be_written(text, label):
    assert clean(text) == label
    clean(text).encode()


def test_a_long_text_is_cut():
    assert len(clean("x " * 10_000)) < LENGTH + 100


def test_a_key_is_no_label():
    """Neither one that has a known shape nor one that is known to be involved."""
    labels, key = BoundedLabels(), made_up_key()
    assert key[10:] not in (labels.model(f"a/{key}") or "")
    assert labels.model("no shape at all 1234", ["no shape at all 1234"]) == "[key]"
    assert labels.server(f"{key}.example", 443)[0] != f"{key}.example"


def test_models_are_limited():
    """A model named by users cannot blow up the number of series."""
    labels = BoundedLabels()
    shown = [labels.model(f"model-{number}") for number in range(MODEL_LIMIT + 50)]
    assert shown[:MODEL_LIMIT] == [f"model-{number}" for number in range(MODEL_LIMIT)]
    assert set(shown[MODEL_LIMIT:]) == {OTHER}
    assert labels.model("model-0") == "model-0"


def test_servers_are_limited():
    """Hosts, and ports of one host: a host that is known stays known without its port."""
    labels = BoundedLabels()
    shown = {labels.server(f"host-{number}", 443) for number in range(SERVER_LIMIT + 5)}
    assert len(shown) == SERVER_LIMIT + 1
    assert (OTHER, None) in shown
    portless = BoundedLabels()
    shown = {portless.server(f"host-{number}", None) for number in range(SERVER_LIMIT + 5)}
    assert {port for _, port in shown} == {None}
    assert portless.server("late", 443) == (OTHER, None)
    assert portless.server("host-0", 443) == ("host-0", 443)
    ports = BoundedLabels()
    shown = {ports.server("localhost", number) for number in range(SERVER_LIMIT + 5)}
    assert len(shown) == SERVER_LIMIT + 1
    assert ("localhost", None) in shown


def test_error_types_and_operations_are_limited():
    labels = BoundedLabels()
    assert len({labels.error_type(f"Error{number}") for number in range(1000)}) == 101
    assert len({labels.operation(f"files.{number}") for number in range(1000)}) == 201
    assert labels.error_type("LateError") == OTHER_ERROR
    assert labels.operation("late") == OTHER


def test_what_is_not_known_has_no_label():
    labels = BoundedLabels()
    assert labels.model(None) is None
    assert labels.model("") is None
    assert labels.server(None, 443) == (None, None)
    assert labels.error_type(None) is None


def test_recorders_are_found_by_their_labels():
    """One for the same labels, whatever the values were; their number is that of the labels."""
    metrics = Metrics()
    one = metrics.recorder("chat", "a/model", "localhost", 1)
    assert metrics.recorder("chat", "a/model", "localhost", 1) is one
    assert metrics.recorder("chat", "other", "localhost", 1) is not one
    for number in range(1000):
        metrics.recorder("chat", f"model-{number}", "localhost", 1)
    assert metrics.recorder("chat", "model-998", "localhost", 1) is metrics.recorder(
        "chat", "model-999", "localhost", 1
    )
    assert len(metrics._recorders) == MODEL_LIMIT + 1
