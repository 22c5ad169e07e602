"""A workshop: many learners on one account at once, each training, deploying and invoking a model of their own."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
# The rows of learner n: the label is n where the first value is large, so that each model answers with its own number
ROWS = "\n".join(f"{{number}},{value},{value % 7}" for value in range(200)) + "\n"


class Learner:
    """One learner, with clients of their own."""

    def __init__(self, account, number):
        self.number, self.name = number, f"l{number:02}"
        self.sagemaker, self.runtime, self.s3 = map(account.client, ("sagemaker", "sagemaker-runtime", "s3"))
        self.tags = [{"Key": "learner", "Value": self.name}]
        self.took = {}

    def work(self):
        """Go through a chapter's steps; return what the endpoint answered."""
        for step in (self.train, self.deploy, self.invoke, self.clean_up):
            began = time.perf_counter()
            answer = step()
            self.took[step.__name__] = time.perf_counter() - began
            if step == self.invoke:
                said = answer
        return said

    def train(self):
        """Train XGBoost's built-in algorithm on this learner's rows."""
        self.s3.put_object(
            Bucket="workshop", Key=f"{self.name}/train/a.csv", Body=ROWS.format(number=self.number).encode()
        )
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://workshop/{self.name}/train/"}
        self.sagemaker.create_training_job(
            TrainingJobName=f"{self.name}-flights",
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={
                "num_round": "5",
                "objective": "reg:squarederror",
                "eta": "1",
                "lambda": "0",
                "nthread": "1",
            },
            RoleArn=ROLE,
            InputDataConfig=[
                {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
            ],
            OutputDataConfig={"S3OutputPath": f"s3://workshop/{self.name}/models"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            Tags=self.tags,
        )
        self.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=f"{self.name}-flights")

    def deploy(self):
        """Serve what the job has left."""
        job = self.sagemaker.describe_training_job(TrainingJobName=f"{self.name}-flights")
        container = {"Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
        names = {"ModelName": f"{self.name}-model", "Tags": self.tags}
        self.sagemaker.create_model(**names, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "AllTraffic", "ModelName": f"{self.name}-model"}
        machine = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=f"{self.name}-config", ProductionVariants=[variant | machine], Tags=self.tags
        )
        self.sagemaker.create_endpoint(
            EndpointName=f"{self.name}-endpoint", EndpointConfigName=f"{self.name}-config", Tags=self.tags
        )
        self.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=f"{self.name}-endpoint")

    def invoke(self):
        """Ask for ten predictions; return the distinct answers, rounded."""
        said = set()
        for value in range(10):
            answer = self.runtime.invoke_endpoint(
                EndpointName=f"{self.name}-endpoint", ContentType="text/csv", Body=f"{value},{value % 7}"
            )
            said.add(round(float(answer["Body"].read())))
        return said

    def clean_up(self):
        """Delete endpoint, configuration and model."""
        self.sagemaker.delete_endpoint(EndpointName=f"{self.name}-endpoint")
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=f"{self.name}-endpoint")
        self.sagemaker.delete_endpoint_config(EndpointConfigName=f"{self.name}-config")
        self.sagemaker.delete_model(ModelName=f"{self.name}-model")


def hold(account, count):
    """Let so many learners work at once; return them and what each was answered."""
    account.client("s3").create_bucket(Bucket="workshop")
    learners = [Learner(account, number) for number in range(count)]
    with ThreadPoolExecutor(count) as room:
        said = list(room.map(Learner.work, learners))
    return learners, said


def median(learners, step):
    """Return the median of the seconds that a step took."""
    return statistics.median(learner.took[step] for learner in learners)
