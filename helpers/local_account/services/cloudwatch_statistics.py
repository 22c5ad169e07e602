"""What CloudWatch computes of the measurements of a period: their sum, their average, a percentile."""

import json
import re

from ..errors import LocalLimit

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
PERCENTILE = r"p(\d{1,2}(\.\d{1,10})?|100)"  # "p99", "p99.9"


def statistic(name, rows):
    """Return a statistic of measurements: Average, Sum, …, or a percentile such as p99 or p99.9."""
    count, total = sum(row[2] for row in rows), sum(row[3] for row in rows)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return total
        case "Average":
            return total / count
        case "Minimum":
            return min(row[4] for row in rows)
        case "Maximum":
            return max(row[5] for row in rows)
    percentile = re.fullmatch(PERCENTILE, name)
    if percentile is None:
        raise LocalLimit(
            f"The statistic {name} is not computed here; {', '.join(STATISTICS)} and percentiles (p99) are."
        )
    return _percentile(float(percentile[1]), rows)


def _percentile(percent, rows):
    samples = []
    for _, _, count, _, least, most, listed in rows:
        if listed is None and least != most:
            raise LocalLimit(
                "A percentile cannot be told from statistic sets, which do not hold the values themselves."
            )
        samples += json.loads(listed) if listed else [(least, count)]
    samples.sort()
    rank = percent / 100 * sum(count for _, count in samples)
    for value, count in samples:
        rank -= count
        if rank <= 0:
            return value
    return samples[-1][0]
