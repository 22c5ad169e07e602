"""Checks of the exercises: each asks the account, not the notebook, and says what is there or what is missing."""

import io
import runpy

import boto3
from botocore.exceptions import ClientError

from . import alerts, belongings, flights
from .catch_up import JOBS


def second_model(course):
    """Chapter 1: a second model, with the image of the first and the tags of the course."""
    name = course.name("second-model")
    model = _described("describe_model", ModelName=name)
    if model is None:
        return _say(False, f"there is no model {name}. Create it with create_model.")
    image = model["PrimaryContainer"]["Image"]
    if "sagemaker-xgboost:3.2-0" not in image:
        return _say(False, f"the model {name} is there, but its image is {image}, not that of the first model.")
    if missing := _tags_missing(course, model["ModelArn"]):
        return _say(
            False, f"the model {name} is there, but without {missing}. Delete it and create it with course.tags."
        )
    return _say(True, f"the model {name} is there, with its image and its tags.")


def first_config(course):
    """Chapter 1: an endpoint configuration for the first model on one ml.m5.large."""
    name, model = course.name("first-config"), course.name("first-model")
    config = _described("describe_endpoint_config", EndpointConfigName=name)
    if config is None:
        return _say(False, f"there is no endpoint configuration {name}. Create it with create_endpoint_config.")
    variant = config["ProductionVariants"][0]
    found = variant.get("ModelName"), variant.get("InstanceType"), variant.get("InitialInstanceCount")
    if found != (model, "ml.m5.large", 1):
        return _say(False, f"{name} puts {found[0]} on {found[2]} × {found[1]}; we want {model} on 1 × ml.m5.large.")
    if missing := _tags_missing(course, config["EndpointConfigArn"]):
        return _say(False, f"{name} is there, but without {missing}. Delete it and create it with course.tags.")
    return _say(True, f"{name} would run {model} on 1 × ml.m5.large.")


def planes_in_s3(course):
    """Chapter 4: the register of planes lies in S3 under the key that was asked for."""
    key = f"{course.prefix}/raw/planes/planes.csv.gz"
    body = _object(course, key)
    if body is None:
        near = [other for other in belongings.objects(course) if "planes" in other]
        found = f"there is {near[0]}" if near else "no key with 'planes' in it"
        return _say(False, f"there is no object {key} in the bucket {course.bucket}; {found}.")
    if body != (flights.FOLDER / "planes.csv.gz").read_bytes():
        return _say(False, f"{key} is there, but its {len(body)} bytes are not those of planes.csv.gz.")
    return _say(True, f"{key} holds the register of planes.")


def better_rule(course):
    """Chapter 4: a forecast for each flight of August that beats the rule by the hour."""
    from pandas import read_csv
    from sklearn.metrics import roc_auc_score

    key = f"{course.prefix}/rules/mine.csv"
    body = _object(course, key)
    if body is None:
        return _say(False, f"there is no object {key} in the bucket {course.bucket}.")
    label = flights.not_on_time(flights.months(flights.TEST))
    try:
        chances = read_csv(io.BytesIO(body), header=None)[0].astype(float)
    except ValueError:
        return _say(False, f"{key} holds other things than one number in each line; was there a header?")
    if len(chances) != len(label) or chances.isna().any():
        return _say(False, f"{key} holds {chances.count()} forecasts; August has {len(label)} flights.")
    auc = roc_auc_score(label, chances)
    return _say(auc > 0.63, f"your rule reaches an AUC of {auc:.3f} on August; the rule by the hour has 0.623.")


def weather_archived(course):
    """Chapter 4: the weather has been copied within S3, and the original is still there."""
    here, there = (f"{course.prefix}/{name}/weather.csv.gz" for name in ("raw/weather", "archive"))
    original, copy = _object(course, here), _object(course, there)
    if copy is None:
        return _say(False, f"there is no object {there} in the bucket {course.bucket}.")
    if original is None:
        return _say(False, f"{there} is there, but the original {here} is gone. Copy it back.")
    if copy != original:
        return _say(False, f"{there} is there, but its {len(copy)} bytes are not those of {here}.")
    return _say(True, f"{there} is a copy, and the original is where it was.")


def larger_server(course):
    """Chapter 2: the notebook instance has become an ml.t3.large and runs again."""
    name = course.name("server")
    server = _described("describe_notebook_instance", NotebookInstanceName=name)
    if server is None:
        return _say(False, f"there is no notebook instance {name}.")
    machine, status = server["InstanceType"], server["NotebookInstanceStatus"]
    if machine != "ml.t3.large":
        return _say(False, f"{name} is an {machine}; we want an ml.t3.large.")
    if status != "InService":
        return _say(False, f"{name} is an ml.t3.large, but its status is {status}; start it and wait.")
    return _say(True, f"{name} is an ml.t3.large and in service.")


def work_repository(course):
    """Chapter 2: a code repository for the work."""
    name = course.name("work")
    repository = _described("describe_code_repository", CodeRepositoryName=name)
    if repository is None:
        return _say(False, f"there is no code repository {name}. Create it with create_code_repository.")
    if missing := _tags_missing(course, repository["CodeRepositoryArn"]):
        return _say(False, f"{name} is there, but without {missing}. Delete it and create it with course.tags.")
    return _say(True, f"{name} stands for {repository['GitConfig']['RepositoryUrl']}.")


def monthly_budget(course):
    """Chapter 3: a budget of USD 20 for each month that tells a topic at 80 %."""
    name, client = course.name("monthly"), boto3.client("budgets")
    mine = {alert.name: alert for alert in alerts.standing(course) if alert.kind == "budget"}
    if name not in mine:
        return _say(False, f"there is no budget {name}; yours are {', '.join(sorted(mine)) or 'none'}.")
    if not mine[name].tagged:
        return _say(False, f"{name} is there, but without the tags of the course. Delete it and use ResourceTags.")
    which = {"AccountId": course.account_id, "BudgetName": name}
    budget = client.describe_budget(**which)["Budget"]
    found = f"USD {float(budget['BudgetLimit']['Amount']):g}, {budget['TimeUnit']}"
    if found != "USD 20, MONTHLY":
        return _say(False, f"the limit of {name} is {found}; we want USD 20, MONTHLY.")
    noted = client.describe_notifications_for_budget(**which)["Notifications"]
    for notification in (each for each in noted if each["Threshold"] == 80):
        asked = {key: value for key, value in notification.items() if key != "NotificationState"}
        told = client.describe_subscribers_for_notification(**which, Notification=asked)["Subscribers"]
        if any(subscriber["SubscriptionType"] == "SNS" for subscriber in told):
            return _say(True, f"{name} tells a topic when 80 % of USD 20 are spent in a month.")
        return _say(False, f"{name} has a notification at 80 %, but it tells no topic.")
    at = ", ".join(f"{each['Threshold']:g} %" for each in noted) or "none"
    return _say(False, f"the notifications of {name} are at: {at}. We want one at 80 %.")


def charges_alarm(course):
    """Chapter 3: an alarm on the charges of the month so far that tells a topic."""
    name, cloudwatch = course.name("charges"), boto3.client("cloudwatch", region_name=alerts.BILLING)
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        return _say(False, f"there is no alarm {name} in {alerts.BILLING}. Create it with put_metric_alarm.")
    watched = f"{found[0].get('Namespace')} {found[0].get('MetricName')}"
    if watched != "AWS/Billing EstimatedCharges":
        return _say(False, f"{name} watches {watched}; we want AWS/Billing EstimatedCharges.")
    if found[0]["Threshold"] != 50:
        return _say(False, f"{name} rings at {found[0]['Threshold']:g}; we want USD 50.")
    if not found[0]["AlarmActions"]:
        return _say(False, f"{name} tells nobody. Name the topic in AlarmActions.")
    if not any(alert.tagged and alert.name == name for alert in alerts.standing(course) if alert.kind == "alarm"):
        return _say(False, f"{name} is there, but without the tags of the course. Delete it and use Tags.")
    return _say(True, f"{name} tells a topic when the charges of the month pass USD 50.")


def three_machines(course):
    """Chapter 5: a join that three machines have done together, with the weather on each of them."""
    seen = "you have no processing job of three machines"
    for job in belongings.jobs(course, kind=belongings.PROCESSING):  # oldest first: of the newest we tell
        name, machines = job["ProcessingJobName"], job["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
        if machines != 3:
            continue
        shared = {each["InputName"]: each["S3Input"]["S3DataDistributionType"] for each in job["ProcessingInputs"]}
        if (shared.get("flights"), shared.get("weather")) != ("ShardedByS3Key", "FullyReplicated"):
            seen = f"{name} has three machines, but its inputs are shared as {shared}"
        elif job["ProcessingJobStatus"] != "Completed":
            seen = f"{name} has three machines, but it is {job['ProcessingJobStatus']}"
        else:
            return _say(True, f"three machines have shared the months of {name}, each with all of the weather.")
    return _say(False, f"{seen}. We look for one that is Completed, flights by key, weather for all.")


def one_place(course):
    """Chapter 5: a job of several machines that its own program refused, since an encoder is fitted in one place."""
    several = []
    for job in reversed(belongings.jobs(course, kind=belongings.PROCESSING)):
        if job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] > 1 and "tables" in _command(job):
            if "needs one machine" in job.get("ExitMessage", ""):
                return _say(True, f"the program refused {job['ProcessingJobName']}, and its exit message says why.")
            several.append(f"{job['ProcessingJobName']} is {job['ProcessingJobStatus']}")
    found = several[0] if several else "no job of yours ran the step tables on several machines"
    return _say(False, f"{found}. We look for one whose exit message says that it needs one machine.")


def misspelt(course):
    """Chapter 6: a job that failed because of a hyperparameter that its program does not know."""
    known = runpy.run_path(str(JOBS / "train_flights.py"))["HYPERPARAMETERS"]
    failed = [job for job in belongings.jobs(course) if job["TrainingJobStatus"] == "Failed"]
    for job in reversed(failed):
        if unknown := sorted(set(job.get("HyperParameters", {})) - set(known)):
            return _say(True, f"a job failed that was given {unknown[0]}, which the program does not know.")
    return _say(
        False, f"of your failed jobs ({len(failed)}) none was given a hyperparameter that the program does not know."
    )


def leak(course):
    """Chapter 6: a job whose model is too good to be true."""
    best = 0
    for job in belongings.jobs(course):
        if job["TrainingJobStatus"] == "Completed":
            metrics = {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}
            best = max(best, metrics.get("validation:auc", 0))
    if best > 0.85:
        return _say(
            True, f"a job of yours reached a validation:auc of {best:.3f}, far above what is known before departure."
        )
    return _say(False, f"the best validation:auc of your completed jobs is {best:.3f}; with the leak it is above 0.85.")


def stopped_in_time(course):
    """Chapter 7: a job of the algorithm that ended when July became no better, and is better for it."""
    best = {True: 0, False: 0}
    for job in belongings.jobs(course):
        if job["TrainingJobStatus"] == "Completed":
            stops = "early_stopping_rounds" in job.get("HyperParameters", {})
            metrics = {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}
            best[stops] = max(best[stops], metrics.get("validation:auc", 0))
    if not best[True]:
        return _say(False, "none of your completed jobs has the hyperparameter early_stopping_rounds.")
    reached = f"with early_stopping_rounds a job of yours has a validation:auc of {best[True]:.3f}"
    if best[True] <= best[False]:
        return _say(False, f"{reached}; without, one has {best[False]:.3f}. Stop earlier.")
    return _say(True, f"{reached}, without {best[False]:.3f}.")


def silent(course):
    """Chapter 7: a job that failed because it was not told what kind of answer is wanted."""
    failed = [job for job in belongings.jobs(course) if job["TrainingJobStatus"] == "Failed"]
    for job in failed:
        given = job.get("HyperParameters", {})
        if "num_round" in given and "objective" not in given:
            return _say(True, f"a job failed that was given {given.get('eval_metric', 'no metric')} and no objective.")
    return _say(False, f"each of your failed jobs ({len(failed)}) was given an objective, or no num_round.")


def two_variants(course):
    """Chapter 9: an endpoint in service whose requests are shared by two variants."""
    sagemaker, most = boto3.client("sagemaker"), 0
    for thing in belongings.of(course, belongings.ENDPOINT, StatusEquals="InService"):
        endpoint = sagemaker.describe_endpoint(EndpointName=thing.name)
        weights = {v["VariantName"]: v["CurrentWeight"] for v in endpoint["ProductionVariants"]}
        if len(weights) > 1:
            shares = " and ".join(f"{weight / sum(weights.values()):.0%} to {name}" for name, weight in weights.items())
            return _say(True, f"{thing.name} sends {shares}.")
        most = max(most, len(weights))
    return _say(False, f"your endpoints in service have at most {most} variant; one should have two.")


def stopped_paying(course):
    """Chapter 9: no endpoint any more, but all that is needed to bring it back."""
    if standing := belongings.of(course, belongings.ENDPOINT):
        return _say(False, f"the endpoint {standing[0].name} is {standing[0].status} and costs money. Delete it.")
    models = {model.name for model in belongings.of(course, belongings.MODEL)}
    for config in reversed(belongings.of(course, belongings.CONFIG)):
        described = _described("describe_endpoint_config", EndpointConfigName=config.name)
        if {variant["ModelName"] for variant in described["ProductionVariants"]} <= models:
            return _say(True, f"no endpoint stands, and {config.name} with its model can bring one back.")
    return _say(False, "no endpoint stands, but no configuration with its model is left to bring one back.")


def august_list(course):
    """Chapter 10: a chance beside the id of each flight of August, made by a transform job."""
    from pandas import read_csv

    key = f"{course.prefix}/lists/answers/august.csv.out"
    body = _object(course, key)
    if body is None:
        jobs = belongings.jobs(course, kind=belongings.TRANSFORM)
        last = f"your last transform job is {jobs[-1]['TransformJobStatus']}" if jobs else "you have no transform job"
        return _say(False, f"there is no object {key} in the bucket {course.bucket}; {last}.")
    found, august = read_csv(io.BytesIO(body), header=None), flights.month(flights.TEST[0])
    if found.shape != (len(august), 2):
        return _say(False, f"{key} has {len(found)} lines of {found.shape[1]} columns; we want {len(august)} of 2.")
    days = "2013-08-" + august.day.astype(str).str.zfill(2)
    wanted = days + " " + august.carrier + august.flight.astype(str) + " " + august.origin
    if strange := set(found[0].astype(str)) - set(wanted):
        return _say(False, f"{key} has {min(strange)!r} where the id of a flight of August belongs.")
    return _say(True, f"{key} has a chance for each of the {len(august)} flights of August.")


def half_the_memory(course):
    """Chapter 10: the serverless endpoint of the chapter with half of its memory."""
    name = course.name("sleeper")
    endpoint = _described("describe_endpoint", EndpointName=name)
    if endpoint is None:
        return _say(False, f"there is no endpoint {name}.")
    memory = endpoint["ProductionVariants"][0].get("CurrentServerlessConfig", {}).get("MemorySizeInMB")
    if endpoint["EndpointStatus"] != "InService" or memory != 1024:
        has = f"has {memory} MB" if memory else "is not serverless"
        return _say(False, f"{name} is {endpoint['EndpointStatus']} and {has}; we want 1024 MB and InService.")
    return _say(True, f"{name} answers with 1024 MB.")


def _say(done, sentence):
    print(f"{'Done' if done else 'Not yet'}: {sentence}")


def _command(job):
    """Return the words of a processing job's command."""
    specification = job["AppSpecification"]
    return [*specification.get("ContainerEntrypoint", []), *specification.get("ContainerArguments", [])]


def _object(course, key):
    """Return the bytes of an object in the course's bucket, or None if there is none."""
    try:
        return boto3.client("s3").get_object(Bucket=course.bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def _described(operation, **which):
    try:
        return getattr(boto3.client("sagemaker"), operation)(**which)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":  # SageMaker's way to say: there is none
            return None
        raise


def _tags_missing(course, arn):
    """Return which of the course's tags a resource lacks, as words."""
    tags = {tag["Key"]: tag["Value"] for tag in boto3.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}
    missing = [tag["Key"] for tag in course.tags if tags.get(tag["Key"]) != tag["Value"]]
    return " and ".join(f"the tag {key!r}" for key in missing)
