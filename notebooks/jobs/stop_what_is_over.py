"""Ends what is over: deletes each endpoint and stops each notebook instance whose tag `until` names a past time.

Any scheduler can run it, once an hour say: `python stop_what_is_over.py course=sagemaker-course learner=me`. It looks
at what has these tags, and at nothing else: an account may hold things of others who mean something else by `until`.
It knows nothing but the account, so it does not matter which notebook made the things, or whether that notebook still
runs. Whoever needs one longer tags it anew.
"""

import sys
from datetime import UTC, datetime

import boto3


def main(tags, now=None):
    """End what is over among the things that have these tags (a dict), and say what it was."""
    if not all(tags.values()) or not tags:
        raise SystemExit("Whose things? Name a tag at least, such as learner=me.")
    sagemaker, now = boto3.client("sagemaker"), now or datetime.now(UTC)
    ended = [*endpoints(sagemaker, tags, now), *notebook_instances(sagemaker, tags, now)]
    print("\n".join(ended) or "Nothing is over.")


def endpoints(sagemaker, tags, now):
    """Delete endpoints; their model and their configuration stay, so that one call brings them back."""
    for page in sagemaker.get_paginator("list_endpoints").paginate(StatusEquals="InService"):
        for endpoint in page["Endpoints"]:
            if is_over(sagemaker, endpoint["EndpointArn"], tags, now):
                sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
                yield f"endpoint {endpoint['EndpointName']}: deleted"


def notebook_instances(sagemaker, tags, now):
    """Stop notebook instances; their volume stays."""
    for page in sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService"):
        for instance in page["NotebookInstances"]:
            if is_over(sagemaker, instance["NotebookInstanceArn"], tags, now):
                sagemaker.stop_notebook_instance(NotebookInstanceName=instance["NotebookInstanceName"])
                yield f"notebook instance {instance['NotebookInstanceName']}: stopped"


def is_over(sagemaker, arn, tags, now):
    """Tell whether a thing has the tags, and one more, `until`, whose time (2026-11-26T20:00:00+00:00) is past."""
    found = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    return tags.items() <= found.items() and "until" in found and datetime.fromisoformat(found["until"]) < now


if __name__ == "__main__":
    main(dict(word.partition("=")[::2] for word in sys.argv[1:]))
