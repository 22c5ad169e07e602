"""Cost Explorer: what the meter has counted, by day, month or hour, filtered and grouped as it is asked for.

Costs of all kinds (unblended, blended, amortized, net) are the same, since the account has no credits and no discounts.
What has no known rate is in the quantities and not in the amounts: `DimensionValueAttributes` names it.
"""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from ..errors import AwsError, LocalLimit, ValidationException
from ..meter import DAY
from ..protocols import answer
from . import cost_views
from .paging import NoPlace, page

HOUR = timedelta(hours=1)
COSTS = ("UnblendedCost", "BlendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost")
METRICS = (*COSTS, "UsageQuantity")
PAGE = 370  # periods in one answer
OLDEST = timedelta(days=15 * 31)  # what happened in the months before is not told
RECENT = timedelta(days=14)  # for which there are hours and resources
NO_RATE = "The course knows no rate for this: it is not part of the amounts, and not free."


async def serve(request, account, caller):
    """Answer a Cost Explorer request."""
    return await answer(request, "ce", Operations(account))


class Operations:
    """Cost Explorer's operations under botocore's names."""

    def __init__(self, account):
        self.account = account

    def get_cost_and_usage(self, TimePeriod, Granularity, Metrics, Filter=None, GroupBy=(), NextPageToken=None):
        if "RESOURCE_ID" in (*cost_views.dimensions(Filter), *(group.get("Key") for group in GroupBy)):
            raise ValidationException("RESOURCE_ID is a dimension of GetCostAndUsageWithResources only.")
        return self._answered(TimePeriod, Granularity, Metrics, Filter, GroupBy, NextPageToken)

    def get_cost_and_usage_with_resources(
        self, TimePeriod, Granularity, Filter, Metrics=("UnblendedCost",), GroupBy=(), NextPageToken=None
    ):
        if self.account.clock.now() - _moment(TimePeriod["Start"]) > RECENT + DAY:
            raise ValidationException("Resources are told for the past 14 days only.")
        return self._answered(TimePeriod, Granularity, Metrics, Filter, GroupBy, NextPageToken)

    def get_dimension_values(
        self, TimePeriod, Dimension, SearchString="", Context="COST_AND_USAGE", Filter=None, MaxResults=1000,
        NextPageToken=None,
    ):  # fmt: skip
        if Context != "COST_AND_USAGE":
            raise LocalLimit(f"The local account has no {Context.lower().replace('_', ' ')}.")
        value = cost_views.dimension(Dimension)
        found = sorted({value(row) for row in self._used(TimePeriod, Filter) if SearchString in value(row)})
        values = [{"Value": each, "Attributes": {}} for each in found]
        return self._listed("DimensionValues", values, NextPageToken, MaxResults)

    def get_tags(
        self, TimePeriod, TagKey=None, SearchString="", Filter=None, MaxResults=1000, NextPageToken=None
    ):  # fmt: skip
        tags = [row.tags for row in self._used(TimePeriod, Filter)]
        texts = [each.get(TagKey, "") for each in tags] if TagKey else [key for each in tags for key in each]
        return self._listed("Tags", sorted({text for text in texts if SearchString in text}), NextPageToken, MaxResults)

    def _answered(self, period, granularity, metrics, expression, groups, token):
        _check(metrics, groups)
        start, end = self._period(period, granularity)
        rows = self._between(start, end, HOUR if granularity == "HOURLY" else DAY, expression)
        how = metrics, [cost_views.group(each) for each in groups], granularity
        starts = [row.start for row in rows]  # in the order of time
        results = [
            self._result(since, until, rows[bisect_left(starts, since) : bisect_left(starts, until)], *how)
            for since, until in _periods(start, end, granularity)
        ]
        results, following = _page(results, token, PAGE)
        unknown = sorted({row.usage_type for row in rows if row.rate is None})
        answered = {
            "ResultsByTime": results,
            "GroupDefinitions": list(groups) or None,
            "DimensionValueAttributes": [{"Value": each, "Attributes": {"description": NO_RATE}} for each in unknown],
            "NextPageToken": following,
        }
        self._bill()
        return answered

    def _result(self, since, until, rows, metrics, names, granularity):
        month = self.account.clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        result = {"TimePeriod": _shown(since, until, granularity), "Estimated": until > month, "Groups": []}
        if not names:
            return result | {"Total": _totals(rows, metrics)}
        groups = {}
        for row in rows:
            groups.setdefault(tuple(name(row) for name in names), []).append(row)
        listed = [{"Keys": list(keys), "Metrics": _totals(same, metrics)} for keys, same in sorted(groups.items())]
        return result | {"Total": {}, "Groups": listed}

    def _used(self, period, expression):
        start, end = self._period(period, "DAILY")
        return self._between(start, end, DAY, expression)

    def _between(self, start, end, step, expression):
        passes = cost_views.filter_of(expression)
        return [row for row in self.account.meter.usage(start, end, step) if passes(row)]

    def _period(self, period, granularity):
        """Return the times between which data are asked for."""
        start, end = _moment(period["Start"]), _moment(period["End"])
        hourly = any("T" in period[name] for name in ("Start", "End"))
        if hourly and granularity != "HOURLY":
            raise ValidationException("Hourly timePeriod is not supported for this request")
        if start >= end:
            raise ValidationException("Start date (and hour) should be before end date (and hour)")
        now = self.account.clock.now()
        if end > _next_month(now):
            raise ValidationException("end date past the beginning of next month")
        if start < _next_month(now - OLDEST):
            raise ValidationException("You haven't enabled historical data beyond 14 months")
        if granularity == "HOURLY" and now - start > RECENT + DAY:
            raise ValidationException(
                "start date is too old for hourly, the max supported days for hourly granularity is 14 days."
            )
        return start, end

    def _listed(self, name, values, token, size):
        shown, following = _page(values, token, size)
        self._bill()
        return {name: shown, "ReturnSize": len(shown), "TotalSize": len(values), "NextPageToken": following}

    def _bill(self):
        """Bill the request, as AWS does."""
        arn = f"arn:aws:ce:us-east-1:{self.account.id}:/request"
        self.account.meter.add(arn, "cost-explorer-request", 1, "request", region="us-east-1")


def _check(metrics, groups):
    for metric in metrics:
        if metric == "NormalizedUsageAmount":
            raise LocalLimit("The local account has no normalized usage, which is of reservations.")
        if metric not in METRICS:
            raise ValidationException(f"Invalid metric {metric}: valid are {', '.join(METRICS)}.")
    if not metrics:
        raise ValidationException("At least one metric must be asked for.")
    if len(groups) > 2:
        raise ValidationException("Usage is grouped by at most two keys.")


def _totals(rows, metrics):
    """Return the metrics of rows: a cost in USD, the quantity in its unit if all have the same."""
    usd, units = sum(row.usd or 0 for row in rows), {row.unit for row in rows}
    quantity = {"Amount": _number(sum(row.quantity for row in rows)), "Unit": units.pop() if len(units) == 1 else "N/A"}
    cost = {"Amount": _number(usd), "Unit": "USD"}
    return {metric: quantity if metric == "UsageQuantity" else cost for metric in metrics}


def _number(value):
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _periods(start, end, granularity):
    """Split a time into its hours, days or months: (from, to)."""
    while start < end:
        step = HOUR if granularity == "HOURLY" else DAY
        until = _next_month(start) if granularity == "MONTHLY" else start + step
        yield start, min(until, end)
        start = until


def _next_month(time):
    return (time.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)


def _moment(text):
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)
    except ValueError:
        raise ValidationException(
            f"{text} is no day such as 2026-11-23, and no time as 2026-11-23T10:00:00Z."
        ) from None


def _shown(since, until, granularity):
    style = "%Y-%m-%dT%H:%M:%SZ" if granularity == "HOURLY" else "%Y-%m-%d"
    return {"Start": since.strftime(style), "End": until.strftime(style)}


def _page(items, token, size):
    try:
        return page(items, token, size)
    except NoPlace:
        raise AwsError("The NextPageToken is not valid.", "InvalidNextTokenException") from None
