"""Thirty learners on one account at once: all succeed, and none gets what is another's."""

import boto3
import pytest

import workshop

LEARNERS = 30


@pytest.mark.timeout(600)
def test_thirty_learners_train_deploy_and_invoke_at_once_and_each_gets_their_own(account):
    learners, said = workshop.hold(account, LEARNERS)
    assert said == [{number} for number in range(LEARNERS)], "each model answers with its learner's own number"
    sagemaker = account.client("sagemaker")
    for learner in learners:
        jobs = sagemaker.list_training_jobs(NameContains=f"{learner.name}-")["TrainingJobSummaries"]
        assert [job["TrainingJobName"] for job in jobs] == [f"{learner.name}-flights"]
        assert sagemaker.list_tags(ResourceArn=jobs[0]["TrainingJobArn"])["Tags"] == learner.tags
    assert sagemaker.list_endpoints()["Endpoints"] == sagemaker.list_models()["Models"] == []
    assert list((account.folder / "machines").iterdir()) == []
    assert "Traceback" not in (account.folder / "server.log").read_text()


def test_learners_whose_names_begin_alike_keep_apart(course, account):
    from helpers import belongings, cleanup, session
    from things import model

    anna = session.begin(learner="anna")
    model(anna, "anna-model", anna.tags)
    ann = session.begin(learner="ann")
    model(ann, "ann-model", ann.tags)
    assert [thing.name for thing in belongings.standing(ann)] == ["ann-model"]
    cleanup.everything(ann)
    assert [entry["ModelName"] for entry in boto3.client("sagemaker").list_models()["Models"]] == ["anna-model"]
