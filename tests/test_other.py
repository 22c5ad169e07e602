"""Services that moto answers for: what they were told is kept, and what they cannot do is refused."""

import json
import threading
import time

import pytest
from botocore.exceptions import ClientError


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.slow
def test_messages_wait_in_a_queue_through_a_sudden_death(account):
    sns, sqs = account.client("sns"), account.client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="over budget")
    account.kill()
    account.start()
    (message,) = account.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "over budget"
    account.kill()
    account.start()
    account.client("sns").publish(TopicArn=topic, Message="again")  # the first that wakes the queue
    (message,) = account.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "again"


def test_who_waits_for_a_message_does_not_hold_up_who_sends_it(shared_account):
    sqs = shared_account.client("sqs")
    queue = sqs.create_queue(QueueName="waited-for")["QueueUrl"]
    received = []

    def wait():
        received.extend(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", []))

    waiting, started = threading.Thread(target=wait), time.monotonic()
    waiting.start()
    time.sleep(0.5)
    shared_account.client("sqs").send_message(QueueUrl=queue, MessageBody="here")
    waiting.join()
    assert [message["Body"] for message in received] == ["here"]
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_everything_kept_keeps_its_name_and_time(account):
    ecr, ec2, secrets = (account.client(service) for service in ("ecr", "ec2", "secretsmanager"))
    made = ecr.create_repository(repositoryName="course")["repository"]
    subnets = sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    secret = secrets.create_secret(Name="token", SecretString="s3cret")["ARN"]
    table = {
        "TableName": "t",
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    account.client("dynamodb").create_table(
        **table, AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}]
    )
    account.client("dynamodb").put_item(TableName="t", Item={"k": {"S": "a"}, "v": {"N": "1"}})
    account.kill()
    account.start()
    assert account.client("ecr").describe_repositories()["repositories"] == [made]
    ec2 = account.client("ec2")
    assert sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]) == subnets
    assert vpc in [found["VpcId"] for found in ec2.describe_vpcs()["Vpcs"]]
    assert account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "s3cret"
    item = account.client("dynamodb").get_item(TableName="t", Key={"k": {"S": "a"}})["Item"]
    assert item == {"k": {"S": "a"}, "v": {"N": "1"}}


def test_regions_are_apart(shared_account):
    shared_account.client("ecr").create_repository(repositoryName="here")
    assert shared_account.client("ecr", region="eu-west-1").describe_repositories()["repositories"] == []


@pytest.mark.slow
def test_awss_own_errors_come_through(shared_account):
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    refused(lambda: shared_account.client("sqs").get_queue_url(QueueName="missing"), missing)
    refused(lambda: shared_account.client("ecr").list_images(repositoryName="missing"), "RepositoryNotFoundException")
    refused(lambda: shared_account.client("ec2").describe_vpcs(VpcIds=["vpc-1"]), "InvalidVpcID.NotFound")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("ec2", "run_instances", {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}),
        ("ecr", "get_authorization_token", {}),
        ("lambda", "list_functions", {}),
        ("glue", "get_jobs", {}),
        ("route53", "list_hosted_zones", {}),
        ("batch", "describe_job_queues", {}),
        ("cloudformation", "list_stacks", {}),
        ("bedrock", "list_foundation_models", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("rds", "describe_db_instances", {}),
    ],
)
def test_what_would_only_pretend_is_refused_in_the_protocol_of_its_service(
    shared_account, service, operation, parameters
):
    call = getattr(shared_account.client(service), operation)
    refused(lambda: call(**parameters), "NotImplemented", "exists on AWS, but the local account does not have it")


def test_what_moto_stumbles_over_is_a_clean_error(shared_account):
    sqs = shared_account.client("sqs")
    queue = sqs.create_queue(QueueName="strict")["QueueUrl"]
    refused(lambda: sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": "{"}), "LocalLimit", "moto")
