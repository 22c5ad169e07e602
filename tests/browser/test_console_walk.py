"""The console beside somebody who works by code: a job's log, why one failed, what was forgotten over three days."""

import re
from datetime import timedelta

import pytest

import things
from helpers import clock, prices
from helpers.local_account.console.opening import link

TO_ADA = [{"SubscriptionType": "EMAIL", "Address": "ada@example.com"}]
ALERT = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 100}


@pytest.fixture
def page(account, visitor):
    """The console of an account, on its first page."""
    page = visitor.new_page()
    page.goto(link(account.folder))
    return page


def go(page, entry):
    """Choose an entry of the menu."""
    page.get_by_role("navigation", name="Console").get_by_role("link", name=entry, exact=True).click()


def dollars(page, name):
    """Return what the bill says in the rows of a thing's machines."""
    rows = page.get_by_role("table", name="By resource").get_by_role("row", name=re.compile(f"{name}.*ml\\."))
    return sum(float(re.search(r"USD ([\d.]+)$", row)[1]) for row in rows.all_inner_texts())


def test_a_log_grows_below_its_reader(page, course, tmp_path, picture):
    wait = "until [ -e $FLAGS/{} ]; do sleep 0.1; done; "
    rest = "for i in $(seq 3 60); do echo round $i; done"
    program = f"echo round 1; {wait.format('first')} echo round 2; {wait.format('second')} {rest}"
    things.job(course, "me-rounds", program, Environment={"FLAGS": str(tmp_path)})
    go(page, "Training jobs")
    page.get_by_role("link", name="me-rounds", exact=True).click()
    page.get_by_role("table", name="Logs").get_by_role("link").filter(has_text="me-rounds/").click()
    log = page.locator(".log")
    log.get_by_text("round 1", exact=True).wait_for()
    page.evaluate("window.sameDocument = true")
    assert log.get_by_text("round 2", exact=True).count() == 0
    (tmp_path / "first").touch()
    log.get_by_text("round 2", exact=True).wait_for()
    picture(page, "while-it-runs")
    (tmp_path / "second").touch()
    log.get_by_text("round 60", exact=True).wait_for()
    page.wait_for_function("() => { const it = document.querySelector('.log'); return it.scrollTop > 0; }")
    assert log.get_by_text("round 60", exact=True).is_visible()
    assert page.evaluate("window.sameDocument"), "nobody has loaded the page again"
    picture(page, "ended")


def test_a_failed_job_says_why(page, course, picture):
    things.job(course, "me-fails", "cat /nowhere.csv 2>&1 | tee /opt/ml/output/failure; exit 3")
    go(page, "Training jobs")
    row = page.get_by_role("row", name=re.compile("me-fails"))
    row.get_by_text("Failed", exact=True).wait_for()
    picture(page, "list")
    row.get_by_role("link", name="me-fails", exact=True).click()
    reason = page.locator(".properties div").filter(has_text="FailureReason")
    reason.get_by_text(re.compile("AlgorithmError: .*nowhere.csv: No such file or directory")).wait_for()
    picture(page, "why")
    page.get_by_role("table", name="Logs").get_by_role("link").filter(has_text="me-fails/").click()
    page.locator(".log").get_by_text("No such file or directory").wait_for()


def test_an_endpoint_forgotten_for_three_days_is_in_the_bill_the_mailbox_and_the_dashboard(
    page, account, course, picture
):
    account.client("budgets").create_budget(
        AccountId=course.account_id,
        Budget={
            "BudgetName": "me-daily", "BudgetType": "COST", "TimeUnit": "DAILY",
            "BudgetLimit": {"Amount": "1", "Unit": "USD"},
        },
        NotificationsWithSubscribers=[{"Notification": ALERT, "Subscribers": TO_ADA}],
    )  # fmt: skip
    things.endpoint(course, account, "me-forgotten")
    go(page, "Bill")
    standing = page.get_by_role("table", name="Billed at this moment")
    machine = standing.get_by_role("row", name=re.compile("me-forgotten.*1 machine"))
    machine.wait_for()
    before = page.locator("#content").inner_text()
    picture(page, "bill-before")
    page.evaluate("window.sameDocument = true")

    clock.move(account.environment, timedelta(days=3))
    page.wait_for_function("before => document.querySelector('#content').innerText !== before", arg=before)
    assert page.evaluate("window.sameDocument"), "nobody has loaded the page again"
    page.reload()
    machine.wait_for()  # still
    picture(page, "bill")
    billed = dollars(page, "me-forgotten")
    month_before = page.get_by_role("link", name=re.compile(r"^\w+ 20\d\d$")).first
    month_before.click()  # three days may be of two months
    page.wait_for_url(re.compile("month="))
    billed += dollars(page, "me-forgotten")
    rate = prices.rate("ml.m5.large", "hosting").usd_per_hour
    assert billed == pytest.approx(72 * rate, rel=0.03)

    go(page, "Mailbox")
    page.get_by_text("ada@example.com").first.wait_for()
    picture(page, "mailbox")
    page.get_by_role("table", name="Mailbox").get_by_role("link", name=re.compile("me-daily")).first.click()
    page.get_by_text(re.compile("me-daily")).first.wait_for()
    picture(page, "letter")

    go(page, "Dashboard")
    page.get_by_role("row", name="Endpoints 0 1 1", exact=True).wait_for()  # one is in service
    picture(page, "dashboard")
