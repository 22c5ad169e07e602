"""CloudWatch's metrics, and plots of them, drawn as SVG without any library."""

import math
from datetime import timedelta
from itertools import groupby

from markupsafe import Markup, escape

from ..services.cloudwatch import Operations
from .view import Link, Page, Plot, Table

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 200, 64, 12, 12, 30
PERIODS = (1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)  # seconds
POINTS = 300  # at most, over the time that is shown
COUNTED = ("Invocations", "Errors", "Count")  # endings of metrics whose sum tells something; of others, the average
ROWS = 12  # plots on one page


def namespaces(asked):
    """Show all metrics, by namespace."""
    found = Operations(asked.account.metrics, asked.region).list_metrics()["Metrics"]
    rows = []
    for metric in found:
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        link = asked.link(
            metric["MetricName"], "metrics/metric", namespace=metric["Namespace"], metric=metric["MetricName"],
            **{f"d.{name}": value for name, value in dimensions.items()},
        )  # fmt: skip
        rows.append([link, metric["Namespace"], ", ".join(f"{name} = {value}" for name, value in dimensions.items())])
    empty = f"Nothing has been measured in {asked.region}."
    return Page("Metrics", [Table("Metrics", ("Metric", "Namespace", "Dimensions"), rows, empty)], "metrics")


def metric(asked):
    """Show one metric."""
    dimensions = {name[2:]: value for name, value in asked.query.items() if name.startswith("d.")}
    name, namespace = asked.query.get("metric", ""), asked.query.get("namespace", "")
    parts = of(asked, namespace, dimensions, name=name)
    empty = Table("Data", ("Time", "Value"), [], "There is no such metric.")
    return Page(name, parts or [empty], "metrics", above=(Link("Metrics", asked.href("metrics")),))


def of(asked, namespace, dimensions, since=None, name=None):
    """Return a plot of each metric of a namespace that has these dimensions."""
    room = Operations(asked.account.metrics, asked.region)
    wanted = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    found = room.list_metrics(Namespace=namespace, MetricName=name, Dimensions=wanted)["Metrics"]
    found = [one for one in found if name is None or len(one["Dimensions"]) == len(wanted)]
    plots = []
    for one in found[:ROWS]:
        more = [item["Value"] for item in one["Dimensions"] if item["Name"] not in dimensions]
        statistic = "Sum" if one["MetricName"].endswith(COUNTED) else "Average"
        points, unit, period = measurements(asked, one, statistic, since)
        if points:
            label = f"{one['MetricName']}{''.join(f', {value}' for value in more)}"
            how = f"{statistic} per {spoken(period)}" if period > 1 or statistic == "Sum" else ""
            unit = " ".join(filter(None, [how, f"in {unit.lower()}" if unit != "None" else ""]))
            plots.append(Plot(label, points, unit, draw(label, points)))
    return plots


def measurements(asked, metric, statistic, since):
    """Return what was measured as (time, value), its unit, and the period of one point, the finest that fits."""
    store, clock = asked.account.metrics, asked.account.clock
    end = clock.now() + timedelta(seconds=1)
    dimensions = {item["Name"]: item["Value"] for item in metric["Dimensions"]}
    start = (since or end - timedelta(days=14)).timestamp() - 60
    rows = store.measured(asked.region, metric["Namespace"], metric["MetricName"], dimensions, start, end.timestamp())
    if not rows:
        return [], "None", 1
    span = rows[-1][0] - rows[0][0]
    period = next((period for period in PERIODS if span / period <= POINTS), PERIODS[-1])
    answer = Operations(store, asked.region).get_metric_data(
        [{"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}],
        StartTime=clock.now().fromtimestamp(rows[0][0] // period * period, end.tzinfo), EndTime=end,
        ScanBy="TimestampAscending",
    )["MetricDataResults"][0]  # fmt: skip
    points = list(zip(answer["Timestamps"], answer["Values"], strict=True))
    # Where a metric was measured in several units, a time has several values: the last is kept.
    return [list(group)[-1] for _, group in groupby(points, key=lambda point: point[0])], rows[-1][1], period


def draw(label, points):
    """Return a plot as SVG: a line, a dot for every value, and round numbers at the axes."""
    times = [time.timestamp() for time, _ in points]
    values = [value for _, value in points]
    low, high, step = rounded(min(values), max(values))
    first, span = times[0], (times[-1] - times[0]) or 1.0
    inner = WIDTH - LEFT - RIGHT

    def x(time):
        return round(LEFT + inner * ((time - first) / span if len(times) > 1 else 0.5), 1)

    def y(value):
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), 1)

    ticks = [low + step * number for number in range(round((high - low) / step) + 1)]
    lines = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{number(tick)}</text>'
        for tick in ticks
    )
    ends = [(points[0][0], "start", x(times[0])), (points[-1][0], "end", x(times[-1]))][: 2 if len(points) > 1 else 1]
    form = "%H:%M:%S" if span < 86400 else "%Y-%m-%d %H:%M"
    under = "".join(
        f'<text x="{at}" y="{HEIGHT - 8}" text-anchor="{anchor if len(points) > 1 else "middle"}">{time:{form}}</text>'
        for time, anchor, at in ends
    )
    path = " ".join(f"{x(time)},{y(value)}" for time, value in zip(times, values, strict=True))
    dots = "".join(
        f'<circle cx="{x(time)}" cy="{y(value)}" r="2.5"/>' for time, value in zip(times, values, strict=True)
    )
    said = f"{label}: {len(points)} value{'s' * (len(points) > 1)}, from {number(min(values))} to {number(max(values))}"
    return Markup(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f'{lines}{under}<polyline points="{path}"/>{dots if len(points) <= 60 else ""}</svg>'
    )


def rounded(low, high):
    """Return a range of round numbers that holds low and high, and the step between them."""
    if low == high:
        low, high = min(0.0, low), max(0.0, high) or 1.0
    raw = (high - low) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def number(value):
    """Return a number as it stands at an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def spoken(seconds):
    """Return a period in words: "5 minutes"."""
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return word if seconds == size else f"{seconds // size} {word}s"
    raise ValueError(seconds)


ROUTES = {"metrics": namespaces, "metrics/metric": metric}
