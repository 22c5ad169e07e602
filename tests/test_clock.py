"""The account's time moves forward only, and what is due on the way is done at its time."""

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from helpers.local_account.clock import Clock
from helpers.local_account.records import Records

HOUR = timedelta(hours=1)


@pytest.fixture
def clock(tmp_path):
    clock = Clock(Records(tmp_path / "account.db"))
    yield clock
    clock.close()


def test_it_tells_real_time_until_it_is_moved(clock):
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_it_stays_ahead_after_a_restart(clock):
    clock.forward(72 * HOUR)
    again = Clock(clock.records)
    assert abs(again.now() - datetime.now(UTC) - 72 * HOUR) < timedelta(seconds=1)


def test_it_never_moves_back(clock):
    with pytest.raises(ValueError, match="forward only"):
        clock.forward(-HOUR)


def test_what_falls_due_on_the_way_is_done_in_order_and_each_at_its_time(clock):
    start, seen = clock.now(), []
    clock.at(start + 3 * HOUR, lambda: seen.append(("third", clock.now() - start)))
    clock.at(start + HOUR, lambda: seen.append(("first", clock.now() - start)))
    clock.at(start + 9 * HOUR, lambda: seen.append(("never", clock.now() - start)))
    clock.forward(4 * HOUR)
    assert seen == [("first", HOUR), ("third", 3 * HOUR)]


def test_work_that_makes_its_next_appointment_is_done_again_on_the_way(clock):
    start, seen = clock.now(), []

    def work():
        seen.append(clock.now() - start)
        clock.at(clock.now() + 8 * HOUR, work)

    clock.at(start + 8 * HOUR, work)
    clock.forward(25 * HOUR)
    assert seen == [8 * HOUR, 16 * HOUR, 24 * HOUR]


def test_an_appointment_is_kept_as_time_passes_by_itself(clock):
    clock.start()
    done = Event()
    clock.at(clock.now() + timedelta(milliseconds=50), done.set)
    assert done.wait(5)


def test_work_that_fails_keeps_nobody_else_from_theirs(clock, capsys):
    done = []
    clock.at(clock.now() + HOUR, lambda: 1 / 0)
    clock.at(clock.now() + 2 * HOUR, lambda: done.append("done"))
    clock.forward(3 * HOUR)
    assert done == ["done"] and "ZeroDivisionError" in capsys.readouterr().err


def test_times_are_whole_milliseconds(clock):
    assert clock.now().microsecond % 1000 == 0
