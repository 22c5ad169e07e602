"""Account time: real time plus an offset that only moves forward, and what is to be done at which time."""

import heapq
import itertools
import sys
import threading
import traceback
from datetime import UTC, datetime, timedelta

REMEMBERED = timedelta(days=8)  # for how long we know how far ahead the account was: longer than any signature lives


class Clock:
    """The account's clock, whose offset survives in the account's records.

    Rooms make appointments: `at(when, work)` calls `work()` once the account's time has reached `when`, be it that time
    passes or that it is moved forward. Then the work of all appointments in between is done one by one, in their order,
    each at its own time: what is written then bears that time. Appointments are not kept when the account ends; rooms
    make them anew from their records.
    """

    def __init__(self, records):
        self.records = records
        record = records.get("Clock", "", "offset") or {"Seconds": 0, "Moves": []}
        self.offset = timedelta(seconds=record["Seconds"])
        self.moves = record.get(
            "Moves", []
        )  # [in which second of real time it was moved, the offset before], of the last days
        self.forwarding = False  # whether somebody moves it at this moment
        self.standing = threading.local()  # the time that stands still while the work of an appointment is done
        self.appointments, self.numbers = [], itertools.count()
        self.lock = threading.RLock()  # of the appointments
        self.moving = threading.RLock()  # held while work is done and time moves
        self.bell = threading.Condition(self.lock)
        self.thread = None

    def now(self):
        """Return the account's time, aware, in UTC, in whole milliseconds, which is what AWS's answers hold."""
        now = getattr(self.standing, "at", None) or datetime.now(UTC) + self.offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def at(self, when, work):
        """Call `work()` in a thread of the clock once the account's time is `when`; at once if it has passed."""
        with self.bell:
            heapq.heappush(self.appointments, (when, next(self.numbers), work))
            self.bell.notify()

    def forward(self, step):
        """Move the account's time forward by a timedelta, doing what falls due on the way; return the new time."""
        if step < timedelta(0):
            raise ValueError(f"The account's time moves forward only, not by {step}.")
        with self.moving:
            now = datetime.now(UTC)
            kept = [move for move in self.moves if move[0] > (now - REMEMBERED).timestamp()]
            self.moves = [*kept, [int(now.timestamp()), self.offset.total_seconds()]]
            until = self.now() + step
            while due := self._due(until):
                self._move_to(due[0])
                self._keep(due)
            self._move_to(until)
            return self.now()

    def of(self, real):
        """Return the account's time at which this computer's clock stood at `real`, within the last days."""
        offset = next((offset for when, offset in self.moves if real.timestamp() < when), self.offset.total_seconds())
        return real + timedelta(seconds=offset)

    def start(self):
        """Begin to keep the appointments."""
        self.thread = threading.Thread(target=self._watch, name="clock", daemon=True)
        self.thread.start()

    def close(self):
        """Keep no more appointments."""
        thread, self.thread = self.thread, None
        with self.bell:
            self.bell.notify()
        if thread:
            thread.join(10)

    def _watch(self):
        while self.thread:
            with self.moving:
                while due := self._due(self.now()):
                    self._keep(due)
            with self.bell:
                seconds = self._left()
                if self.thread and seconds > 0:
                    self.bell.wait(seconds)

    def _due(self, until):
        """Take out and return the next appointment up to a time, or None."""
        with self.lock:
            if self.appointments and self.appointments[0][0] <= until:
                return heapq.heappop(self.appointments)
        return None

    def _left(self):
        """Return how many seconds are left until the next appointment, an hour at most."""
        if not self.appointments:
            return 3600
        return min((self.appointments[0][0] - self.now()).total_seconds(), 3600)

    def _keep(self, appointment):
        when, _, work = appointment
        self.standing.at = when
        try:
            work()
        except Exception:
            traceback.print_exc(file=sys.stderr)
        finally:
            self.standing.at = None

    def _move_to(self, when):
        offset = when - datetime.now(UTC)
        if offset > self.offset:
            self.records.put("Clock", "", "offset", {"Seconds": offset.total_seconds(), "Moves": self.moves})
            with self.bell:
                self.offset = offset
                self.bell.notify()
