"""The SDK, unmodified, deploys a model in the other ways: serverless, asynchronously, and with data capture."""

import os
import subprocess
import sys
from pathlib import Path

from endpoints import XGBOOST, xgboost_archive

PROGRAM = r"""
import sys, time
from helpers import session
course = session.begin("local", "anna", "us-east-1", False)
import boto3
from sagemaker.core.inference_config import AsyncInferenceConfig, ServerlessInferenceConfig
from sagemaker.core.model_monitor.data_capture_config import DataCaptureConfig
from sagemaker.serve.model_builder import ModelBuilder

s3 = boto3.client("s3")
s3.create_bucket(Bucket=course.bucket)
s3.upload_file(sys.argv[1], course.bucket, "trees/model.tar.gz")
s3.put_object(Bucket=course.bucket, Key="rows.csv", Body="0.1,0.2,0.3,0.4")

def read(uri):
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    while not s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"]:
        time.sleep(0.1)
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().strip()

def deploy(name, **members):
    builder = ModelBuilder(
        s3_model_data_url=f"s3://{course.bucket}/trees/model.tar.gz", image_uri=sys.argv[2], role_arn=course.role,
        instance_type="ml.m5.large",
    )
    builder.model_name = f"anna-{name}"
    builder.build()
    return builder.deploy(endpoint_name=f"anna-{name}", **members)

text = {"content_type": "text/csv", "accept": "text/csv"}
endpoint = deploy("serverless", inference_config=ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=1))
print("\nANSWER serverless", endpoint.invoke(body="0.1,0.2,0.3,0.4", **text).body.read().decode().strip())
endpoint.refresh()
print("MEMORY", endpoint.production_variants[0].current_serverless_config.memory_size_in_mb)
endpoint = deploy("async", inference_config=AsyncInferenceConfig(max_concurrent_invocations_per_instance=2))
answer = endpoint.invoke_async(input_location=f"s3://{course.bucket}/rows.csv", **text)
print("\nANSWER async", read(answer.output_location))
capture = DataCaptureConfig(
    enable_capture=True, sampling_percentage=100, destination_s3_uri=f"s3://{course.bucket}/captured"
)
endpoint = deploy("captured", initial_instance_count=1, data_capture_config=capture)
print("\nANSWER captured", endpoint.invoke(body="0.1,0.2,0.3,0.4", **text).body.read().decode().strip())
while not s3.list_objects_v2(Bucket=course.bucket, Prefix="captured/anna-captured/")["KeyCount"]:
    time.sleep(0.1)
"""


def test_the_unmodified_sdk_serves_in_all_ways(account, tmp_path):
    (tmp_path / "trees.tar.gz").write_bytes(xgboost_archive())
    (tmp_path / "deploy.py").write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, tmp_path / "deploy.py", tmp_path / "trees.tar.gz", XGBOOST],
        env={
            **os.environ,
            "COURSE_ACCOUNT_FOLDER": str(account.folder),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    answers = dict(line.split()[1:] for line in run.stdout.splitlines() if line.startswith("ANSWER"))
    assert list(answers) == ["serverless", "async", "captured"]
    assert len(set(answers.values())) == 1  # the same model, the same row
    assert 0 < float(answers["serverless"]) < 1
    assert "MEMORY 2048" in run.stdout
