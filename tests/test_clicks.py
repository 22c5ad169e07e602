"""What a click sends: a button of the console, a tile of the launcher."""

import json
import time

import boto3
import pytest
import requests

from helpers import clicks, session

RECORD = {"AttributeKey": "EventName", "AttributeValue": "DeleteNotebookInstance"}


@pytest.fixture
def course(shared_account, monkeypatch):
    monkeypatch.setenv(session.FOLDER, str(shared_account.folder))
    yield session.begin()
    session.end()


@pytest.fixture
def sagemaker(course):
    return boto3.client("sagemaker")


@pytest.fixture
def server(course, sagemaker):
    """A notebook instance that has failed, which takes no machine: its repository is not there."""
    sagemaker.create_notebook_instance(
        NotebookInstanceName="me-lost", InstanceType="ml.t3.medium", RoleArn=course.role,
        DefaultCodeRepository="https://127.0.0.1:1/nothing.git",
    )  # fmt: skip
    while sagemaker.describe_notebook_instance(NotebookInstanceName="me-lost")["NotebookInstanceStatus"] != "Failed":
        time.sleep(0.05)
    return "me-lost"


def test_a_button_does_what_it_does_in_the_browser(sagemaker, server):
    with pytest.raises(clicks.NoButton, match="no button 'Stop' for me-lost; it has Delete me-lost, Start me-lost"):
        clicks.button("Stop", server)
    clicks.button("Delete", server)
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName=server)
    with pytest.raises(clicks.NoButton, match="no button 'Delete' for me-lost; it has none for it"):
        clicks.button("Delete", server)


def test_cloudtrail_tells_a_button_from_a_program(sagemaker, server):
    clicks.button("Delete", server)
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName=server)
    with pytest.raises(sagemaker.exceptions.ClientError):
        sagemaker.delete_notebook_instance(NotebookInstanceName=server)
    events = boto3.client("cloudtrail").lookup_events(LookupAttributes=[RECORD])["Events"]
    program, button = (json.loads(event["CloudTrailEvent"]) for event in events[:2])
    assert button["sessionCredentialFromConsole"] == "true" and "sessionCredentialFromConsole" not in program
    assert button["requestParameters"] == program["requestParameters"] == {"notebookInstanceName": server}


def test_in_a_room_a_program_presses_on_this_computer(course, monkeypatch):
    monkeypatch.setenv("COURSE_CONSOLE", "https://192.0.2.7:8900")
    with pytest.raises(clicks.NoButton, match="no button 'Stop' for me-none; it has none for it"):
        clicks.button("Stop", "me-none")


def test_a_link_that_is_no_good_starts_nothing(course):
    with pytest.raises(requests.ConnectionError):
        clicks.launcher("http://me-gone.notebook.us-east-1.sagemaker.localhost:1?authToken=guess", "kernels")


def test_on_aws_it_says_where_the_button_is(monkeypatch, capsys):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clicks.button("Stop", "me-server")
    assert capsys.readouterr().out == (
        "No program presses a button of AWS's console. Press Stop beside me-server there: "
        "https://us-east-1.console.aws.amazon.com/sagemaker/home?region=us-east-1#/notebooks-and-git-repos\n"
    )
