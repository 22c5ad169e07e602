"""Waiting that ends with the work: on the local account, the sleeps between two looks end when there is news.

On AWS a job takes minutes, and the SDK looks at it every 5 to 30 seconds. Here a job takes seconds, and most of the
time would be slept away. A sleep that the SDK asks for lasts as long as it says, unless the account announces a change;
nothing else of the waiting changes, and every other sleep is left alone. boto3's waiters count their looks: here they
look more often, and give up after the same time. SageMaker's need not even that, since the account holds its answer to
a waiter until there is something to say.
"""

import functools
import math
import sys
import threading
import time
from http.client import HTTPException

from botocore.waiter import Waiter

from .local_account.client import ask

SDK = "sagemaker."  # the modules whose sleeps are waits for a change of status
PAUSE = 0.05  # seconds of a sleep at least: 20 looks a second at most
HELD = 20  # seconds that one question for news is held
LOOK = 0.5  # seconds at most between two looks of boto3's waiters

_sleep = getattr(time.sleep, "original", time.sleep)
_wait = getattr(Waiter.wait, "original", Waiter.wait)


class News:
    """The account's count of changes, as far as this thread has seen it."""

    def __init__(self, variables):
        self.variables, self.seen = variables, threading.local()

    def sleep(self, seconds):
        """Sleep until the account announces something new, `seconds` at most."""
        end = time.monotonic() + seconds
        _sleep(min(PAUSE, seconds))
        while (rest := end - time.monotonic()) > 0:
            try:
                count = self.count(min(rest, HELD))
            except (OSError, HTTPException, ValueError):  # no account answers, as the next look will find out
                return _sleep(max(0, end - time.monotonic()))
            if count != getattr(self.seen, "count", None):
                self.seen.count = count
                return None
        return None

    def count(self, seconds):
        """Return the account's count, at once if this thread has not seen it yet, else after `seconds` at most."""
        since = getattr(self.seen, "count", -1)
        return ask(self.variables, "/changes", timeout=seconds + 10, since=since, seconds=seconds)["Count"]


def often(wait):
    """Return botocore's Waiter.wait with more looks in the same time, by its own rhythm or by the caller's."""

    @functools.wraps(wait)
    def waiting(self, **parameters):
        config = {"Delay": self.config.delay, "MaxAttempts": self.config.max_attempts}
        config |= parameters.pop("WaiterConfig", {})
        if config["Delay"] > LOOK:
            total = config["Delay"] * (config["MaxAttempts"] - 1)  # there is no sleep after the last look
            config |= {"Delay": LOOK, "MaxAttempts": math.ceil(total / LOOK) + 1}
        return wait(self, **parameters, WaiterConfig=config)

    waiting.original = wait
    return waiting


def end_early(variables):
    """Let the waits of AWS's code end with the news of the account whose client has these `variables`."""
    news = News(variables)

    def sleep(seconds):
        caller = sys._getframe(1)
        if not caller.f_globals.get("__name__", "").startswith(SDK):
            _sleep(seconds)
        elif "last_describe_job_call" in caller.f_locals:
            _follow(news, caller, seconds)
        else:
            news.sleep(seconds)

    sleep.original = _sleep
    time.sleep = sleep
    Waiter.wait = often(_wait)


def last_as_long_as_asked():
    """Undo `end_early`."""
    time.sleep, Waiter.wait = _sleep, _wait
    while _hurried:
        _hurried.pop()["time"] = time


class Ahead:
    """The module `time` of those parts of the SDK that show a job's log and look at the job every 30 seconds only.

    With each sleep that the account's news may end, it goes ahead by these 30 seconds, so that the next look is due.
    """

    def __init__(self):
        self.seconds = 0

    def time(self):
        """Return the time, so many seconds ahead."""
        return time.time() + self.seconds

    def __getattr__(self, name):
        return getattr(time, name)


_hurried: list[dict] = []  # the namespaces of modules whose `time` is ahead


def _follow(news, caller, seconds):
    """Sleep for a function of the SDK that shows a job's log: until there is news, not at all when the job has ended.

    It would sleep once more after the end, for lines that are late. Here the log is complete before its job has ended.
    """
    module, names = caller.f_globals, caller.f_locals
    if names.get("state") == module["LogState"].JOB_COMPLETE:
        return
    news.sleep(seconds)
    if not isinstance(module["time"], Ahead):
        module["time"] = Ahead()
        _hurried.append(module)
    module["time"].seconds += 30
