"""A notebook instance that brings the course with it, and stops when nobody works: `course notebook`.

    course notebook --account aws --repository https://git.example.com/course.git          prints the requests
    course notebook --account aws --repository https://git.example.com/course.git --yes    sends them

The requests are two: a lifecycle configuration, whose one script runs at each start, and the instance. The script is
made of the programs in on_instance/, of which on_start.sh comes first.
"""

import base64
import contextlib
import gzip
import json
import shlex
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from .. import belongings, costs, session
from ..local_account.errors import Refused
from .guard import NotRented

PROGRAMS = Path(__file__).with_name("on_instance")
LIMIT = 16384  # characters that a script may have, in base64
PLATFORM = "notebook-al2023-v1"
NAME = "course"
LOOK = 60  # seconds between two looks at most


def order(options):
    """Print the requests that `course notebook` stands for, or send them if its options say so."""
    with contextlib.redirect_stdout(sys.stderr):  # so that what is printed are the requests alone
        course = session.begin(options.account, options.learner, options.region)
    try:
        wanted = requests(
            course, options.repository, options.idle, options.type, options.volume, options.default_repository
        )
        print("\n".join(create(course, wanted)) if options.yes else json.dumps(wanted, indent=2))
    finally:
        session.end()


def script(repository="", idle=60):
    """Return the script of every start: it clones the repository, and stops after `idle` minutes without work."""
    if not 0 < idle <= 7 * 24 * 60:
        raise Refused(f"Auto-stop takes a number of minutes above 0 and up to a week, 10080, not {idle:g}.")
    if repository != repository.strip() or not repository.isprintable():
        raise Refused(f"A repository is an address for `git clone`, without blanks around it, not {repository!r}.")
    head, _, body = (PROGRAMS / "on_start.sh").read_text().partition("\n")
    zipped = base64.encodebytes(gzip.compress((PROGRAMS / "auto_stop.py").read_bytes(), mtime=0)).decode()
    return "\n".join(
        [
            head,
            f"REPOSITORY={shlex.quote(repository)}",
            f"IDLE={idle * 60:g}",
            f"EVERY={min(LOOK, idle * 60 / 4):g}",
            *printing("set_up_sh", "cat", (PROGRAMS / "set_up.sh").read_text()),
            *printing("auto_stop_py", "base64 -d | gunzip", zipped),  # so that all of it is within the limit
            body,
        ]
    )


def printing(name, command, text):
    """Return the lines of a shell function that gives a text to a command."""
    return [f"{name}() {{ {command}; }} <<'END_OF_{name.upper()}'", text.rstrip("\n"), f"END_OF_{name.upper()}"]


def packed(text):
    """Return a script as a lifecycle configuration takes it."""
    content = base64.b64encode(text.encode()).decode()
    if len(content) > LIMIT:
        raise Refused(
            f"A script of a lifecycle configuration has at most {LIMIT} characters in base64, and this one has "
            f"{len(content)}. Shorten the repository's address, or the programs in helpers/own_account/on_instance."
        )
    return [{"Content": content}]


def requests(course, repository="", idle=60, machine="ml.t3.medium", volume=10, default_repository=""):
    """Return the requests by their operations, as `--cli-input-json` and boto3 take them."""
    is_path = Path(repository).is_absolute() or (repository and Path(repository).exists())
    if course.account == "aws" and (is_path or repository.startswith("file:")):
        raise Refused(f"An instance on AWS cannot reach {repository} on this computer. Name an https address.")
    repository = str(Path(repository).resolve()) if is_path else repository
    name, tags = course.name(NAME), [*course.tags, belongings.WORKPLACE]
    instance = {
        "NotebookInstanceName": name,
        "InstanceType": machine,
        "RoleArn": course.role,
        "VolumeSizeInGB": volume,
        "PlatformIdentifier": PLATFORM,
        "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "2"},
        "LifecycleConfigName": name,
        "Tags": tags,
    }
    return {
        "CreateNotebookInstanceLifecycleConfig": {
            "NotebookInstanceLifecycleConfigName": name,
            "OnStart": packed(script(repository, idle)),
            "Tags": tags,
        },
        "CreateNotebookInstance": instance
        | ({"DefaultCodeRepository": default_repository} if default_repository else {}),
    }


def create(course, wanted):
    """Send the requests, both or none, and return what there is to say of the instance."""
    sagemaker = belongings.sagemaker()
    scripts, instance = wanted["CreateNotebookInstanceLifecycleConfig"], wanted["CreateNotebookInstance"]
    name = {"NotebookInstanceLifecycleConfigName": scripts["NotebookInstanceLifecycleConfigName"]}
    try:
        if _is_half_made(course, instance["NotebookInstanceName"]):
            sagemaker.delete_notebook_instance_lifecycle_config(**name)
        sagemaker.create_notebook_instance_lifecycle_config(**scripts)
    except (BotoCoreError, ClientError) as error:
        raise Refused(str(error)) from None
    try:
        sagemaker.create_notebook_instance(**instance)
    except (BotoCoreError, ClientError, NotRented) as error:
        try:
            sagemaker.delete_notebook_instance_lifecycle_config(**name)
        except (BotoCoreError, ClientError) as second:
            raise Refused(
                f"{error} Its lifecycle configuration stays, for it could not be taken back: {second} "
                "The same command goes on from there."
            ) from None
        raise Refused(str(error)) from None
    return [
        f"notebook instance {instance['NotebookInstanceName']}: Pending",
        costs.rate_sentence(instance["InstanceType"], "notebook", course.region),
        "It is a workplace: chapters leave it alone. `course clean --workplace` deletes it, with its volume.",
    ]


def _is_half_made(course, name):
    """Tell whether an earlier run has left the learner's lifecycle configuration without its instance."""
    scripts = [one for one in belongings.of(course, belongings.SCRIPTS, NameContains=name) if one.name == name]
    instances = [one for one in belongings.of(course, belongings.NOTEBOOK, NameContains=name) if one.name == name]
    return any(one.tagged for one in scripts) and not instances
