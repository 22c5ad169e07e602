"""The console's lists, links and menu, in code."""

import boto3
import pytest

from endpoints import XGBOOST
from helpers import console, prices, session
from helpers.local_account.console.pages import ROUTES


@pytest.fixture
def course(shared_account, monkeypatch):
    monkeypatch.setenv(session.FOLDER, str(shared_account.folder))
    yield session.begin()
    session.end()


def test_a_new_account_shows_four_empty_lists(course):
    assert str(console.lists()).split("\n\n") == [
        "Processing jobs (0)\nThere are no processing jobs.",
        "Training jobs (0)\nThere are no training jobs.",
        "Models (0)\nThere are no models.",
        "Endpoints (0)\nThere are no endpoints.",
    ]


def test_a_list_shows_the_newest_first_and_counts_all(course):
    for number in range(12):
        boto3.client("sagemaker").create_model(
            ModelName=f"me-{number}", PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=course.role
        )
    shown = str(console.lists("models")).splitlines()
    assert shown[0] == "Models (12)" and shown[3].strip() == "me-11" and shown[-1] == "… and 2 older ones"


def test_tuning_jobs_are_listed_under_the_name_of_their_page(course):
    assert str(console.lists("hyperparameter tuning jobs")) == (
        "Hyperparameter tuning jobs (0)\nThere are no hyperparameter tuning jobs."
    )


def test_a_notebook_shows_the_lists_as_tables(course):
    assert "<table>" in console.lists("models")._repr_html_()


def test_links_lead_to_the_page_of_the_region(course):
    assert console.link("endpoint", "me-flights") == (
        "https://us-east-1.console.aws.amazon.com/sagemaker/home?region=us-east-1#/endpoints/me-flights"
    )
    assert "region=eu-west-1" in console.link("training jobs", region="eu-west-1")


def test_addresses_lead_to_the_console_of_the_account_that_is_used(course, shared_account, monkeypatch):
    assert console.address("endpoint", "me-flights") == f"{shared_account.url}/console/us-east-1/endpoints/me-flights"
    assert console.address("training jobs") == f"{shared_account.url}/console/us-east-1/jobs"
    with pytest.raises(ValueError, match="AWS's console only"):
        console.address("quota", "L-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert console.address("endpoint", "a") == console.link("endpoint", "a")


def test_every_address_is_of_a_page_that_the_console_has(course):
    for row in prices.table("console_links.csv"):
        if row["page"] != "quota":
            path = console.address(row["page"], "a").partition("/us-east-1/")[2]
            assert path in ROUTES or f"{path.partition('/')[0]}/*" in ROUTES, path


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: console.lists("toasters"),
        lambda: console.link("toasters"),
        lambda: console.menu("toasters"),
        lambda: console.link("endpoint"),
    ],
)
def test_what_the_console_does_not_have_is_refused(course, wrong):
    with pytest.raises(ValueError, match="The page"):
        wrong()


def test_the_menu_is_named_as_the_console_names_it(course):
    assert console.menu("endpoint") == "Deployments & inference > Endpoints"


def test_what_a_cell_holds_cannot_become_markup():
    table = console.Table(["Name"], [["<script>"]])
    assert "<script>" not in table._repr_html_()
