"""Ends what is over: deletes each endpoint and stops each notebook instance whose tag `until` names a past time.

Any scheduler can run it, once an hour say: `python stop_what_is_over.py`. It knows nothing but the account, so it
does not matter which notebook made the things, or whether that notebook still runs. Whoever needs one longer tags it
anew.
"""

from datetime import UTC, datetime

import boto3


def main(now=None):
    """End what is over, and say what it was."""
    sagemaker, now = boto3.client("sagemaker"), now or datetime.now(UTC)
    ended = [*endpoints(sagemaker, now), *notebook_instances(sagemaker, now)]
    print("\n".join(ended) or "Nothing is over.")


def endpoints(sagemaker, now):
    """Delete endpoints; their model and their configuration stay, so that one call brings them back."""
    for page in sagemaker.get_paginator("list_endpoints").paginate(StatusEquals="InService"):
        for endpoint in page["Endpoints"]:
            if is_over(sagemaker, endpoint["EndpointArn"], now):
                sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
                yield f"endpoint {endpoint['EndpointName']}: deleted"


def notebook_instances(sagemaker, now):
    """Stop notebook instances; their volume stays."""
    for page in sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService"):
        for instance in page["NotebookInstances"]:
            if is_over(sagemaker, instance["NotebookInstanceArn"], now):
                sagemaker.stop_notebook_instance(NotebookInstanceName=instance["NotebookInstanceName"])
                yield f"notebook instance {instance['NotebookInstanceName']}: stopped"


def is_over(sagemaker, arn, now):
    """Tell whether a thing has a tag `until`, such as 2026-11-26T20:00:00+00:00, and its time is past."""
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    return "until" in tags and datetime.fromisoformat(tags["until"]) < now


if __name__ == "__main__":
    main()
