"""Chapter 2: notebook instances of one's own, opened and stopped by hand, and a repository for the work."""

from botocore.exceptions import ClientError

from .. import belongings
from .account import calls, described, tags_missing
from .verdict import ANEW, LATE, done, not_yet

GROUP = "/aws/sagemaker/NotebookInstances"


def second_server(course):
    """Look for a notebook instance of another family, with a larger volume, on the platform of today."""
    name, platform = course.name("second"), "notebook-al2023-v1"
    wanted = (
        f"a notebook instance {name} of the type ml.m5.xlarge, with a volume of 8 GB and the platform {platform}, "
        "that is InService and has the tags of the course"
    )
    server = described("describe_notebook_instance", NotebookInstanceName=name)
    if server is None:
        return not_yet(f"there is no notebook instance {name}", wanted, "Create it with create_notebook_instance.")
    machine, volume = server["InstanceType"], server["VolumeSizeInGB"]
    if machine != "ml.m5.xlarge":
        return not_yet(f"{name} is an {machine}, of the family {machine[3].upper()}", wanted)
    if volume != 8:
        return not_yet(f"the volume of {name} has {volume} GB", wanted, "It can grow while the server is stopped.")
    if (its := server.get("PlatformIdentifier")) != platform:
        return not_yet(f"the platform of {name} is {its}", wanted, "It is chosen at the creation.")
    if missing := tags_missing(course, server["NotebookInstanceArn"]):
        return not_yet(f"{name} is there, but without {missing}", wanted, ANEW)
    if server["NotebookInstanceStatus"] != "InService":
        return not_yet(f"{name} is as asked, and {server['NotebookInstanceStatus']}", wanted)
    return done(f"{name} is an ml.m5.xlarge with 8 GB on {platform}, and InService")


def opened_server(course):
    """Look into the log of the learner's notebook instances for a kernel and a terminal."""
    wanted = "a server of yours in whose JupyterLab a kernel and a terminal were started"
    found = "you have no notebook instance"
    for thing in belongings.of(course, belongings.NOTEBOOK):
        kernels, terminals = (_logged(thing.name, words) for words in ("Kernel started", "New terminal"))
        found = f"{thing.name} has started, by its log, kernels: {kernels}, terminals: {terminals}"
        if kernels and terminals:
            return done(found)
    return not_yet(found, wanted, "The log is some seconds late.")


def stopped_by_button(course):
    """Look among the calls that have stopped a notebook instance of the learner's for one from the console."""
    wanted = "a StopNotebookInstance that came from the console"
    found = "CloudTrail tells of no StopNotebookInstance for a server of yours"
    for call in calls(course, "StopNotebookInstance"):
        name = call["requestParameters"]["notebookInstanceName"]
        if not name.startswith(f"{course.learner}-"):
            continue
        if call.get("sessionCredentialFromConsole") == "true":
            return done(f"{name} was stopped from the console")
        program = call["userAgent"].strip("[]").partition("/")[0]
        found = f"{name} was stopped by a program that calls itself {program}"
    return not_yet(found, wanted, LATE)


def work_repository(course):
    """Look for a code repository."""
    name = course.name("work")
    wanted = f"a code repository {name} with the tags of the course"
    repository = described("describe_code_repository", CodeRepositoryName=name)
    if repository is None:
        return not_yet(f"there is no code repository {name}", wanted, "Create it with create_code_repository.")
    if missing := tags_missing(course, repository["CodeRepositoryArn"]):
        return not_yet(f"{name} is there, but without {missing}", wanted, ANEW)
    return done(f"{name} stands for {repository['GitConfig']['RepositoryUrl']}")


def _logged(name, words):
    """Return how often JupyterLab has said something since the notebook instance was created."""
    created = described("describe_notebook_instance", NotebookInstanceName=name)["CreationTime"]
    pages = belongings.client("logs").get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNames=[f"{name}/jupyter.log"], startTime=int(created.timestamp() * 1000),
        filterPattern=f'"{words}"',
    )  # fmt: skip
    try:
        return sum(len(page["events"]) for page in pages)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":  # no server has said anything yet
            return 0
        raise
