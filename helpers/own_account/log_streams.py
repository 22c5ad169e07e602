"""What of CloudWatch Logs is a learner's: the streams of jobs and notebook instances, and the groups of endpoints.

Logs have no tags of the course, so they are the learner's if what wrote them is: by its own tags or, where AWS does not
know it any more, by the notes of the guard.
"""

import boto3
from botocore.exceptions import ClientError

from .. import belongings
from .allowance import opened

START = "/aws/sagemaker/"
SHARED = {  # groups in which everybody's streams lie, named by what wrote them: me-flights-1/algo-1-1764400000
    "TrainingJobs": belongings.TRAINING,
    "ProcessingJobs": belongings.PROCESSING,
    "TransformJobs": belongings.TRANSFORM,
    "NotebookInstances": belongings.NOTEBOOK,
}
ENDPOINTS = f"{START}Endpoints/"  # each endpoint has a group of its own


def of(course):
    """Return the learner's logs as (group, stream), the stream None where the whole group is the learner's."""
    logs, found = boto3.client("logs"), []
    for name, kind in SHARED.items():
        if ours := _named(course, kind):
            streams = _streams(logs, START + name, f"{course.learner}-")
            found += [(START + name, stream) for stream in streams if stream.partition("/")[0] in ours]
    if ours := _named(course, belongings.ENDPOINT):
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"{ENDPOINTS}{course.learner}-")
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        found += [(group, None) for group in groups if group.removeprefix(ENDPOINTS) in ours]
    return found


def delete(found):
    """Delete logs that `of` has found; one that has gone in between is no error."""
    logs = boto3.client("logs")
    for group, stream in found:
        try:
            if stream:
                logs.delete_log_stream(logGroupName=group, logStreamName=stream)
            else:
                logs.delete_log_group(logGroupName=group)
        except logs.exceptions.ResourceNotFoundException:
            continue


def _named(course, kind):
    """Return the names of the learner's things of a kind, those that are gone among them where the guard knows them."""
    things = belongings.of(course, kind, NameContains=f"{course.learner}-")
    names = {thing.name for thing in things if thing.tagged}
    if course.account == "aws":
        with opened() as allowance:
            here = course.account_id, course.region, kind.title
            names |= {one.name for one in allowance.rented if one.thing[:3] == here and one.learner == course.learner}
    return names


def _streams(logs, group, prefix):
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, logStreamNamePrefix=prefix)
    try:
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []  # nothing of this kind has ever run here
