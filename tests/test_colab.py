"""Colab gets copies of the notebooks; here they run in a Python that has what Colab's has, and lacks what it lacks."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import boto3
import nbformat
import pytest
import yaml
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import colab
from helpers import colab as seat
from helpers.local_account import serving
from pages import CHAPTERS, ROOT
from stored_outputs import differences
from test_chapters import JOBS

NAMED = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
REPOSITORY, BRANCH = NAMED["url"], NAMED["branch"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/course.yml").read_text())
# Of Colab's list of packages of January 2026 (github.com/googlecolab/backend-info, 2026.01) those that meet ours
COLABS = [
    "ipykernel==6.17.1", "ipython==7.34.0", "jupyter_client==7.4.9", "jupyter_core==5.9.1", "traitlets==5.7.1",
    "pyzmq==26.2.1", "tornado==6.5.1", "matplotlib==3.10.0", "matplotlib-inline==0.2.1", "numpy==2.0.2",
    "pandas==2.2.2", "setuptools==75.2.0", "pip==24.1.2",
]  # fmt: skip
STARTS = "import numpy, pandas; from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"


def copied(path):
    return colab.copy(path, REPOSITORY, BRANCH)


def cells(book, kind):
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", colab.notebooks())
def test_a_copy_has_the_same_code_below_one_cell_more_and_leads_out_of_it(path):
    book = copied(path)
    nbformat.validate(nbformat.from_dict(book))
    first, *others = cells(book, "code")
    assert others == cells(json.loads((ROOT / path).read_text()), "code")
    assert f'colab.begin("{Path(path).parent}")' in first and REPOSITORY in first
    targets = re.findall(r"\]\(([^)\s]+)\)", "\n".join(cells(book, "markdown")))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert not any(cell.get("outputs") for cell in book["cells"])


def test_links_lead_to_copies_to_the_book_and_to_its_pictures():
    book = "https://example.github.io/course/"
    for target, address in {
        "notebooks/../book/_static/job-life.svg": f"{book}_static/job-life.svg",
        "notebooks/../book/refusals.md": f"{book}book/refusals.html#top",
        f"notebooks/{CHAPTERS[0].name}": f"{colab.HOST}/github/example/course/blob/colab/notebooks/{CHAPTERS[0].name}",
        "notebooks/jobs/train_flights.py": (
            "https://github.com/example/course/blob/main/notebooks/jobs/train_flights.py#top"
        ),
    }.items():
        assert colab.leads_to(target, "#top", "https://github.com/example/course", "main") == address


@pytest.mark.parametrize("path", colab.notebooks())
def test_all_cells_but_the_first_are_handed_over(path):
    first, *others = (code.splitlines(keepends=True) for code in cells(copied(path), "code"))
    assert seat.handed_over(first) == first
    for lines in filter(None, others):
        [call] = seat.handed_over(lines)
        assert ast.literal_eval(re.fullmatch(r".*colab\.run\((.+)\)\n", call)[1]) == "".join(lines)


@pytest.mark.parametrize("lines", [["from google.colab import output\n"], ["\n"], []])
def test_what_colab_asks_of_its_kernel_is_not(lines):
    assert seat.handed_over(lines) == lines


def test_the_workflow_puts_the_copies_alone_on_their_branch(origin, tmp_path):
    clone = tmp_path / "clone"
    git("clone", "-q", str(origin), str(clone))
    job = WORKFLOW["jobs"]["colab"]
    assert job["needs"] == WORKFLOW["jobs"]["publish"]["needs"] and job["permissions"] == {"contents": "write"}
    make, push = job["steps"][-2:]
    assert make["run"] == "make colab"
    subprocess.run([sys.executable, "book/_ext/colab.py"], cwd=clone, check=True)
    for _ in range(2):
        subprocess.run(["bash", "-ec", push["run"]], cwd=clone, env=os.environ | push["env"], check=True)
    listed = git("ls-tree", "-r", "--name-only", colab.BRANCH, GIT_DIR=str(origin)).splitlines()
    assert listed == colab.notebooks()
    assert git("rev-list", "--count", colab.BRANCH, GIT_DIR=str(origin)) == "1"
    [first, *_] = cells(json.loads(git("show", f"{colab.BRANCH}:{listed[0]}", GIT_DIR=str(origin))), "code")
    assert first == colab.FIRST.format(repository=REPOSITORY, branch=BRANCH, folder="notebooks")


# Standing in for Colab


def git(*words, **variables):
    """Run git here, as somebody, and return what it says."""
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.check_output(["git", *who, *words], cwd=ROOT, env=os.environ | variables, text=True).strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A repository on another machine: bare, with all that is here now on its branch, committed or not."""
    bare, index = (tmp_path_factory.mktemp("origin") / name for name in ("course.git", "index"))
    git("init", "-q", "--bare", f"--initial-branch={BRANCH}", str(bare))
    git("add", "--all", GIT_INDEX_FILE=str(index))
    commit = git("commit-tree", "-m", "All that is here", git("write-tree", GIT_INDEX_FILE=str(index)))
    git("push", "-q", str(bare), f"{commit}:refs/heads/{BRANCH}")
    return bare


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with Colab's packages and, like Colab's, without ensurepip."""
    if sys.version_info[:2] > (3, 12):
        pytest.skip("Colab has Python 3.12, and its packages are not made for a newer one")
    place, stdlib = tmp_path_factory.mktemp("colab"), Path(sysconfig.get_path("stdlib"))
    base, library = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}"), place / "lib" / stdlib.name
    for folder in (library / "site-packages", place / "bin"):
        folder.mkdir(parents=True)
    for part in stdlib.iterdir():
        if part.name not in ("ensurepip", "site-packages"):
            (library / part.name).symlink_to(part)
    shutil.copy2(base, place / "bin/python3")
    uv = [Path(sys.executable).with_name("uv"), "pip", "install", "-q", "--break-system-packages"]
    brought = subprocess.run([*uv, "--python", place / "bin/python3", *COLABS], capture_output=True, text=True)
    if brought.returncode and not os.environ.get("CI"):
        pytest.skip(f"no package index is within reach: {brought.stderr[-200:]}")
    assert brought.returncode == 0, brought.stderr
    return place / "bin/python3"


@pytest.fixture(scope="module")
def machine(python, origin, tmp_path_factory):
    """Run a copy on one machine of Colab's, in whose folder is nothing, and return it executed."""
    content, kernels = tmp_path_factory.mktemp("content"), tmp_path_factory.mktemp("kernels")
    variables = {
        "MPLBACKEND": "module://ipykernel.pylab.backend_inline", "PYTHONPATH": "/env/python",  # as on Colab
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{origin.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
    }  # fmt: skip
    argv = [str(python), "-c", STARTS, "-f", "{connection_file}"]
    (kernels / "python3").mkdir()
    (kernels / "python3/kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Colab", "language": "python", "env": variables})
    )

    def execute(book, **options):
        manager = AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(kernels)])
        )
        read = nbformat.reads(json.dumps(book), as_version=4)
        resources = {"metadata": {"path": str(content)}}
        return NotebookClient(read, km=manager, resources=resources, **{"timeout": 600, **options}).execute()

    execute.clone = content / "sagemaker-course"
    yield execute
    serving.down(execute.clone / ".account")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", ["01", "06"])
def test_a_copy_comes_to_what_its_chapter_stores(number, machine, request, tmp_path):
    [chapter] = [path for path in CHAPTERS if path.stem.startswith(number)]
    nbformat.write(machine(copied(f"notebooks/{chapter.name}")), tmp_path / chapter.name)
    assert differences(request.session, chapter, tmp_path / chapter.name) == []
    at = serving.variables(machine.clone / ".account")
    keys = {name.lower(): at[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    sagemaker = boto3.client("sagemaker", region_name="us-east-1", endpoint_url=at["AWS_ENDPOINT_URL"], **keys)
    jobs = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Ascending")["TrainingJobSummaries"]
    assert [job["TrainingJobStatus"] for job in jobs] == JOBS[number]
    left = subprocess.run(
        [machine.clone / ".venv/bin/course", "clean"], cwd=machine.clone, capture_output=True, text=True
    )
    assert left.stdout.endswith("Nothing is left.\n"), left


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_cell_runs_in_the_courses_environment_and_ends_as_it_ends_there(machine):
    book = copied(f"notebooks/{CHAPTERS[0].name}")
    sources = {
        "where": "import numpy, sys; print(numpy.__version__, sys.prefix)",
        "value": "41 + 1",
        "error": "raise KeyError('mine')",
        "endless": "import time\ntime.sleep(300)",
        "kept": "print(numpy.__version__)",
        "killed": "import os\nos._exit(1)",
        "after": "print('after')",
        "again": book["cells"][0]["source"],
        "anew": "print('numpy' in globals())",
    }
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    book["cells"][1:] = [code | {"id": name, "source": source} for name, source in sources.items()]

    def patience(cell):
        return 15 if cell.id == "endless" else 600

    executed = machine(book, allow_errors=True, interrupt_on_timeout=True, timeout_func=patience)
    below = {cell.id: [shown(output) for output in cell.outputs] for cell in executed.cells}
    [(version, prefix)] = [one.split() for one in below["where"]]
    assert version in (ROOT / "requirements.in").read_text() and prefix == str(machine.clone / ".venv")
    assert below["value"] == ["42"] and below["kept"] == [f"{version}\n"]
    assert below["error"][0].endswith("KeyError: 'mine'") and below["endless"][-1].endswith("KeyboardInterrupt: ")
    ended = "Stopped: The course's kernel has ended. Run the first cell again, then the others from the top."
    assert below["killed"] == below["after"] == [ended]
    assert below["anew"] == ["False\n"]


def shown(output):
    """Return what an output shows, as text without colours."""
    words = output.get("text") or output.get("data", {}).get("text/plain") or "\n".join(output.get("traceback", []))
    return re.sub(r"\x1b\[[\d;]*m", "", words)
