"""Every command about an account: among any number of learners, when calls fail or are too many, and beside others.

An account stands in for AWS. What is not the learners' is listed before and after, and stays.
"""

import contextlib
import io
import itertools
import re

import boto3
import pytest
from botocore.exceptions import ClientError

import failures
import least_privilege
import others
import things
from helpers import belongings, chapters, command, session
from helpers.local_account import serving
from helpers.own_account import allowance, dead_man_switch

AWS = ["--account", "aws"]
UNAVAILABLE = "unavailable"  # in what each failure says of itself


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """An account with other people's things: its folder, and the variables of its learner."""
    folder = tmp_path_factory.mktemp("every") / "account"
    with least_privilege.stand_in(folder, before=others.make) as variables:
        yield folder, variables


@pytest.fixture
def administrator(aws, tmp_path):
    """A maker of the administrator's clients of the account, where we are the learner."""
    with chapters.variables(aws[1] | {allowance.FILE: str(tmp_path / "guard.json")}):
        yield least_privilege.clients(serving.variables(aws[0]))
        session.end()


def said_by(*arguments):
    """Run a command; return its status and all that it said."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = command.main([*arguments])
    return status, out.getvalue()


def rostered(folder, *names):
    path = folder / "roster.csv"
    path.write_text("learner,email\n" + "".join(f"{name},{name}@example.com\n" for name in names))
    return str(path)


def a_little_of(course, client):
    """Make what a learner leaves: a model, a configuration, a topic, and an object."""
    tags, names = course.tags, {each["ModelName"] for each in belongings.listed(belongings.MODEL)}
    if course.name("model") not in names:
        things.model(course, course.name("model"), tags)
    with contextlib.suppress(client("sagemaker").exceptions.ClientError):  # it is there
        variant = {"VariantName": "one", "ModelName": course.name("model"), "InstanceType": "ml.m5.large"}
        client("sagemaker").create_endpoint_config(
            EndpointConfigName=course.name("config"), Tags=tags,
            ProductionVariants=[variant | {"InitialInstanceCount": 1}],
        )  # fmt: skip
    client("sns").create_topic(Name=course.name("told"), Tags=tags)
    client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/notes.txt", Body=b"x")


def leave(client, *names):
    """Let each learner have a little."""
    course = session.begin("aws", names[0])
    for name in names:
        a_little_of(session.replace(course, learner=name), client)
    session.end()


COMMANDS = {  # name -> its arguments; ROSTER stands for the path of a roster of l0 and l1
    "preflight": ["preflight", "06", "--write", "--learner", "l0"],
    "bill": ["bill", *AWS, "--learner", "l0"],
    "clean, the plan": ["clean", *AWS, "--learner", "l0", "--logs"],
    "room": ["workshop", "room", "ROSTER", "01", *AWS],
    "sweep, the plan": ["workshop", "sweep", "ROSTER", *AWS],
    "bill of a class": ["workshop", "bill", "ROSTER", *AWS],
}
MARKED = ("preflight", "room")  # they have a sign for one question that could not be asked
CHANGING = {
    "clean": ["clean", *AWS, "--learner", "l0", "--objects", "--yes"],
    "sweep": ["workshop", "sweep", "ROSTER", *AWS, "--objects", "--yes"],
    "notebook": ["notebook", *AWS, "--learner", "l0", "--yes"],
}


def spelled(arguments, folder, *names):
    """Return the arguments of a command, with a roster of some learners."""
    return [rostered(folder, *names) if each == "ROSTER" else each for each in arguments]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_call_that_fails_is_told_of_or_makes_no_difference(administrator, tmp_path, name):
    """Each call that the command makes, in turn: answered by 500, or unheard."""
    leave(administrator, "l0", "l1")
    arguments = spelled(COMMANDS[name], tmp_path, "l0", "l1")
    before = others.listed(administrator, "l0", "l1")
    with failures.at(0) as made:
        undisturbed = said_by(*arguments)
    for (number, operation), how in zip(enumerate(made, 1), itertools.cycle(failures.HOW), strict=False):
        with failures.at(number, how):
            status, said = said_by(*arguments)
        assert UNAVAILABLE in said or (status, said) == undisturbed, (number, operation, how)
        assert status == 1 or UNAVAILABLE not in said or name in MARKED, (number, operation, how)
    assert len({*made}) >= 7 and others.listed(administrator, "l0", "l1") == before
    assert said_by(*arguments) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("name", ("clean", "sweep"))
def test_a_run_that_fails_at_any_step_is_finished_by_the_next_ones(administrator, tmp_path, name):
    leave(administrator, "l0", "l1")
    arguments = spelled(CHANGING[name], tmp_path, "l0", "l1")
    before, done, runs, status = others.listed(administrator, "l0", "l1"), [], 0, 1
    while status:
        with failures.after(1) as passed:  # each run carries out one change
            status, said = said_by(*arguments)
        assert status == 0 or (len(passed) == 1 and UNAVAILABLE in said and "Left:" in said)
        done, runs = done + passed, runs + 1
        assert runs < 20
    assert {"DeleteModel", "DeleteEndpointConfig", "DeleteTopic", "DeleteObjects"} == {*done}
    assert others.listed(administrator, "l0", "l1") == before
    assert said_by(*arguments)[0] == 0  # and once more, when there is nothing


@pytest.mark.slow
@pytest.mark.parametrize("passing", (0, 1))
def test_a_notebook_instance_that_was_half_made_is_made_by_the_next_run(administrator, passing):
    """AWS is away from a call on, so that what the first has made cannot be taken back either."""
    before = others.listed(administrator, "l0")
    with failures.after(passing) as passed:
        status, said = said_by(*CHANGING["notebook"])
    assert status == 1 and UNAVAILABLE in said and len(passed) == passing
    status, said = said_by(*CHANGING["notebook"])
    assert status == 0 and "notebook instance l0-course: Pending" in said
    status, said = said_by(*CHANGING["notebook"])
    assert status == 1 and "l0-course" in said and "Pending" not in said  # it is there
    assert said_by(*CHANGING["clean"], "--workplace")[0] == 0
    assert others.listed(administrator, "l0") == before


def switches(client):
    return [one["Name"] for one in client("scheduler").list_schedules()["Schedules"]]


@pytest.mark.slow
def test_whatever_call_fails_what_stands_is_noted_and_has_its_switch_or_a_warning(administrator, capsys):
    trust = least_privilege.json.dumps(least_privilege.trust(Service="scheduler.amazonaws.com"))
    role = administrator("iam").create_role(RoleName="Ends", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    leave(administrator, "l0")
    before = others.listed(administrator, "l0")
    for number in range(1, 9):
        allowance.changed(usd="5", switch=role)
        session.begin("aws", "l0")
        name = f"l0-stands-{number}"
        with failures.at(number) as made, contextlib.suppress(ClientError):
            boto3.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName="l0-config")
        stands = name in str(administrator("sagemaker").list_endpoints(NameContains="l0-")["Endpoints"])
        with allowance.opened() as now:
            assert not stands or name in [one.name for one in now.rented if one.ended is None]
        is_armed = dead_man_switch.name_of("endpoint", name) in switches(administrator)
        assert is_armed or not stands or "AWS will not end the endpoint" in capsys.readouterr().out
        with failures.at(1 if number % 2 else 2), contextlib.suppress(ClientError):
            boto3.client("sagemaker").delete_endpoint(EndpointName=name)
        with contextlib.suppress(ClientError):
            boto3.client("sagemaker").delete_endpoint(EndpointName=name)
        session.end()
        assert said_by(*CHANGING["clean"])[0] == 0 and switches(administrator) == []
        leave(administrator, "l0")
        if len(made) < number:
            break
    assert 3 < number < 8 and others.listed(administrator, "l0") == before


@pytest.mark.parametrize("name", {**COMMANDS, **CHANGING})
def test_a_region_that_there_is_not_is_refused_before_anything_is_asked(name, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "look", None)
    monkeypatch.setattr(session, "begin", None) if name != "notebook" else None
    arguments = spelled({**COMMANDS, **CHANGING}[name], tmp_path, "l0")
    several = [] if name in ("preflight", "notebook") else ["us-east-1"]
    with failures.at(1) as made:
        status, said = said_by(*arguments, "--region", *several, "moon")
    assert status == 1 and "REGION must be a region that has SageMaker" in said and made == []


@pytest.mark.slow
def test_who_may_do_nothing_is_told_so_by_every_command_and_changes_nothing(tmp_path):
    nothing, seen = {"Version": "2012-10-17", "Statement": []}, {}

    def before(client):
        others.make(client)
        seen["before"] = others.listed(client, "nobody")

    folder = tmp_path / "account"
    with (
        least_privilege.stand_in(folder, learner=nothing, enforce=True, before=before) as variables,
        chapters.variables(variables),
    ):
        for name, arguments in {**COMMANDS, **CHANGING}.items():
            status, said = said_by(*spelled(arguments, tmp_path, "l0", "l1"))
            assert status == 1 and ("not authorized to perform" in said or "we may not ask" in said), name
            assert "Nothing is left" not in said and "is left." not in said, name
        client = least_privilege.clients(serving.variables(folder))
        assert others.listed(client, "nobody") == seen["before"]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "every"), ((1, 100), (30, 100), (200, 250)))
def test_among_any_number_of_learners_each_command_finds_its_own(administrator, tmp_path, count, every):
    """Of every so many calls AWS refuses one as too many; l1 is the beginning of l10 and l100."""
    names = [f"l{number}" for number in range(1, count + 1)]
    leave(administrator, *names)
    before = others.listed(administrator, *names)
    roster = rostered(tmp_path, *names)
    with failures.throttled(every) as refused:
        for arguments in (["bill", *AWS, "--learner", "l1"], ["clean", *AWS, "--learner", "l1"]):
            _, said = said_by(*arguments)
            assert not re.search(r"\bl(?!1\b)\d+", said)
        assert re.findall(r"^  (.*)", said, re.M) == [
            "endpoint configuration l1-config", "model l1-model", "topic l1-told",
            f"1 objects in s3://{others.BUCKET}",
        ]  # fmt: skip
        status, said = said_by("workshop", "bill", roster, *AWS)
        assert status == 0 and len(re.findall(r"^l\d+ +0\.0000 +0\.0000 +0\.0000$", said, re.M)) == count
        status, said = said_by("workshop", "room", roster, *AWS, "--no-checks")
        assert status == 0 and len(re.findall(r"^l\d+ +0 +0 +0 +0\.0000 +0\.0000$", said, re.M)) == count
        beside = others.listed(administrator, "l1")
        assert said_by("clean", *AWS, "--learner", "l1", "--objects", "--yes")[0] == 0
        assert others.listed(administrator, "l1") == beside
        status, said = said_by("workshop", "sweep", roster, *AWS, "--objects", "--yes")
        assert status == 0 and said.count(": deleted") == 4 * (count - 1)
    assert (count < 30 or len(refused) > 3) and others.listed(administrator, *names) == before
    assert others.listed(administrator, "l0") == others.listed(administrator, "l0", *names)  # none of theirs is there
