"""Every kind of page of the console, empty and full: for those who see little, use no mouse, or hold a telephone."""

import re
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest

from endpoints import ROLE, XGBOOST
from helpers.local_account.console.opening import link
from test_console_pages import HOME, Browser, Tags, train
from test_tuning import Tuner, number

from .accessibility import barriers

WIDTHS = 360, 768, 1280
EMPTY = "eu-west-1"  # a Region in which nobody has made anything
WIDE = """[...document.querySelectorAll("main *")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && !one.closest(".hidden"))
  .filter((one) => !["visible", "clip"].includes(getComputedStyle(one).overflowX))
  .map((one) => one.className || one.localName)"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return { tag: one.localName, name: one.labels?.[0]?.innerText ?? one.innerText ?? "",
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0
      && box.bottom > 0 && box.top < innerHeight };
}"""


@pytest.fixture(scope="module")
def filled(shared_account):
    """An account in which there is something of every kind."""
    sagemaker, s3 = shared_account.client("sagemaker"), shared_account.client("s3")
    train(
        shared_account, "learned", "for i in 5 4 3; do echo loss=0.$i; sleep 1.1; done", HyperParameters={"depth": "3"}
    )
    train(shared_account, "failed", "echo no such column >&2; exit 3", Tags=[{"Key": "learner", "Value": "ada"}])
    for key, body in (
        ("data/flights.csv", "carrier,origin,dep_delay\n" + "UA,EWR,12\n" * 60),
        ("data/notes.txt", "a line of a note, " * 40 + "\n" + "short\n" * 80),
        ("data/model.bin", "\0\1\2"),
    ):
        s3.put_object(Bucket="course", Key=key, Body=body.encode())
    s3.create_bucket(Bucket="nothing-in-it")
    sagemaker.create_model(ModelName="tree", PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": "tree", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="tree", ProductionVariants=[variant])
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="greets", OnStart=[{"Content": "IyEvYmluL2Jhc2gKZWNobyBoZWxsbwo="}]
    )
    sagemaker.create_code_repository(
        CodeRepositoryName="work", GitConfig={"RepositoryUrl": "https://git.invalid/work.git"}
    )
    sagemaker.create_processing_job(
        ProcessingJobName="counted", RoleArn=ROLE,
        AppSpecification={"ImageUri": XGBOOST, "ContainerEntrypoint": ["/bin/sh", "-c", "echo counted"]},
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
    )  # fmt: skip
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName="counted")
    Tuner(shared_account).tune("tuned", number("value", "0", "10"), most=2)
    topic = shared_account.client("sns").create_topic(Name="alerts")["TopicArn"]
    shared_account.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="me@example.com")
    shared_account.client("cloudwatch").put_metric_alarm(
        AlarmName="many", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    shared_account.client("budgets").create_budget(
        AccountId="000000000000",
        Budget={"BudgetName": "daily", "BudgetLimit": {"Amount": "5", "Unit": "USD"}, "TimeUnit": "DAILY",
                "BudgetType": "COST"},
    )  # fmt: skip
    return shared_account


@pytest.fixture(scope="module")
def addresses(filled):
    """Each address of the console that a page of it leads to, with the answer that it gives."""
    browser, found, left = Browser(filled), {}, [f"{HOME}/dashboard", f"/console/{EMPTY}/dashboard"]
    while left:
        address = left.pop()
        if address not in found:
            found[address] = answer = browser.get(address)
            if answer.getheader("content-type").startswith("text/html"):
                leads = (urljoin(address, tag["href"]) for _, tag in Tags(answer.text).found if "href" in tag)
                leads = (one.partition("#")[0] for one in leads if one.startswith("/console"))
                left += [one for one in leads if "month=" not in address or "month=" not in one]  # bills have no end
    return found


def kind(address):
    """Return what a page is one of, so that one of each kind is looked at: its path, its query's names, its ending."""
    parts = urlsplit(address)
    _, _, region, path, *name = parts.path.split("/")
    query = dict(parse_qsl(parts.query))
    named = path not in ("s3", "logs", "metrics", "roles", "alarms") and name != ["create"]
    region = "" if path in ("s3", "bill", "budgets", "mail", "roles") else region
    return (region, path, "*" if name and named else "/".join(name), query.get("key", "").rpartition(".")[2],
            *sorted(query.keys() - {"sort", "order", "month"}))  # fmt: skip


def test_no_link_of_the_console_leads_nowhere(addresses):
    wrong = {address: answer.status for address, answer in addresses.items() if answer.status != 200}
    assert wrong == {}
    assert len(addresses) > 100


def test_every_kind_of_page_fits_every_width_and_shuts_nobody_out(visitor, filled, addresses, picture):
    pages = {}
    for address, answer in addresses.items():
        is_page = answer.getheader("content-type").startswith("text/html")
        if is_page and len(answer.text) > len(pages.get(kind(address), (0, ""))[1]):
            pages[kind(address)] = address, answer.text  # the longest of its kind
    assert len(pages) >= 45
    page, wrong = visitor.new_page(), {}
    page.goto(link(filled.folder))
    page.get_by_role("heading", name="Dashboard").wait_for()
    for address, _ in pages.values():
        found = wrong[address] = []
        page.emulate_media(color_scheme="light")
        page.goto(urljoin(filled.url, address))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [f"at {width} pixels the page is {wide} wide"] if wide > width else []
            found += [
                f"at {width} pixels {one} scrolls" for one in page.evaluate(WIDE) if one not in ("box", "log", "pre")
            ]
        name = re.sub(r"\W+", "-", address.removeprefix("/console/"))[:80]
        picture(page, f"{name}-light")
        found += barriers(page)
        picture(page, f"{name}-dark")
    assert {address: found for address, found in wrong.items() if found} == {}


def tab_to(page, name):
    """Press Tab until something of this name has the focus, which is seen on all that has it meanwhile."""
    for _ in range(100):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["seen"] or focused["tag"] == "body", f"the focus cannot be seen on {focused}"
        if " ".join(focused["name"].split()).startswith(name):
            return focused
    raise AssertionError(f"Tab does not reach {name!r}")


def test_a_notebook_instance_is_made_and_stopped_without_a_mouse(visitor, filled):
    page = visitor.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(link(filled.folder))
    page.get_by_role("heading", name="Dashboard").wait_for()
    tab_to(page, "Notebooks")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Notebooks and Git repos").wait_for()
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "Create notebook instance")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Create notebook instance").wait_for()
    tab_to(page, "Notebook instance name")
    page.keyboard.type("by-keyboard")
    tab_to(page, "Volume size in GB")
    page.keyboard.press("ArrowUp")
    tab_to(page, "Root access")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Create notebook instance")
    page.keyboard.press("Enter")
    row = page.get_by_role("row", name="by-keyboard")
    row.get_by_text("InService", exact=True).wait_for()
    tab_to(page, "Stop by-keyboard")
    page.keyboard.press("Enter")
    row.get_by_text("Stopped", exact=True).wait_for()
    made = filled.client("sagemaker").describe_notebook_instance(NotebookInstanceName="by-keyboard")
    assert (made["VolumeSizeInGB"], made["RootAccess"]) == (6, "Disabled")


def test_tab_goes_around_every_page(visitor, filled):
    page = visitor.new_page()
    page.goto(link(filled.folder))
    page.get_by_role("heading", name="Dashboard").wait_for()
    for path in ("jobs/learned", "notebook-instances/create", "s3/object?bucket=course&key=data/notes.txt"):
        page.goto(f"{filled.url}{HOME}/{path}")
        tab_to(page, "This page as JSON")  # the last of them
        tab_to(page, "Skip to the content")  # and the first again
