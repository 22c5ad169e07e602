"""Chapter 2: a notebook instance that has grown, and a repository for the work."""

from .account import described, tags_missing
from .verdict import ANEW, done, not_yet


def larger_server(course):
    """Look for the notebook instance with another type, in service again."""
    name = course.name("server")
    wanted = f"a notebook instance {name} of the type ml.t3.large that is InService"
    server = described("describe_notebook_instance", NotebookInstanceName=name)
    if server is None:
        return not_yet(f"there is no notebook instance {name}", wanted)
    machine, status = server["InstanceType"], server["NotebookInstanceStatus"]
    if (machine, status) != ("ml.t3.large", "InService"):
        return not_yet(f"{name} is an {machine}, and it is {status}", wanted)
    return done(f"{name} is an ml.t3.large and InService")


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
