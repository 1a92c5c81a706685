"""`together-otel drill` with each generation of the SDK: every cause is acted, and told by its name."""

import pytest
from drill_runs import drilled
from prometheus_client.parser import text_string_to_metric_families

from together_otel.names import AUTH_FAILURES, CAUSES, REQUESTS
from together_otel.plain.spelling import count_of


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause(cause, tmp_path):
    """It is all that is counted, as often as the drill says, and what follows is accepted."""
    done = drilled(cause=cause, TOGETHER_OTEL_TEXTFILE=str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert file.name == "together_otel_shop-drill.prom"
    samples = [
        sample
        for family in text_string_to_metric_families(file.read_text(encoding="utf-8"))
        for sample in family.samples
    ]
    assert {sample.labels["job"] for sample in samples} == {"shop-drill"}
    counted = {
        sample.labels["together_auth_cause"]: sample.value
        for sample in samples
        if sample.name == AUTH_FAILURES.prometheus
    }
    accepted = sum(
        sample.value
        for sample in samples
        if sample.name == REQUESTS.prometheus
        and sample.labels["together_request_outcome"] == "success"
    )
    failed = counted.pop(cause)
    assert failed >= 1
    assert counted == dict.fromkeys(set(CAUSES) - {cause}, 0)
    said = f"{count_of(failed, 'failure')} of {cause}, {count_of(accepted, 'request')} accepted."
    assert said in done.stdout
    assert accepted >= 1
    assert f"cause={cause}" in done.stderr
