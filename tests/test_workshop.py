"""A class on one account by its roster: planned, seen and ended, with other people's things untouched."""

import contextlib
import json
import os
import re
from collections import Counter
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError

import failures
import least_privilege
import others
import things
from deployment import Stack, ordered
from helpers import belongings, chapters, cleanup, clock, command, prices, session
from helpers.local_account.errors import Refused
from helpers.own_account import policies, quota_requests, rentals, stack
from helpers.own_account.workshop import plan, progress, roster, stacks

HOSTING = prices.rate("ml.m5.large", "hosting").usd_per_hour
QUOTAS = {row["quota_code"]: row for row in prices.table("quotas.csv")}


def rostered(folder, *names):
    """Write a roster of learners and return its path."""
    path = folder / "roster.csv"
    path.write_text("learner,email,user\n" + "".join(f"{name},{name}@example.com,\n" for name in names))
    return str(path)


def row(said, name):
    """Return the cells of a learner's line in a table."""
    (line,) = (line for line in said.splitlines() if re.match(rf"{name} ", line))
    return re.split(r" {2,}", line.strip())


@pytest.fixture
def class_of(account, monkeypatch, tmp_path):
    """Make a class, each with a model and a configuration, and return the roster's path."""
    monkeypatch.setenv(session.FOLDER, str(account.folder))

    def make(*names):
        courses = session.look("local", names, "us-east-1")
        for course in courses:
            a_little_of(course)
        session.end()
        return rostered(tmp_path, *names)

    return make


def a_little_of(course):
    """Make a model and an endpoint configuration of a learner's."""
    role = course.role or "arn:aws:iam::000000000000:role/SageMakerCourseRole"
    things.model(replace(course, role=role), course.name("model"), course.tags)
    variant = {"VariantName": "one", "ModelName": course.name("model"), "InstanceType": "ml.m5.large"}
    belongings.sagemaker().create_endpoint_config(
        EndpointConfigName=course.name("config"), Tags=course.tags,
        ProductionVariants=[variant | {"InitialInstanceCount": 1}],
    )  # fmt: skip


def at_work(course, name):
    """Let a notebook instance of the learner's run where the learner works."""
    sagemaker = belongings.sagemaker()
    role = course.role or "arn:aws:iam::000000000000:role/SageMakerCourseRole"
    sagemaker.create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role, Tags=[*course.tags, belongings.WORKPLACE]
    )
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName=name)


def statuses(account):
    listed = account.client("sagemaker").list_notebook_instances()["NotebookInstances"]
    return {each["NotebookInstanceName"]: each["NotebookInstanceStatus"] for each in listed}


# The roster


def test_a_roster_is_read_in_its_order(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("\ufeffuser,learner\nada.l, ada7 \n,kim\n")
    assert roster.read(path) == [roster.Learner("ada7", "", "ada.l"), roster.Learner("kim", "", "")]


def test_a_roster_is_read_as_spreadsheets_write_it(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_bytes("\ufeffLEARNER\r\n".lower().encode() + b"kim\r\n\r\n" + b"ada7\r\n")
    assert [one.name for one in roster.read(path)] == ["kim", "ada7"]
    path.write_bytes('learner,email,user\r\nkim,"jürgen@example.com","k,m"\r\n,,\r\n , ,\r\n'.encode())
    assert roster.read(path) == [roster.Learner("kim", "jürgen@example.com", "k,m")]


def test_everything_that_is_wrong_is_told_at_once_with_its_line(tmp_path, capsys):
    path, folder = tmp_path / "roster.csv", tmp_path / "made"
    path.write_text("learner,email,user\nkim,kim,a b\nKim,k@example.com,ada\n\nkim,k@example.com,ada\nlee,l@x.org\n")
    assert command.main(["workshop", "plan", str(path), "--folder", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "has 6 mistakes, and nothing was done." in said
    assert re.findall(r"^line (\d+)", said, re.M) == ["2", "2", "3", "5", "5", "6"]
    assert "the learner kim stands in line 2 already." in said and "the user ada stands in line 3 already." in said
    assert not folder.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    (
        ("", "is empty."),
        ("name,email\nkim,k@example.com\n", "has no column learner, but 'name,email'."),
        ("learner;email\nkim;k@example.com\n", "has no column learner, but 'learner;email'."),
        (b"learner,email\nkim,k\xfc@example.com\n", "it is no UTF-8"),
        (
            "learner,email\njürgen,j@example.com\n",
            "small letters and digits only, 16 at most, such as kim7, not 'jürgen'.",
        ),
        ("learner,email\n,\n,\n", "names no learner."),
        ("learner,budget\nkim,5\n", "has a column 'budget', which means nothing here."),
        ("learner,learner\nkim,lee\n", "has a column twice."),
        ("learner\n", "names no learner."),
        (None, "cannot be read as a roster"),
    ),
)
def test_what_is_no_roster_is_refused(tmp_path, text, reason, capsys):
    path = tmp_path / "roster.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for what in ("plan", "room", "sweep", "bill"):
        assert command.main(["workshop", what, str(path)]) == 1
        assert reason in capsys.readouterr().err


# The plan


def test_the_plan_has_a_template_of_the_class_and_the_commands_for_it(tmp_path, capsys):
    path, folder = tmp_path / "roster.csv", tmp_path / "made"
    path.write_text("learner,email,user\nkim,kim@example.com,\nada7,,ada.l\n")
    told = ["--usd", "7", "--email", "desk@example.com", "--folder", str(folder)]
    assert command.main(["workshop", "plan", str(path), "06", *told]) == 0
    said = capsys.readouterr().out
    assert json.loads((folder / "learner.json").read_text()) == stack.template(chapters=["06"])
    resources = json.loads((folder / "workshop.json").read_text())["Resources"]
    assert [each["Properties"]["Parameters"] for each in (resources["LearnerKim"], resources["LearnerAda7"])] == [
        {"Learner": "kim", "NotebookInstance": "yes", "Email": "kim@example.com", "Usd": "7", "Counts": "learner"},
        {"Learner": "ada7", "User": "ada.l", "Email": "desk@example.com", "Usd": "7", "Counts": "learner"},
    ]
    limit = resources["Class"]["Properties"]["Budget"]["BudgetLimit"]
    assert limit == {"Amount": 14, "Unit": "USD"} and len([*folder.iterdir()]) == 2
    packing, deploying = re.findall(r"^aws cloudformation (.*)$", said, re.M)
    assert f"--template-file {folder}/workshop.json " in packing
    packed = re.search(r"--output-template-file (\S+)$", packing)[1]
    assert f"--template-file {packed} " in deploying and "CAPABILITY_NAMED_IAM" in deploying
    assert "At most, by the guard's limit: USD 7.00 for a learner, USD 14.00 for 2" in said


@pytest.mark.slow
def test_the_class_of_a_plan_is_made_on_an_account(tmp_path, account):
    path, folder = tmp_path / "roster.csv", tmp_path / "made"
    path.write_text("learner,email,user\nkim,kim@example.com,\nada7,ada@example.com,\n")
    plan.plan(path, ["06"], 7, folder=folder, email="desk@example.com")
    one = Stack(json.loads((folder / "workshop.json").read_text()), folder)
    one.deploy(account.client)
    iam, budgets = account.client("iam"), account.client("budgets")
    roles = {each["RoleName"] for each in iam.list_roles()["Roles"]}
    wanted = {f"SageMakerCourse{what}-{name}" for what in ("Jobs", "Switch", "Work") for name in ("kim", "ada7")}
    assert wanted <= roles
    for name in ("kim", "ada7"):
        made = one.made[f"Learner{name.title()}"][""]
        exact = policies.document("jobs", ["06"], "000000000000", learner=name, role=f"SageMakerCourseJobs-{name}")
        arn = made.made["JobsPolicy"][""]
        document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
        assert ordered(document) == ordered(exact)
    told = {each["BudgetName"]: each for each in budgets.describe_budgets(AccountId="000000000000")["Budgets"]}
    assert {name: float(each["BudgetLimit"]["Amount"]) for name, each in told.items()} == {
        "kim-course": 7, "ada7-course": 7, "course-workshop": 14,
    }  # fmt: skip
    assert told["kim-course"]["CostFilters"] == {"TagKeyValue": ["user:learner$kim"]}
    assert not told["course-workshop"].get("CostFilters")
    sagemaker = account.client("sagemaker")
    for name in ("kim-course", "ada7-course"):
        sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName=name)
        sagemaker.stop_notebook_instance(NotebookInstanceName=name)


@pytest.mark.slow
def test_two_hundred_learners_are_one_stack_within_the_quotas_and_a_linter_takes_it(tmp_path):
    from cfnlint.api import lint_file
    from cfnlint.config import ManualArgs

    there = ManualArgs(regions=["us-east-1"])
    people = [roster.Learner(f"l{number}", f"l{number}@example.com", "") for number in range(200)]
    folder = tmp_path / "made"
    path = rostered(tmp_path, *(one.name for one in people))
    plan.plan(path, [], 5, folder=folder, email="desk@example.com")
    text = (folder / "workshop.json").read_text()
    resources = json.loads(text)["Resources"]
    assert len(text) <= 1_000_000 and len(resources) == 201 <= 500  # of one stack, sent by S3 (CloudFormation's quotas)
    assert stacks.resources(200) <= stacks.MOST_RESOURCES
    first, eleventh = resources["LearnerL0"], resources["LearnerL10"]
    assert "DependsOn" not in first and eleventh["DependsOn"] == "LearnerL0"
    told = {match.rule.id for match in lint_file(folder / "workshop.json", there)}
    assert told == {"W3002"}  # that `aws cloudformation package` has to put the other template into S3
    (folder / "workshop.json").write_text(text.replace('"Learner":', '"Pupil":', 1))
    assert "Pupil" in str(lint_file(folder / "workshop.json", there))
    with pytest.raises(Refused, match=r"Divide the roster: \d+ learners fit"):
        stacks.template([roster.Learner(f"l{number}", "", "") for number in range(300)])


def test_quotas_are_those_of_all_learners_beside_awss_defaults(tmp_path, capsys):
    names = [f"l{number}" for number in range(30)]
    asked = ["workshop", "plan", rostered(tmp_path, *names), "06", "09", "--folder", str(tmp_path / "made")]
    assert command.main(asked) == 0
    said = capsys.readouterr().out
    most: Counter = Counter()
    for each in rentals.of_chapters():
        if each["chapter"] in ("06", "09"):
            most |= Counter({(each["component"], each["instance_type"]): int(each["count"])})
    for (component, machine), count in most.items():
        (quota,) = (q for q in QUOTAS.values() if (q["quota"], q["instance_type"]) == (component, machine))
        wanted = 30 * count
        assert re.search(rf"^{re.escape(machine)} for {component} .* {wanted} +{quota['aws_default']} +ask", said, re.M)
        assert f"--quota-code {quota['quota_code']} --desired-value {wanted}\n" in said
        assert f"{wanted} × {machine} for {component}" in said.split("Text for the request: ")[1]
    across = QUOTAS["L-7A3DF611"]
    assert re.search(rf"^Number of {across['quota']} +60 +{across['aws_default']} +ask for it$", said, re.M)
    assert re.search(r"^Total number of notebook instances +30 +not known +look$", said, re.M)


def test_chapters_that_nobody_is_in_at_the_same_time_do_not_add_up():
    both, each = (quota_requests.for_class(which, 10) for which in (("06", "09"), ("09",)))
    name = "ml.m5.xlarge for training job usage"
    assert both[name] == each[name] == 10 and quota_requests.for_class(("01",), 10) == {}


def test_the_bill_before_is_the_recorded_one_times_the_learners(tmp_path, capsys):
    path = rostered(tmp_path, "kim", "lee", "ada7")
    assert command.main(["workshop", "plan", path, "03", "08", "--folder", str(tmp_path / "made")]) == 0
    said = capsys.readouterr().out
    (run,) = (line.split(",") for line in chapters.RUNS.read_text().splitlines() if line.startswith("08-"))
    cells = row(said, "08-tuning")
    assert float(cells[2]) == float(run[-1]) and float(cells[3]) == pytest.approx(3 * float(run[-1]))
    assert row(said, "03-what-it-costs")[2] == "not counted"  # its run skips days
    assert float(row(said, "together")[1]) == float(run[-1])  # the day is blank


@pytest.mark.parametrize(
    ("options", "reason"),
    (
        (["--usd", "0.5"], "A learner's limit is USD 1 or more, not 0.5"),
        (["--usd", "nan"], "A learner's limit is USD 1 or more, not nan"),
        (["12"], "There is no chapter '12'"),
        (["--folder", "/dev/null/x"], "The templates cannot be written"),
    ),
)
def test_a_wrong_plan_is_refused_and_writes_nothing(tmp_path, options, reason, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = rostered(tmp_path, "kim")
    assert command.main(["workshop", "plan", path, *options]) == 1
    assert reason in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["roster.csv"]


def test_somebody_has_to_be_told(tmp_path, capsys):
    path = tmp_path / "roster.csv"
    path.write_text("learner\nkim\n")
    assert command.main(["workshop", "plan", str(path), "--folder", str(tmp_path / "made")]) == 1
    assert "Nobody would be told what kim spent." in capsys.readouterr().err


# The room


@pytest.mark.slow
def test_the_room_shows_what_each_has_and_which_exercises_are_done(class_of, account, capsys):
    others.make(account.client)
    path = class_of("kim", "lee")
    (kim, lee) = session.look("local", ["kim", "lee"], "us-east-1")
    things.endpoint(kim, account, "kim-stands")
    at_work(lee, "lee-course")
    things.model(kim, "kim-second-model", kim.tags)  # the first exercise of chapter 1 asks for this one
    clock.forward(kim, hours=2)
    things.job(lee, "lee-runs", "sleep 600")
    session.end()
    before = others.listed(account.client)
    assert command.main(["workshop", "room", path, "01", "09"]) == 0
    said = capsys.readouterr().out
    assert row(said, "kim")[:4] == ["kim", "1", "0", "0"] and row(said, "kim")[-2] == "+-"
    assert float(row(said, "kim")[4]) == pytest.approx(HOSTING, abs=0.0001)
    assert float(row(said, "kim")[5]) == pytest.approx(2 * HOSTING, rel=0.05)
    assert row(said, "lee")[:4] == ["lee", "0", "1 InService", "1"] and row(said, "lee")[-2] == "--"
    assert row(said, "together")[1:4] == ["1", "1 InService", "1"] and "served" not in said
    assert others.listed(account.client) == before
    assert command.main(["workshop", "bill", path]) == 0
    said = capsys.readouterr().out
    assert float(row(said, "kim")[1]) == pytest.approx(2 * HOSTING, rel=0.05)


def test_each_exercise_has_a_check_that_can_be_asked(course):
    names = [name for each in progress.asked_in().values() for name in each]
    assert len(names) == len(set(names)) > 20
    marks, unknown = progress.of(course)
    assert unknown == [] and {*"".join(marks.values())} <= {"+", "-"}


@pytest.mark.slow
def test_a_check_that_may_not_be_asked_is_unknown_and_says_why(course, monkeypatch):
    def deny(operation_name, **_):
        if operation_name == "DescribeModel":
            denial = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
            raise ClientError(denial, operation_name)

    belongings.sagemaker().meta.events.register(
        "provide-client-params.sagemaker.DescribeModel", lambda model, **_: deny(model.name)
    )
    marks, unknown = progress.of(course, ["01"])
    assert marks == {"01": "?-"} and len(unknown) == 1
    assert unknown[0].startswith("me, second_model of chapter 01: ClientError: ") and "not you" in unknown[0]


@pytest.mark.slow
def test_throttling_is_waited_for(class_of, capsys):
    """AWS says of each fifth question that we ask too often; what is shown and what goes is the same."""
    path = class_of("kim", "lee")
    with failures.throttled(5) as refused:
        assert command.main(["workshop", "room", path, "--no-checks"]) == 0
        assert command.main(["workshop", "sweep", path]) == 1
        said = capsys.readouterr().out
        assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 0
    assert len(refused) > 5 and "SageMaker.ListTags" in refused
    assert all(f"  delete model {name}-model\n" in said for name in ("kim", "lee"))


@pytest.mark.slow
def test_lists_are_asked_once_for_all(class_of, monkeypatch):
    path = class_of(*(f"l{number}" for number in range(30)))
    courses = session.look("local", [each.name for each in roster.read(path)], "us-east-1")
    seen: Counter = Counter()
    belongings.sagemaker().meta.events.register(
        "before-send.sagemaker", lambda event_name, **_: seen.update([event_name.rpartition(".")[2]])
    )
    shared = belongings.together(courses)
    found = {course.learner: [str(thing) for thing in belongings.standing(course)] for course in shared}
    assert seen["ListModels"] == seen["ListEndpointConfigs"] == 1 and seen["ListTags"] == 60
    assert found == {name: [f"endpoint configuration {name}-config", f"model {name}-model"] for name in found}
    assert [str(thing) for thing in belongings.standing(courses[7])] == found["l7"]  # as it is asked alone
    session.end()


@pytest.mark.slow
def test_one_who_cannot_be_asked_about_leaves_the_others_their_lines(class_of, account, capsys):
    path = class_of("kim", "lee", "k")
    (kim, lee) = session.look("local", ["kim", "lee"], "us-east-1")
    things.endpoint(kim, account, "kim-stands")
    things.finished_job(lee, "lee-over", "sleep 1.2")
    clock.forward(kim, hours=2)
    session.end()
    with failures.of("DescribeEndpoint"):
        assert command.main(["workshop", "bill", path]) == 1
        said = capsys.readouterr().out
        assert command.main(["workshop", "room", path, "--no-checks"]) == 1
    assert row(said, "kim")[1:] == ["?", "?", "?"] and row(said, "k")[1:] == ["0.0000"] * 3
    assert float(row(said, "lee")[2]) > 0 and row(said, "together")[-1] == f"at least {row(said, 'lee')[3]}"
    assert "Not known of kim, who could not be asked about: An error occurred (InternalFailure)" in said
    assert row(capsys.readouterr().out, "kim")[1:] == ["?"] * 5


@pytest.mark.slow
def test_who_has_left_the_roster_is_named_and_left_alone(class_of, account, tmp_path, capsys):
    class_of("kim", "lee", "ki")
    path = rostered(tmp_path, "kim", "ki")  # lee has gone
    for what, more in (("room", ["--no-checks"]), ("sweep", ["--objects", "--yes"])):
        command.main(["workshop", what, path, *more])
        said = capsys.readouterr().out
        told = "Not on the roster, and with things that have the course's tags in us-east-1: lee (2)."
        assert told in said and re.findall(r"lee", said.replace(told, "")) == []
    assert [each["ModelName"] for each in account.client("sagemaker").list_models()["Models"]] == ["lee-model"]


# The sweep


@pytest.mark.slow
def test_a_sweep_is_a_plan_first(class_of, account, capsys):
    path = class_of("kim", "lee")
    before = account.client("sagemaker").list_models()["Models"]
    assert command.main(["workshop", "sweep", path]) == 1
    said = capsys.readouterr().out
    assert "lee\n  delete endpoint configuration lee-config\n  delete model lee-model\n" in said
    assert said.endswith("This is the plan, and nothing was stopped or deleted. With --yes it is.\n")
    assert account.client("sagemaker").list_models()["Models"] == before


@pytest.mark.slow
def test_a_sweep_ends_what_the_roster_has_and_nobody_elses(class_of, account, capsys):
    others.make(account.client)
    path = class_of("kim", "lee", "you7")
    kim, lee, me = session.look("local", ["kim", "lee", "me"], "us-east-1")
    a_little_of(me)  # who is not on the roster
    things.endpoint(kim, account, "kim-stands")
    things.job(lee, "lee-runs", "sleep 600")
    at_work(lee, "lee-course")
    boto3.client("s3").put_object(Bucket=kim.bucket, Key=f"{kim.prefix}/notes.txt", Body=b"x")
    boto3.client("sns").create_topic(Name="lee-told", Tags=lee.tags)
    things.model(lee, "lee-nobody", [])  # named as a learner's, and tagged by nobody
    session.end()

    def theirs():
        found = others.listed(account.client)
        mine = re.compile(r"[/:](kim|lee|you7)-|^(kim|lee|you7)-|course/(kim|lee)/")
        kept = {name: [one for one in each if not mine.search(str(one))] for name, each in found.items()}
        return kept | {"me": [each for each in models() if each.startswith("me-") or each == "lee-nobody"]}

    def models():
        return [each["ModelName"] for each in account.client("sagemaker").list_models()["Models"]]

    before = theirs()
    assert command.main(["workshop", "sweep", path]) == 1
    said = capsys.readouterr().out
    assert "  stop notebook instance lee-course (InService, workplace)\n" in said
    assert "  leave alone model lee-nobody (without the course's tags)\n" in said
    assert f"  delete endpoint kim-stands (InService): 1 × ml.m5.large, USD {HOSTING:g} per hour\n" in said
    assert "  stop training job lee-runs (InProgress)\n" in said and "  leave alone 1 objects in s3://" in said
    assert theirs() == before and statuses(account)["lee-course"] == "InService"
    assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "lee: notebook instance lee-course: stopped, its volume stays\n" in said
    assert said.endswith("Nothing of the roster's learners is left.\n")
    assert statuses(account) == {"lee-course": "Stopped", "desk": "InService"} and theirs() == before
    assert not [each for each in models() if each.startswith(("kim-", "you7-"))]
    assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 0  # again
    assert command.main(["workshop", "sweep", path, "--workplace"]) == 1
    assert command.main(["workshop", "sweep", path, "--workplace", "--objects", "--yes"]) == 0
    assert statuses(account) == {"desk": "InService"} and theirs() == before


@pytest.mark.slow
def test_the_failure_of_one_leaves_the_others_their_turn_and_a_second_run_finishes(
    class_of, account, monkeypatch, capsys
):
    path, ending = class_of("kim", "lee", "sam"), cleanup.ending

    def failing(course, *extent):
        if course.learner == "lee":
            yield from _first_of(ending(course, *extent))
            raise ClientError({"Error": {"Code": "InternalFailure", "Message": "once"}}, "DeleteModel")
        yield from ending(course, *extent)

    def _first_of(generator):
        yield next(generator)

    with monkeypatch.context() as broken:
        broken.setattr(cleanup, "ending", failing)
        assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 1
    said = capsys.readouterr().out
    assert "lee: endpoint configuration lee-config: deleted\nlee: An error occurred (InternalFailure)" in said
    assert said.endswith("Left:\nus-east-1, lee: model lee-model\n")
    assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 0
    assert account.client("sagemaker").list_models()["Models"] == []


def test_a_region_that_is_wrong_is_refused(tmp_path, capsys):
    for what in ("room", "sweep", "bill"):
        assert command.main(["workshop", what, rostered(tmp_path, "kim"), "--region", "moon"]) == 1
        assert "REGION must be a region that has SageMaker" in capsys.readouterr().err


@pytest.mark.slow
def test_on_aws_a_denied_region_and_a_denied_deletion_leave_the_rest(tmp_path, capsys):
    """An account that enforces IAM: one region is closed, models may not be deleted at first, others' things stay."""
    seen, folder, path = {}, tmp_path / "account", rostered(tmp_path, "kim", "lee")
    policy = least_privilege.everything_but("sagemaker:DeleteModel", "*:model/kim-*")
    denied = {"Effect": "Deny", "Action": "sagemaker:ListEndpoints", "Resource": "*"}
    denied["Condition"] = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    policy["Statement"].append(denied)

    def before(client):
        others.make(client)
        seen["before"] = others.listed(client)

    def theirs(client):
        listed = others.listed(client)
        return {
            name: [one for one in each if not re.search(r"(kim|lee)-", str(one))] if isinstance(each, list) else
            {arn: tags for arn, tags in each.items() if not re.search(r"/(kim|lee)-", arn)}
            for name, each in listed.items()
        }  # fmt: skip

    standing = least_privilege.stand_in(folder, learner=policy, enforce=True, before=before)
    with standing as variables, chapters.variables(variables):
        for name in ("kim", "lee"):
            course = session.begin("aws", name)
            a_little_of(course)
            session.end()
        del variables
        with without_role():
            regions = ["--account", "aws", "--region", "eu-west-1", "us-east-1"]
            assert command.main(["workshop", "room", path, "--no-checks", *regions]) == 1
            said = capsys.readouterr().out
            assert "eu-west-1 could not be asked: An error occurred (AccessDeniedException)" in said
            assert row(said, "kim")[1] == "0"
            assert command.main(["workshop", "sweep", path, "--account", "aws", "--objects", "--yes"]) == 1
        said = capsys.readouterr().out
        assert "kim: An error occurred (AccessDeniedException) when calling the DeleteModel" in said
        assert said.endswith("Left:\nus-east-1, kim: model kim-model\n")
        client = least_privilege.clients(least_privilege.serving.variables(folder))
        client("iam").put_role_policy(
            RoleName=least_privilege.LEARNER, PolicyName="course", PolicyDocument=json.dumps(least_privilege.EVERYTHING)
        )
        assert command.main(["workshop", "sweep", path, "--account", "aws", "--objects", "--yes"]) == 0
        assert theirs(client) == seen["before"]


@contextlib.contextmanager
def without_role():
    """Be somebody who has named no execution role, as an instructor."""
    role = os.environ.pop("SAGEMAKER_ROLE_ARN")
    try:
        yield
    finally:
        os.environ["SAGEMAKER_ROLE_ARN"] = role


@pytest.mark.slow
def test_two_hundred_learners_are_seen_and_swept(class_of, account, capsys):
    others.make(account.client)
    names = [f"l{number}" for number in range(200)]
    path = class_of(*names)
    (first,) = session.look("local", names[:1], "us-east-1")
    things.endpoint(first, account, "l0-stands")
    session.end()
    assert command.main(["workshop", "room", path, "--no-checks"]) == 0
    assert len(re.findall(r"^l\d+ ", capsys.readouterr().out, re.M)) == 200
    assert command.main(["workshop", "sweep", path]) == 1
    assert capsys.readouterr().out.count("  delete model l") == 200 + 1
    assert command.main(["workshop", "sweep", path, "--objects", "--yes"]) == 0
    left = {each["ModelName"] for each in account.client("sagemaker").list_models(MaxResults=100)["Models"]}
    assert left == {*others.NAMES, "served"}


def test_policies_of_a_template_are_those_of_its_chapters():
    document = stack.template(chapters=["06"])["Resources"]["JobsPolicy"]["Properties"]["PolicyDocument"]
    sids = {statement["Sid"] for statement in document["Statement"]}
    assert sids == {statement["Sid"] for statement in policies.document("jobs", ["06"], "123456789012")["Statement"]}
