"""The SDK's sleeps and boto3's waiters end with the work; every other sleep lasts as long as it says."""

import threading
import time

import boto3
import pytest
from botocore.exceptions import WaiterError
from botocore.waiter import Waiter

from endpoints import XGBOOST
from helpers import session, waiting
from things import job

SLEEPER = "import time\ndef sleep(seconds):\n    time.sleep(seconds)\n"


@pytest.fixture
def sdk():
    """A module of the SDK that sleeps."""
    module = {"__name__": "sagemaker.core.resources"}
    exec(SLEEPER, module)
    return module["sleep"]


def took(sleep, seconds):
    began = time.monotonic()
    sleep(seconds)
    return time.monotonic() - began


def change(course, name):
    container = {"Image": XGBOOST}
    boto3.client("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=course.role)


def test_a_wait_of_the_sdk_ends_when_something_changes(course, sdk):
    took(sdk, 0.1)  # the first look of a thread only learns where the account stands
    threading.Timer(0.5, change, (course, "me-one")).start()
    assert 0.4 < took(sdk, 30) < 15


def test_a_change_between_look_and_sleep_is_not_missed(course, sdk):
    took(sdk, 0.1)
    change(course, "me-one")
    assert took(sdk, 30) < 15


def test_without_news_a_wait_lasts_as_long_as_it_says(course, sdk):
    took(sdk, 0.1)
    assert took(sdk, 1) >= 1


def test_the_sleeps_of_others_are_left_alone(course):
    module = {"__name__": "chapter"}
    exec(SLEEPER, module)
    threading.Timer(0.1, change, (course, "me-one")).start()
    assert took(module["sleep"], 0.7) >= 0.7


def test_constant_news_do_not_make_the_sdk_spin(course, sdk):
    over = threading.Event()

    def chatter():
        number = 0
        while not over.is_set():
            change(course, f"me-{number}")
            number += 1

    thread = threading.Thread(target=chatter)
    thread.start()
    began = time.monotonic()
    for _ in range(10):
        sdk(5)
    seconds = time.monotonic() - began
    over.set()
    thread.join()
    assert 10 * waiting.PAUSE <= seconds < 10 * 5  # twenty looks a second at most, and none that waits to its end


def test_a_wait_on_a_dead_account_ends_in_time(course, sdk, account):
    took(sdk, 0.1)
    account.stop()
    assert took(sdk, 1) < 15


def test_afterwards_sleeps_and_waiters_are_what_they_were(course):
    session.end()
    assert not hasattr(time.sleep, "original")
    assert not hasattr(Waiter.wait, "original")


def test_a_waiter_returns_within_a_second_of_what_it_waits_for(course):
    s3, put = boto3.client("s3"), []
    s3.create_bucket(Bucket="course")

    def arrive():
        s3.put_object(Bucket="course", Key="late", Body=b"")
        put.append(time.monotonic())

    threading.Timer(2, arrive).start()
    s3.get_waiter("object_exists").wait(Bucket="course", Key="late")  # which would look every 5 seconds
    assert time.monotonic() - put[0] < 2  # and not the 3 that are left of the 5


@pytest.mark.parametrize(
    "config, looks",
    [
        (None, {"Delay": 0.5, "MaxAttempts": 191}),  # 5 seconds after each of 20 looks but the last: 95 seconds
        ({"Delay": 2, "MaxAttempts": 3}, {"Delay": 0.5, "MaxAttempts": 9}),
        ({"Delay": 7, "MaxAttempts": 1}, {"Delay": 0.5, "MaxAttempts": 1}),
        ({"Delay": 0.1, "MaxAttempts": 7}, {"Delay": 0.1, "MaxAttempts": 7}),
    ],
)
def test_a_waiter_looks_more_often_and_gives_up_after_the_same_time(config, looks):
    asked = []
    waiter = boto3.client("s3", region_name="us-east-1").get_waiter("object_exists")
    waiting.often(lambda self, **parameters: asked.append(parameters))(
        waiter, Key="never", **({"WaiterConfig": config} if config else {})
    )
    assert asked == [{"Key": "never", "WaiterConfig": looks}]


def test_a_waiter_gives_up_after_the_time_that_its_caller_set(course):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="course")
    began = time.monotonic()
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        s3.get_waiter("object_exists").wait(Bucket="course", Key="never", WaiterConfig={"Delay": 1, "MaxAttempts": 3})
    assert 2 <= time.monotonic() - began < 15


def test_the_sdk_returns_when_a_job_ends_and_not_at_its_next_look(course):
    from sagemaker.core.resources import TrainingJob

    job(course, "me-job-1", "sleep 2")
    TrainingJob.get("me-job-1").wait(logs=False)  # which looks every five seconds
    ended = boto3.client("sagemaker").describe_training_job(TrainingJobName="me-job-1")["TrainingEndTime"]
    assert time.time() - ended.timestamp() < 2.5  # its next look would be 3 seconds after the end


FOLLOWER = """
import enum, time
class LogState(enum.Enum):
    TAILING, JOB_COMPLETE = 1, 2
def follow(state):
    last_describe_job_call = time.time()
    time.sleep(0.1 if state is LogState.TAILING else 30)
    return time.time() - last_describe_job_call
"""


def test_who_shows_a_log_looks_at_the_job_when_a_sleep_has_ended(course):
    module = {"__name__": "sagemaker.core.processing"}
    exec(FOLLOWER, module)
    assert module["follow"](module["LogState"].TAILING) >= 30  # in its own time; the SDK looks every 30 seconds
    assert module["follow"](module["LogState"].JOB_COMPLETE) < 5  # it does not sleep when all is over
    assert module["time"].monotonic() > 0
    session.end()
    assert module["time"] is time and module["follow"](module["LogState"].TAILING) < 5
