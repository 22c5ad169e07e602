"""The account's alarms: each looks at its metric when a period ends or data comes late, and acts when its state turns.

An alarm sleeps when nothing was measured in the time that it looks at: then nothing can change its state until new data
comes. So days that pass without data cost nothing, however short an alarm's period is.
"""

import json
import math
import threading
from datetime import UTC, datetime, timedelta

from ..errors import AwsError, LocalLimit
from ..meter import FAST_ALARM, STANDARD_ALARM
from ..runners.scaling_limits import is_policy
from . import alarm_messages
from .alarm_evaluation import ALARM, INSUFFICIENT_DATA, OK, evaluate, periods, reason
from .cloudwatch_statistics import statistic

KEPT = timedelta(days=30)  # how long history lasts
ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
BORN = "Unchecked: Initial alarm creation"


class Alarms:
    """The account's alarms of all regions, their states and their history."""

    def __init__(self, account):
        self.account, self.records, self.database = account, account.records, account.records.database
        self.lock = threading.RLock()  # one evaluation or change at a time
        self.planned = {}  # (region, name) -> the times at which the alarm looks next
        self.planning = threading.Lock()
        with self.records.lock:
            self.database.executescript("""
                CREATE TABLE IF NOT EXISTS alarm_history (
                    id INTEGER PRIMARY KEY, region TEXT, name TEXT, time REAL, type TEXT, summary TEXT, data TEXT);
                CREATE INDEX IF NOT EXISTS alarm_history_by_time ON alarm_history (region, time);
            """)

    def recover(self):
        """Look at every metric again after a start, and bill the alarms that are there, and no others."""
        standing = {alarm["AlarmArn"] for alarm in self.all()}
        for billed in self.account.meter.standing():
            if billed["component"] in (STANDARD_ALARM, FAST_ALARM) and billed["arn"] not in standing:
                self.account.meter.end(billed["arn"])
        for alarm in self.all():
            self._bill(alarm)
            self._plan(alarm, self.account.clock.now())

    def all(self, region=None):
        """Return the alarms of a region or of all, by name."""
        return sorted(self.records.all("Alarm", region), key=lambda alarm: alarm["AlarmName"])

    def get(self, region, name):
        """Return an alarm's record, or None."""
        return self.records.get("Alarm", region, name)

    def state(self, region, name):
        """Return "OK", "ALARM" or "INSUFFICIENT_DATA"; None if there is no such alarm."""
        alarm = self.get(region, name)
        return alarm and alarm["StateValue"]

    def put(self, region, settings, tags):
        """Make an alarm, or give one that is there other settings; its state stays."""
        now, name = self.account.clock.now(), settings["AlarmName"]
        with self.lock:
            there = self.get(region, name)
            born = {
                "AlarmArn": f"arn:aws:cloudwatch:{region}:{self.account.id}:alarm:{name}",
                "Region": region,
                "StateValue": INSUFFICIENT_DATA,
                "StateReason": BORN,
                "StateUpdatedTimestamp": now,
                "StateTransitionedTimestamp": now,
                "Tags": tags,
            }
            kept = (
                {member: there[member] for member in (*born, "StateReasonData") if member in there} if there else born
            )
            alarm = self.records.put(
                "Alarm", region, name, settings | kept | {"AlarmConfigurationUpdatedTimestamp": now}
            )
            self._bill(alarm)
            self._note(alarm, "ConfigurationUpdate", f'Alarm "{name}" {"updated" if there else "created"}', {})
        self._plan(alarm, now)

    def change(self, alarm, **members):
        """Set members of an alarm's record."""
        return self.records.change("Alarm", alarm["Region"], alarm["AlarmName"], **members)

    def retag(self, alarm, tags):
        """Give an alarm these tags and no others; from now on it is billed under them."""
        with self.lock:
            if tagged := self.change(alarm, Tags=tags):
                self._bill(tagged)

    def delete(self, region, name):
        """Delete an alarm; its history stays."""
        with self.lock:
            if alarm := self.records.delete("Alarm", region, name):
                self.account.meter.end(alarm["AlarmArn"])
                self._note(alarm, "ConfigurationUpdate", f'Alarm "{name}" deleted', {})

    def set(self, region, name, state, why, data=None):
        """Set an alarm's state by hand, until it next looks at its metric."""
        alarm = self.get(region, name)
        self._transit(alarm, state, why, data)
        now = self.account.clock.now()
        self._plan(alarm, datetime.fromtimestamp((now.timestamp() // alarm["Period"] + 1) * alarm["Period"], UTC))

    def arrived(self, region, measured):
        """Hear of new measurements: whoever watches their metric looks at it when their period is over."""
        watched = self.all(region)
        if not watched:
            return
        soon = math.ceil(self.account.clock.now().timestamp())  # one look for all that comes within a second
        for namespace, name, dimensions, row in measured:
            for alarm in watched:
                if (alarm["Namespace"], alarm["MetricName"], _named(alarm)) == (namespace, name, dimensions):
                    over = (row[0] // alarm["Period"] + 1) * alarm["Period"]
                    self._plan(alarm, datetime.fromtimestamp(max(over, soon), UTC))

    def history(self, region, oldest_first=False):
        """Return the region's history as rows (name, time, type, summary, data)."""
        with self.records.lock:
            rows = self.database.execute(
                "SELECT name, time, type, summary, data FROM alarm_history WHERE region = ? AND time >= ? "
                "ORDER BY time, id",
                (region, (self.account.clock.now() - KEPT).timestamp()),
            ).fetchall()
        return rows if oldest_first else rows[::-1]

    def _bill(self, alarm):
        item = STANDARD_ALARM if alarm["Period"] >= 60 else FAST_ALARM
        self.account.meter.begin_alarm(alarm["AlarmArn"], item, alarm["Region"], alarm["Tags"])

    def _plan(self, alarm, when):
        key = alarm["Region"], alarm["AlarmName"]
        with self.planning:
            times = self.planned.setdefault(key, set())
            if when in times:
                return
            times.add(when)
        self.account.clock.at(when, lambda: self._look(key, when))

    def _look(self, key, when):
        """Look at an alarm's metric, and again after the next period if there is something to see."""
        with self.planning:
            self.planned.get(key, set()).discard(when)
        with self.lock:
            alarm = self.get(*key)
            if alarm is None:
                return
            now = self.account.clock.now()
            points, later = self._points(alarm, now)
            if decided := evaluate(alarm, points):
                state, real = decided
                if state != alarm["StateValue"]:
                    why = reason(alarm, alarm["StateValue"], state, real)
                    self._transit(alarm, state, why, json.dumps(_data(alarm, now, real)))
            if later or any(value is not None for _, value in points):
                period = alarm["Period"]
                self._plan(alarm, datetime.fromtimestamp((now.timestamp() // period + 1) * period, UTC))

    def _points(self, alarm, now):
        """Return the points that an alarm looks at, and whether something was measured after them."""
        starts = periods(alarm, now)
        first, period = starts[0].timestamp(), alarm["Period"]
        rows = self.account.metrics.measured(
            alarm["Region"], alarm["Namespace"], alarm["MetricName"], _named(alarm), first, now.timestamp() + 1,
            alarm.get("Unit"),
        )  # fmt: skip
        by_period = {}
        for row in rows:
            by_period.setdefault(int((row[0] - first) // period), []).append(row)
        name = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        points = [(start, _value(name, by_period.get(number))) for number, start in enumerate(starts)]
        return points, any(number >= len(starts) for number in by_period)

    def _transit(self, alarm, state, why, data):
        now, old = self.account.clock.now(), alarm["StateValue"]
        new = self.change(
            alarm, StateValue=state, StateReason=why, StateReasonData=data, StateUpdatedTimestamp=now,
            StateTransitionedTimestamp=now if state != old else alarm["StateTransitionedTimestamp"],
        )  # fmt: skip
        if new is None or state == old:
            return
        told = {"version": "1.0", "oldState": _state(alarm), "newState": _state(new)}
        self._note(new, "StateUpdate", f"Alarm updated from {old} to {state}", told)
        if new["ActionsEnabled"]:
            for action in new[ACTIONS[state]]:
                self._act(action, old, new)

    def _act(self, topic, old, alarm):
        """Publish the change of state to a topic, or have a policy scale; what becomes of it stands in the history."""
        if is_policy(topic):
            self._note(alarm, "Action", f"Successfully executed action {topic}", {"notificationResource": topic})
            return self.account.scaling.heed(alarm, topic)
        written = alarm_messages.written(self.account, old, alarm)
        try:
            self.account.sns.publish(topic, publisher="cloudwatch.amazonaws.com", **written)
        except AwsError as error:
            self._note(alarm, "Action", f"Failed to execute action {topic}", {"error": error.message})
            self.account.mailbox.miss(alarm["AlarmArn"], topic, error.message)
        else:
            self._note(alarm, "Action", f"Successfully executed action {topic}", {"notificationResource": topic})

    def _note(self, alarm, kind, summary, data):
        now = self.account.clock.now()
        with self.records.lock:
            self.database.execute(
                "INSERT INTO alarm_history (region, name, time, type, summary, data) VALUES (?, ?, ?, ?, ?, ?)",
                (alarm["Region"], alarm["AlarmName"], now.timestamp(), kind, summary, json.dumps(data)),
            )
            self.database.execute("DELETE FROM alarm_history WHERE time < ?", ((now - KEPT).timestamp(),))


def _named(alarm):
    return {each["Name"]: each["Value"] for each in alarm["Dimensions"]}


def _value(name, rows):
    try:
        return float(statistic(name, rows)) if rows else None
    except LocalLimit:
        return None  # a percentile of statistic sets: the values themselves were never given


def _state(alarm):
    return {"stateValue": alarm["StateValue"], "stateReason": alarm["StateReason"]}


def _data(alarm, now, real):
    """Return what an alarm's decision rests on, as AWS writes it."""

    def stamp(time):
        return f"{time:%Y-%m-%dT%H:%M:%S.000+0000}"

    return {
        "version": "1.0",
        "queryDate": stamp(now),
        **({"startDate": stamp(real[0][0])} if real else {}),
        **({"unit": alarm["Unit"]} if alarm.get("Unit") else {}),
        "statistic": alarm.get("Statistic") or alarm["ExtendedStatistic"],
        "period": alarm["Period"],
        "recentDatapoints": [value for _, value in real],
        "threshold": alarm["Threshold"],
        "evaluatedDatapoints": [{"timestamp": stamp(time), "value": value} for time, value in reversed(real)],
    }
