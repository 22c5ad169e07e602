"""The execution role suffices for every chapter: where IAM is enforced, nothing that a chapter does is denied."""

import json

import pytest

from helpers import chapters, session
from helpers.local_account import serving


@pytest.mark.parametrize("chapter", chapters.found(), ids=lambda chapter: chapter.stem)
def test_a_chapter_runs_where_iam_is_enforced(chapter, tmp_path):
    import papermill

    folder = tmp_path / "account"
    serving.up(folder, idle=900, enforce=True)
    try:
        with chapters.variables({session.FOLDER: str(folder), "JUPYTER_PREFER_ENV_PATH": "1"}):
            papermill.execute_notebook(
                chapter, tmp_path / chapter.name, cwd=chapters.NOTEBOOKS, kernel_name=chapters.KERNEL["name"],
                progress_bar=False, execution_timeout=600, start_timeout=120,
            )  # fmt: skip
    finally:
        serving.down(folder)
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    assert len(calls) > 50
    assert [call["Denied"] for call in calls if "Denied" in call] == []
