"""A class in which each learner has an account of their own, reached by a profile of the instructor's."""

import json
import os
import re

import pytest

import things
from conftest import Served
from helpers import command, session
from test_workshop import row


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two accounts that stand in for AWS, each with a model of its learner's, behind two profiles; and a roster."""
    served, settings = {}, ""
    for name in ("kim", "ada"):
        served[name] = Served(tmp_path / name)
        monkeypatch.setenv(session.FOLDER, str(served[name].folder))
        course = session.begin("local", name)
        things.model(course, course.name("model"), course.tags)
        session.end()
        keys = served[name].environment
        settings += f"[profile {name}s]\nregion = us-east-1\nendpoint_url = {served[name].url}\n" + "".join(
            f"{key.lower()} = {keys[key]}\n"
            for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        )
    (tmp_path / "config").write_text(settings)
    (tmp_path / "roster.csv").write_text("learner,profile\nkim,kims\nada,adas\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    yield served
    for each in served.values():
        each.stop()


def models(served):
    return [model["ModelName"] for model in served.client("sagemaker").list_models()["Models"]]


@pytest.mark.slow
def test_one_table_has_the_learners_of_all_accounts(own, capsys):
    assert command.main(["workshop", "room", "roster.csv", "--account", "aws", "--no-checks"]) == 0
    said = capsys.readouterr().out
    assert [row(said, name)[0] for name in ("kim", "ada", "together")] == ["kim", "ada", "together"]
    assert said.count("learner (us-east-1)") == 1
    assert command.main(["workshop", "bill", "roster.csv", "--account", "aws"]) == 0
    assert row(capsys.readouterr().out, "ada")


@pytest.mark.slow
def test_each_account_is_swept_and_keys_of_the_environment_mean_none_of_them(own, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nobody's")
    assert command.main(["workshop", "sweep", "roster.csv", "--account", "aws"]) == 1
    assert "kim\n  delete model kim-model" in capsys.readouterr().out
    assert (models(own["kim"]), models(own["ada"])) == (["kim-model"], ["ada-model"])
    assert command.main(["workshop", "sweep", "roster.csv", "--account", "aws", "--objects", "--yes"]) == 0
    assert models(own["kim"]) == models(own["ada"]) == []
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIASOMEBODYELSE" and "AWS_PROFILE" not in os.environ


@pytest.mark.slow
def test_an_account_that_cannot_be_reached_leaves_the_others_their_turn(own, tmp_path, capsys):
    own["kim"].stop()
    (tmp_path / "roster.csv").write_text("learner,profile\nkim,kims\nben,bens\nada,adas\n")
    assert command.main(["workshop", "sweep", "roster.csv", "--account", "aws", "--objects", "--yes"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"us-east-1 of profile bens could not be asked: .*The config profile \(bens\) could not be", said)
    assert re.search(r"us-east-1 of profile kims could not be asked: .*Could not connect to the endpoint", said)
    assert models(own["ada"]) == []


def test_the_plan_has_a_template_and_commands_for_each_account(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roster.csv").write_text(
        "learner,email,profile\nkim,k@example.com,one\nada,a@example.com,\nben,b@example.com,\n"
    )
    assert command.main(["workshop", "plan", "roster.csv", "06"]) == 0
    said = capsys.readouterr().out
    made = {path.name: json.loads(path.read_text())["Resources"] for path in (tmp_path / "workshop").glob("work*.json")}
    assert {name: sorted(found) for name, found in made.items()} == {
        "workshop-one.json": ["LearnerKim"], "workshop.json": ["LearnerAda", "LearnerBen"],
    }  # fmt: skip
    deployed = [line for line in said.splitlines() if line.startswith("aws cloudformation deploy")]
    assert [(" --profile one " in line, "workshop-one" in line) for line in deployed] == [(True, True), (False, False)]
    assert "In each of 2 accounts" in said and re.search(r"quota in us-east-1 +2 learners", said)


def test_the_same_user_may_be_in_two_accounts(tmp_path, capsys):
    from helpers.own_account.workshop import roster

    path = tmp_path / "roster.csv"
    path.write_text("learner,user,profile\nkim,student,one\nada,student,two\n")
    assert [learner.profile for learner in roster.read(path)] == ["one", "two"]
