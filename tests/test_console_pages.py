"""The console's pages by HTTP: what they show, and who tries in vain to make them do something."""

import http.client
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from threading import Thread, Timer
from urllib.parse import urlencode, urlsplit

import pytest

from endpoints import ROLE, XGBOOST
from helpers.local_account.client import ask
from helpers.local_account.console.asked import PATHS
from helpers.local_account.kinds import KINDS
from test_tuning import Tuner, number

HOME = "/console/us-east-1"


class Browser:
    """What a browser is to the account: it keeps a cookie, and sends the headers that browsers send."""

    def __init__(self, served, environment=None):
        self.host = urlsplit(served.url).netloc
        self.link = urlsplit(ask(environment or served.environment, "/console-link")["Url"])
        self.cookie = self.send("GET", f"{self.link.path}?{self.link.query}").getheader("set-cookie").split(";")[0]

    def send(self, method, path, body=None, **headers):
        """Send a request and return the response, whose body is read."""
        connected = http.client.HTTPConnection(self.host, timeout=30)
        connected.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connected.getresponse()
        answer.text = answer.read().decode(errors="replace")
        connected.close()
        return answer

    def get(self, path, **headers):
        """Open a page as somebody does who is let in."""
        return self.send("GET", path, Cookie=self.cookie, **headers)

    def post(self, path, form, **headers):
        """Send a form that the page has, as the browser does."""
        page = self.get(f"{HOME}/notebook-instances/create").text
        token = re.search(r'name="token" value="([^"]+)"', page)[1]
        headers = {"Origin": f"http://{self.host}", "Content_Type": "application/x-www-form-urlencoded"} | headers
        return self.send("POST", path, urlencode({"token": token} | form), Cookie=self.cookie, **headers)

    def json(self, path):
        """Return a page as JSON."""
        return json.loads(self.get(path, Accept="application/json").text)

    def rows(self, path, title=None):
        """Return the rows of a page's first table, or of the one with this title."""
        parts = [part for part in self.json(path)["Parts"] if "Rows" in part]
        return next(part["Rows"] for part in parts if title in (None, part["Title"]))


@pytest.fixture(scope="module")
def browser(shared_account):
    return Browser(shared_account)


def train(served, name, program="true", **members):
    """Run a training job that is a shell program, to its end."""
    sagemaker = served.client("sagemaker")
    served.client("s3").create_bucket(Bucket="course")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": XGBOOST,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", program],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://course/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        **members,
    )
    while sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in ("InProgress", "Stopping"):
        time.sleep(0.05)


class Tags(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


PAGES = [
    "dashboard", "jobs", "processing-jobs", "hyper-tuning-jobs", "models", "endpointConfig", "endpoints",
    "transform-jobs", "notebook-instances", "notebook-instances/create", "bill", "budgets", "alarms", "mail",
    "s3", "logs", "metrics", "roles", "roles/role?name=SageMakerCourseRole",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_as_html_and_as_json(browser, path):
    page = browser.get(f"{HOME}/{path}")
    assert (page.status, page.getheader("content-type")) == (200, "text/html; charset=utf-8")
    name, _, query = path.partition("?")
    assert browser.json(f"{HOME}/{name}.json?{query}") == browser.json(f"{HOME}/{path}")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_landmarks_headings_and_captions(browser, path):
    tags = Tags(browser.get(f"{HOME}/{path}").text).found
    names = [tag for tag, _ in tags]
    assert names.count("h1") == names.count("main") == names.count("header") == 1
    assert names.count("table") == names.count("caption")
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    assert ("a", {"class": "skip", "href": "#content"}) in tags
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    assert labelled >= {
        attributes["id"]
        for tag, attributes in tags
        if tag in ("input", "select") and attributes.get("type") != "hidden"
    }


@pytest.mark.parametrize("path", PAGES)
def test_no_page_asks_anybody_else(browser, path):
    page = browser.get(f"{HOME}/{path}")
    asked = [
        attributes[name]
        for _, attributes in Tags(page.text).found
        for name in ("src", "href", "action")
        if name in attributes
    ]
    assert all(address.startswith(("/console", "#")) for address in asked)
    assert "default-src 'self'" in page.getheader("content-security-policy")


def test_the_lists_of_an_empty_account_name_the_call_that_fills_them(browser):
    empty = {path: browser.get(f"{HOME}/{path}").text for path in ("processing-jobs", "hyper-tuning-jobs")}
    assert "<code>CreateProcessingJob</code>" in empty["processing-jobs"]
    assert "<code>CreateHyperParameterTuningJob</code>" in empty["hyper-tuning-jobs"]
    assert re.search(r"<code>CreateEndpoint</code>\. In the course: chapter \d", browser.get(f"{HOME}/endpoints").text)


def test_the_menu_has_the_labels_of_today_and_pages_name_the_older_ones(browser):
    page = browser.get(f"{HOME}/processing-jobs").text
    assert "<h2>Data preparation</h2>" in page
    assert "<em>Processing &gt; Processing jobs</em>" in page


def test_a_training_job_is_listed_and_described(browser, shared_account):
    train(shared_account, "shown", "echo loss=0.5; echo loss=0.25", HyperParameters={"depth": "3"})
    [row] = [row for row in browser.rows(f"{HOME}/jobs") if row["Name"]["Text"] == "shown"]
    assert row["Status"] == "Completed"
    page = browser.json(row["Name"]["Href"])
    described = shared_account.client("sagemaker").describe_training_job(TrainingJobName="shown")
    values = {}
    for part in page["Parts"]:
        values |= part.get("Values", {})
    assert values["TrainingJobArn"] == described["TrainingJobArn"]
    assert values["depth"] == "3"
    assert {part["Title"] for part in page["Parts"]} >= {"Job settings", "Algorithm", "Hyperparameters", "Logs", "loss"}


def test_a_job_without_metrics_says_whether_some_may_still_come(browser, shared_account):
    told, over = "No metrics have been measured yet.", "Nothing runs any more, and no metrics were measured."
    train(shared_account, "mute", "exit 1")
    page = browser.get(f"{HOME}/jobs/mute").text
    assert over in page and told not in page
    running = Thread(target=train, args=(shared_account, "busy", "exec sleep 30"))
    running.start()
    while (page := browser.get(f"{HOME}/jobs/busy")).status == 404:
        time.sleep(0.05)
    shared_account.client("sagemaker").stop_training_job(TrainingJobName="busy")
    running.join()
    assert told in page.text and over not in page.text


def test_nothing_of_a_description_is_left_out(browser, shared_account):
    train(shared_account, "whole")
    page = browser.get(f"{HOME}/jobs/whole").text
    described = shared_account.client("sagemaker").describe_training_job(TrainingJobName="whole")
    for name, value in described.items():
        headings = {"SecondaryStatusTransitions": "Status history"}
        assert value in ({}, []) or headings.get(name, name) in page or name == "ResponseMetadata", name


def test_a_log_is_shown_line_by_line(browser, shared_account):
    train(shared_account, "told", "echo first; echo second")
    [stream] = browser.rows(f"{HOME}/jobs/told", "Logs")
    lines = [line["Text"] for line in browser.json(stream["Log stream"]["Href"])["Parts"][0]["Lines"]]
    assert lines[:2] == ["first", "second"]


def test_a_list_is_narrowed_sorted_and_turned_over(browser, shared_account):
    sagemaker = shared_account.client("sagemaker", "eu-west-1")
    for index in range(25):
        sagemaker.create_model(ModelName=f"m-{index:02}", PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=ROLE)
    names = [row["Name"]["Text"] for row in browser.rows("/console/eu-west-1/models?sort=Name&order=Ascending")]
    assert names == [f"m-{index:02}" for index in range(20)]
    page = browser.json("/console/eu-west-1/models?sort=Name&order=Ascending")["Parts"][0]["Pages"]
    assert [row["Name"]["Text"] for row in browser.rows(page[0]["Href"])] == [f"m-{n}" for n in range(20, 25)]
    assert [row["Name"]["Text"] for row in browser.rows("/console/eu-west-1/models?name=07")] == ["m-07"]
    assert browser.rows(f"{HOME}/models?name=m-") == []


def test_a_page_waits_until_it_has_changed(browser, shared_account):
    sagemaker = shared_account.client("sagemaker", "eu-north-1")
    mark = browser.get("/console/eu-north-1/models").getheader("etag")
    assert browser.get("/console/eu-north-1/models", If_None_Match=mark).status == 304
    container = {"Image": XGBOOST}
    later = Timer(
        0.7, lambda: sagemaker.create_model(ModelName="new", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    )
    later.start()
    began = time.monotonic()
    page = browser.get("/console/eu-north-1/models", If_None_Match=mark, Prefer="wait")
    later.join()
    assert page.status == 200 and ">new</a>" in page.text
    assert 0.5 < time.monotonic() - began < 5


def test_an_open_page_does_not_keep_the_account_from_ending(account):
    browser = Browser(account)
    mark = browser.get(f"{HOME}/models").getheader("etag")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(browser.get, f"{HOME}/models", If_None_Match=mark, Prefer="wait")
        time.sleep(1)
        began = time.monotonic()
        account.stop()
        assert time.monotonic() - began < 5
        assert waiting.result().status == 304
    assert "Traceback" not in (account.folder / "server.log").read_text()


def test_what_is_not_there_is_not_found(browser):
    paths = ("jobs/nobody", "nothing", "s3/objects?bucket=nobody", "roles/role?name=nobody", "logs/group?group=/nobody")
    assert {browser.get(f"{HOME}/{path}").status for path in paths} == {404}
    assert browser.get("/console/mars-1/jobs").status == 404


def test_every_kind_that_the_account_has_is_in_the_menu(browser):
    page = browser.get(f"{HOME}/notebook-instances").text
    for kind in KINDS:
        assert f'href="{HOME}/{PATHS[kind.name]}"' in page or f"<code>Create{kind.name}</code>" in page


@pytest.mark.slow
def test_a_notebook_instance_is_made_stopped_and_deleted_by_the_page(browser, shared_account):
    form = {
        "NotebookInstanceName": "by-hand", "InstanceType": "ml.t3.medium", "VolumeSizeInGB": "6", "RoleArn": ROLE,
        "PlatformIdentifier": "notebook-al2023-v1", "RootAccess": "Enabled", "LifecycleConfigName": "",
        "DefaultCodeRepository": "",
    }  # fmt: skip
    refused = browser.post(f"{HOME}/notebook-instances/create", form | {"NotebookInstanceName": "by hand"})
    assert refused.status == 400 and 'value="by hand"' in refused.text and 'role="alert"' in refused.text
    made = browser.post(f"{HOME}/notebook-instances/create", form)
    assert (made.status, made.getheader("location")) == (303, f"{HOME}/notebook-instances")
    sagemaker = shared_account.client("sagemaker")
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="by-hand")
    assert sagemaker.describe_notebook_instance(NotebookInstanceName="by-hand")["VolumeSizeInGB"] == 6
    [row] = browser.rows(f"{HOME}/notebook-instances", "Notebook instances")
    assert row["Actions"] == ["Open Jupyter", "Open JupyterLab", "Stop"]

    def do(what, **more):
        return browser.post(f"{HOME}/notebook-instances/act", {"name": "by-hand", "do": what, **more})

    opened = Tags(do("open", view="lab").text).found
    [leads] = [attributes["content"] for _, attributes in opened if attributes.get("http-equiv")]
    assert leads.endswith("&view=lab")
    assert "not in ([Stopped, Failed])" in do("delete").text
    assert do("stop").status == 303
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="by-hand")
    assert do("delete").status == 303
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName="by-hand")


def test_a_letter_is_shown_with_its_link(browser, shared_account):
    sns = shared_account.client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="me@example.com")
    [row] = browser.rows(f"{HOME}/mail")
    page = browser.get(row["Subject"]["Href"]).text
    assert "me@example.com" in page and "Confirm the subscription</a>" in page
    assert browser.get(f"{HOME}/mail/999").status == 404


def test_a_budget_and_an_alarm_are_shown(browser, shared_account):
    shared_account.client("budgets").create_budget(
        AccountId="000000000000",
        Budget={"BudgetName": "daily", "BudgetLimit": {"Amount": "5", "Unit": "USD"}, "TimeUnit": "DAILY",
                "BudgetType": "COST"},
        NotificationsWithSubscribers=[{
            "Notification": {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80},
            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "me@example.com"}],
        }],
    )  # fmt: skip
    [budget] = browser.rows(f"{HOME}/budgets")
    assert (budget["Budgeted"], budget["Alerts"]) == ("USD 5.00", ["ACTUAL above 80 %: OK"])
    shared_account.client("cloudwatch").put_metric_alarm(
        AlarmName="many", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    [alarm] = browser.rows(f"{HOME}/alarms")
    assert alarm["State"] == "Insufficient data"
    assert browser.json(alarm["Name"]["Href"])["Title"] == "many"


def test_the_bill_names_what_was_used_and_its_rate(browser, shared_account):
    train(shared_account, "billed", "sleep 1.1")
    rows = [row for row in browser.rows(f"{HOME}/bill", "By resource") if "billed" in str(row["Resource"])]
    [machine] = [row for row in rows if row["Usage type"].endswith("Train:ml.m5.large")]
    assert machine["Cost"].startswith("USD 0.0000")
    assert any(row["Rate"].startswith("USD 0.1") for row in browser.rows(f"{HOME}/bill", "Rates"))
    assert "nothing was used" in browser.get(f"{HOME}/bill?month=2020-01").text.lower()


def test_the_bill_does_not_lead_to_a_month_that_it_would_not_show(browser):
    assert "1999" not in browser.get(f"{HOME}/bill?month=2000-01").text
    assert "January 2000" in browser.get(f"{HOME}/bill?month=2000-02").text


def test_what_costs_next_to_nothing_is_not_shown_as_nothing(browser, shared_account):
    bucket = shared_account.client("s3")
    bucket.create_bucket(Bucket="tiny")
    bucket.put_object(Bucket="tiny", Key="a", Body=b"a")
    rows = [row for row in browser.rows(f"{HOME}/bill", "By resource") if row["Resource"] == "bucket tiny"]
    costs = {row["Usage type"]: row["Cost"] for row in rows}
    assert costs["s3-put"] == "USD 0.00001" and float(costs["s3-storage"].removeprefix("USD ")) > 0
    rates = {row["Usage type"]: row["Rate"] for row in browser.rows(f"{HOME}/bill", "Rates")}
    assert rates["s3-put"] == "USD 0.000005 per request"


def test_what_is_billed_now_is_told_with_its_unit(browser, shared_account):
    shared_account.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="standing", InstanceType="ml.t3.medium", VolumeSizeInGB=7, RoleArn=ROLE
    )
    rows = browser.rows(f"{HOME}/bill", "Billed at this moment")
    amounts = {row["What"]: row["Amount"] for row in rows if "standing" in str(row["Resource"])}
    assert amounts["notebook-storage"] == "7 GB"


def test_the_bill_names_alarms_metrics_and_logs(browser, shared_account):
    cloudwatch = shared_account.client("cloudwatch")
    cloudwatch.put_metric_data(Namespace="Desk", MetricData=[{"MetricName": "Queue", "Value": 1}])
    cloudwatch.put_metric_alarm(
        AlarmName="queue", Namespace="Desk", MetricName="Queue", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    train(shared_account, "talkative", "echo a line")
    rows = browser.rows(f"{HOME}/bill", "By resource")
    units = {row["Usage type"]: (row["Resource"], row["Quantity"].split()[1]) for row in rows}
    assert units["alarm"] == ("alarm queue", "Alarms") and units["custom-metric"] == ("metrics Desk", "Metrics")
    assert units["logs-ingestion"] == ("log group /aws/sagemaker/TrainingJobs", "GB")
    standing = browser.rows(f"{HOME}/bill", "Billed at this moment")
    assert {"Resource": "alarm queue", "Region": "us-east-1", "What": "alarm", "Amount": "1 alarm"} in standing


@pytest.mark.parametrize(
    "path",
    ["jobs", "s3/objects", "s3/object", "logs", "logs/group", "metrics/metric", "bill", "roles/role", "alarms/alarm"],
)
@pytest.mark.parametrize("value", ["", "%00", "..", "9" * 400, "%ff", "0001-01"])
def test_a_strange_question_gets_an_answer(browser, path, value):
    names = ("name", "next", "status", "sort", "order", "bucket", "key", "prefix", "group", "stream", "month", "metric")
    answer = browser.get(f"{HOME}/{path}?" + "&".join(f"{name}={value}" for name in names))
    assert answer.status in (200, 400, 404)
    assert "<h1>" in answer.text


def test_a_table_in_s3_is_previewed_and_a_page_in_s3_is_text(browser, shared_account):
    s3 = shared_account.client("s3")
    s3.create_bucket(Bucket="looked-at")
    s3.put_object(Bucket="looked-at", Key="a/flights.csv", Body=b"carrier,delay\nUA,3\nDL,-2\n")
    s3.put_object(Bucket="looked-at", Key="a/page.html", Body=b"<script>alert(1)</script>", ContentType="text/html")
    assert browser.rows(f"{HOME}/s3/object?bucket=looked-at&key=a/flights.csv") == [
        {"carrier": "UA", "delay": "3"},
        {"carrier": "DL", "delay": "-2"},
    ]
    page = browser.get(f"{HOME}/s3/object?bucket=looked-at&key=a/page.html").text
    assert "&lt;script&gt;alert(1)" in page
    assert "script" not in [tag for tag, attributes in Tags(page).found if "src" not in attributes]
    file = browser.get(f"{HOME}/s3/download?bucket=looked-at&key=a/page.html")
    assert file.text == "<script>alert(1)</script>"
    assert file.getheader("content-disposition").startswith("attachment")
    assert file.getheader("content-type") == "application/octet-stream"
    assert file.getheader("x-content-type-options") == "nosniff"


@pytest.mark.parametrize(
    "text, rows",
    [
        ("carrier,delay\rUA,3\r", [{"carrier": "UA", "delay": "3"}]),  # lines as old Macs end them
        (",delay\n0,3\n", [{"": "0", "delay": "3"}]),  # the index that pandas writes has no name
        ("1,2\n3,4\n", [{"Column 1": "1", "Column 2": "2"}, {"Column 1": "3", "Column 2": "4"}]),
        ("a,b\n1\n", [{"a": "1", "b": ""}]),
    ],
    ids=repr,
)
def test_a_table_is_read_as_its_lines_and_its_head_are_meant(browser, shared_account, text, rows):
    s3 = shared_account.client("s3")
    s3.create_bucket(Bucket="looked-at")
    s3.put_object(Bucket="looked-at", Key="table.csv", Body=text)
    assert browser.rows(f"{HOME}/s3/object?bucket=looked-at&key=table.csv") == rows


def test_a_script_without_content_is_shown_as_empty(browser, shared_account):
    shared_account.client("sagemaker").create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="contentless", OnCreate=[{}]
    )
    assert browser.get(f"{HOME}/notebook-lifecycle-config/contentless").status == 200


def test_rows_that_begin_alike_are_told_apart(browser, shared_account):
    train(shared_account, "alike")  # it is billed twice: for its machine and for its volume
    table = browser.get(f"{HOME}/bill").text.partition("By resource")[2].partition("</table>")[0]
    keys = re.findall(r'<tr data-key="([^"]*)"', table)
    assert {"training-job alike", "training-job alike 2"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_a_tuning_job_is_shown_with_its_training_jobs(browser, shared_account):
    tuner = Tuner(shared_account)
    tuner.tune("shown-tuning", number("value", "0", "10"), most=2)
    rows = browser.rows(f"{HOME}/hyper-tuning-jobs/shown-tuning", "Training jobs")
    jobs = {job["TrainingJobName"]: job for job in tuner.jobs("shown-tuning")}
    assert {row["Name"]["Text"] for row in rows} == set(jobs)
    for row in rows:
        objective = jobs[row["Name"]["Text"]]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert row["Objective metric value"] == pytest.approx(objective)
