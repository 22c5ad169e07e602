"""Each chapter runs on an account of AWS under the very policies that `course policy` prints, and touches nobody's.

Another local account stands in for AWS. The learner and the jobs have a role each, every call is held against it, and
the account of a chapter already holds things of other people; that of the solutions of its exercises is empty.
"""

import pytest

import least_privilege
import others
import removals
from helpers import chapters
from helpers.own_account import allowance, policies

NUMBERS = [path.stem[:2] for path in chapters.found()]


def exact(number, region="us-east-1"):
    """Return the policies of a chapter, as they are printed."""
    of = [number], least_privilege.ACCOUNT, region
    return {who: policies.document(who, *of, role=least_privilege.JOBS) for who in policies.WHO}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_and_its_solutions_run_under_the_policies_that_are_printed_and_ask_for_all_of_them(number, tmp_path):
    roles, asked = exact(number), set()
    granted = {action for role in roles.values() for each in role["Statement"] for action in each["Action"]}
    seen = {}

    def before(client):
        others.make(client)
        seen["before"] = others.listed(client)

    def after(client):
        seen["after"] = others.listed(client)

    full = {"before": before, "after": after}
    for notebook, of in zip(chapters.found([number], (chapters.CHAPTERS, chapters.SOLUTIONS)), (full, {}), strict=True):
        folder = tmp_path / notebook.stem
        folder.mkdir()
        error, calls = least_privilege.run(notebook, folder, enforce=True, **roles, **of)
        assert error == ""
        assert len(calls) > 25
        denied = [tuple(call["Denied"]) for call in calls if "Denied" in call]
        # Only what is none of our business, and what nothing depends on
        assert [one for one in denied if one[0] in granted and not others.are(one[1])] == []
        asked |= {(by, action) for by, action, _ in least_privilege.permissions(calls, least_privilege.ACCOUNT)}
    assert seen["after"] == seen["before"]
    assert {name for name, found in seen["before"].items() if not found} == others.NOT_MADE
    rows = [row for row in policies.table() if row["chapter"] == number and row["source"] == least_privilege.RECORDED]
    assert rows and {(row["by"], row["action"]) for row in rows} - asked == set()


def test_in_another_region_a_chapter_runs_under_the_policies_that_are_printed_for_that_region(tmp_path):
    (notebook,), there = chapters.found(["05"]), "eu-central-1"

    def unlimited(client):
        with chapters.variables({allowance.FILE: str(tmp_path / "account" / "guard.json")}):
            allowance.changed(usd="none")  # no rates are known of that region, and the guard rents nothing on trust

    roles = exact("05", there)
    error, calls = least_privilege.run(notebook, tmp_path, region=there, before=unlimited, enforce=True, **roles)
    assert error == ""
    own = [call for call in calls if call["Who"].split("/")[1] in (least_privilege.LEARNER, least_privilege.JOBS)]
    arns = {arn for call in own for _, arn in call["Asked"]}
    assert f"arn:aws:s3:::sagemaker-{there}-{least_privilege.ACCOUNT}" in arns
    jobs = [arn for arn in arns if ":processing-job/" in arn]
    assert jobs and all(arn.startswith(f"arn:aws:sagemaker:{there}:") for arn in jobs)
    # Budgets have no region, and what tells of money is in us-east-1 wherever one works
    elsewhere = {action for call in own for action, arn in call["Asked"] if "us-east-1" in arn}
    assert elsewhere <= {"cloudwatch:ListTagsForResource", "sns:ListTagsForResource"}


def test_with_the_policies_of_another_region_it_does_not(tmp_path):
    (notebook,) = chapters.found(["05"])
    error, _ = least_privilege.run(notebook, tmp_path, region="eu-central-1", enforce=True, **exact("05"))
    assert "AccessDenied" in error or "403" in error


def test_each_action_of_the_quickest_chapter_is_needed_and_one_that_is_not_is_found(monkeypatch):
    extra = {"chapter": removals.QUICKEST, "by": "learner", "resource": "*", "source": least_privilege.RECORDED}
    rows = [*policies.table(), extra | {"action": "s3:ListAllMyBuckets"}]
    monkeypatch.setattr(policies, "table", lambda: rows)
    idle = ("learner", "s3:ListAllMyBuckets")
    wanted = sorted({(row["by"], row["action"]) for row in rows if row["chapter"] == removals.QUICKEST})
    proof = removals.Proof(chapters.found([removals.QUICKEST])[0], exact(removals.QUICKEST))
    told = proof.of(wanted, guess=[idle])  # `make removals` does the same for all
    assert len(told) > 10 and "AccessDenied" in told["learner", "s3:GetObject"]
    assert [one for one, sentence in told.items() if not sentence] == [idle]
