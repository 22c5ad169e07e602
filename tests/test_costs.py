"""What is said of costs: rates with their place and day, and no figure where none is known."""

from datetime import UTC, datetime, timedelta

import pytest

from helpers import costs
from helpers.session import Course

ROLE = "arn:aws:iam::123456789012:role/R"
COURSE = Course("aws", "me", "eu-west-1", False, ROLE, "123456789012", datetime.now(UTC), timedelta())


def usage(machine="ml.m5.large", component="hosting", count=2, seconds=1800, region="us-east-1"):
    return costs.Usage("endpoint me-flights", component, machine, count, seconds, region)


def test_usd_are_machines_times_seconds_times_rate():
    assert usage().usd == pytest.approx(2 * 0.5 * 0.115)


@pytest.mark.parametrize("unknown", [usage(machine="ml.p5.48xlarge"), usage(region="eu-west-1")])
def test_an_unknown_rate_is_not_zero(unknown, monkeypatch):
    assert unknown.usd is None
    assert costs.total([usage(), unknown]) == (pytest.approx(0.115), False)
    monkeypatch.setattr(costs, "usage", lambda course: [usage(), unknown])
    said = str(costs.bill(COURSE))
    assert "not known" in said and "at least 0.1150" in said and "not the same as free" in said


def test_a_rate_is_a_sentence_with_place_and_day():
    assert costs.rate_sentence("ml.m5.large", "hosting") == (
        "One ml.m5.large for an endpoint costs USD 0.115 per hour, USD 2.76 per day (us-east-1, price of 2026-07-30)."
    )


def test_a_rate_that_aws_does_not_confirm_says_so():
    assert "not confirmed by AWS" in costs.rate_sentence("ml.m5.large", "training")


@pytest.mark.parametrize(("machine", "region"), [("ml.zz.large", "us-east-1"), ("ml.m5.large", "eu-west-1")])
def test_a_rate_that_is_not_known_is_said_to_be(machine, region):
    assert costs.rate_sentence(machine, "hosting", region).startswith("No rate is known for")


def test_a_kernel_that_noted_nothing_used_nothing(tmp_path):
    assert costs.remembered(tmp_path / "none") == []
