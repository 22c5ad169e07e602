"""How an alarm decides: M of the last N data points breach the threshold, and what if points are missing."""

from datetime import UTC, datetime

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA = 2  # points that are looked at beyond the last N, in case some of these are missing
COMPARISONS = {  # operator -> (test, how it reads)
    "GreaterThanOrEqualToThreshold": (lambda value, limit: value >= limit, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, limit: value > limit, "greater than"),
    "LessThanThreshold": (lambda value, limit: value < limit, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, limit: value <= limit, "less than or equal to"),
}
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")


def evaluate(alarm, points):
    """Return the state that follows from points, the oldest first, and the points that it rests on; None if none does.

    A point is (time, value), with the value None where nothing was measured. There are N + EXTRA of them. The real
    points go before the missing ones: how to treat these matters only if there are fewer real ones than N.
    """
    wanted, needed = alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]
    test, _ = COMPARISONS[alarm["ComparisonOperator"]]
    real = [(time, value) for time, value in points if value is not None][-wanted:]
    breaching = sum(test(value, alarm["Threshold"]) for _, value in real)
    missing = wanted - len(real)
    if breaching >= needed:
        return ALARM, real
    if not missing:
        return OK, real
    match alarm["TreatMissingData"]:
        case "breaching":
            return (ALARM if breaching + missing >= needed else OK), real
        case "notBreaching":
            return OK, real
    if breaching < len(real):  # at least one point is within the threshold
        return OK, real
    if alarm["TreatMissingData"] == "ignore":
        return None
    ages = [age for age, (_, value) in enumerate(reversed(points), 1) if value is not None]
    if ages and max(ages) >= needed:  # nothing but breaches, and for long enough
        return ALARM, real
    return INSUFFICIENT_DATA, real


def reason(alarm, old, new, real):
    """Return why an alarm goes from one state to another, in CloudWatch's words."""
    wanted, needed = alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]
    if new == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_counted(wanted - len(real), 'datapoint')} unknown."
    missing = wanted - len(real)
    treated = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}.get(alarm["TreatMissingData"])
    if not real:
        return (
            f"Threshold Crossed: no datapoints were received for {wanted} period{'s' * (wanted > 1)} and "
            f"{_counted(missing, 'missing datapoint')} treated as {treated}."
        )
    test, words = COMPARISONS[alarm["ComparisonOperator"]]
    mine = [point for point in real if test(point[1], alarm["Threshold"]) == (new == ALARM)]
    listed = ", ".join(f"{value} ({time:%d/%m/%y %H:%M:%S})" for time, value in reversed(mine))
    negated = "" if new == ALARM else " not"
    filled = f" and {_counted(missing, 'missing datapoint')} treated as {treated}" if missing and treated else ""
    return (
        f"Threshold Crossed: {len(mine)} out of the last {wanted} datapoints [{listed}] "
        f"{'was' if len(mine) == 1 else 'were'}{negated} {words} the threshold ({alarm['Threshold']}){filled} "
        f"(minimum {needed if new == ALARM else wanted - needed + 1} datapoint"
        f"{'s' * ((needed if new == ALARM else wanted - needed + 1) > 1)} for {old} -> {new} transition)."
    )


def periods(alarm, now):
    """Return when each of the periods that an alarm looks at begins, the oldest first; the last of them is over."""
    period = alarm["Period"]
    end = int(now.timestamp() // period) * period
    count = alarm["EvaluationPeriods"] + EXTRA
    return [datetime.fromtimestamp(end - period * (count - number), UTC) for number in range(count)]


def _counted(number, what):
    return f"{number} {what} was" if number == 1 else f"{number} {what}s were"
