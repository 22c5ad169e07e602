"""What several checks ask the account."""

import json

from botocore.exceptions import ClientError

from .. import belongings


def described(operation, **which):
    """Return SageMaker's record of a thing, or None if there is no such thing."""
    try:
        return getattr(belongings.client("sagemaker"), operation)(**which)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":  # SageMaker's way to say: there is none
            return None
        raise


def tags_missing(course, arn):
    """Return which of the course's tags a resource lacks, as words."""
    tags = {tag["Key"]: tag["Value"] for tag in belongings.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}
    missing = [tag["Key"] for tag in course.tags if tags.get(tag["Key"]) != tag["Value"]]
    return " and ".join(f"the tag {key!r}" for key in missing)


def content(course, key):
    """Return the bytes of an object in the course's bucket, or None if there is none."""
    try:
        return belongings.client("s3").get_object(Bucket=course.bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def completed(course):
    """Return the learner's training jobs that are Completed, the oldest first, each with its validation:auc."""
    jobs = [job for job in belongings.jobs(course) if job["TrainingJobStatus"] == "Completed"]
    metrics = [{each["MetricName"]: each["Value"] for each in job.get("FinalMetricDataList", [])} for job in jobs]
    return [(job, metric.get("validation:auc", 0)) for job, metric in zip(jobs, metrics, strict=True)]


def failed(course):
    """Return the learner's training jobs that are Failed, the oldest first."""
    return [job for job in belongings.jobs(course) if job["TrainingJobStatus"] == "Failed"]


def calls(course, operation):
    """Return CloudTrail's records of an operation's calls that were not refused, the latest first."""
    wanted = [{"AttributeKey": "EventName", "AttributeValue": operation}]
    pages = belongings.client("cloudtrail").get_paginator("lookup_events")
    told = pages.paginate(LookupAttributes=wanted, StartTime=course.began)
    pages = belongings.once(course, (operation, course.region, course.began), lambda: list(told))
    records = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
    return [record for record in records if "errorCode" not in record]
