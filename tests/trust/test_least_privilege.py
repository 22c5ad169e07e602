"""Each chapter runs on an account of AWS under the very policies that `course policy` prints, and touches nobody's.

Another local account stands in for AWS. The learner and the jobs have a role each, every call is held against it, and
the account already holds things of other people.
"""

import pytest

import least_privilege
import others
from helpers import chapters
from helpers.own_account import policies


@pytest.mark.parametrize("notebook", chapters.found(), ids=lambda path: path.stem)
def test_a_chapter_runs_under_the_policies_that_are_printed_for_it(notebook, tmp_path):
    seen = {}

    def before(client):
        others.make(client)
        seen["before"] = others.listed(client)

    roles = {
        who: policies.document(who, [notebook.stem[:2]], least_privilege.ACCOUNT, role=least_privilege.JOBS)
        for who in policies.WHO
    }
    error, calls = least_privilege.run(
        notebook, tmp_path, before=before, after=lambda client: seen.update(after=others.listed(client)),
        enforce=True, **roles,
    )  # fmt: skip
    assert error == ""
    assert len(calls) > 50
    denied = [tuple(call["Denied"]) for call in calls if "Denied" in call]
    assert [one for one in denied if not others.are(one[1])] == []  # only at what is none of our business
    assert seen["after"] == seen["before"] and all(seen["before"].values())
