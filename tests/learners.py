"""Learners of a room, as the account knows them: each with keys of their own, and a policy."""

import boto3

from helpers.room.seat import Seat


def let_in(served, name, chapters=()):
    """Let a learner in; return the variables of the learner's programs."""
    keys = Seat(served.folder, name, "127.0.0.1", None).let_in(chapters)
    return served.environment | {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
        "SAGEMAKER_ROLE_ARN": keys["RoleArn"],
    }


def client(variables, service):
    """Return a client of whoever has these variables."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    session = boto3.Session(*(variables[name] for name in names), region_name="us-east-1")
    return session.client(service, endpoint_url=variables["AWS_ENDPOINT_URL"])
