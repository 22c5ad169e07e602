"""One environment, stated once: what installs it, checks it and describes it agrees."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from helpers import environment

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/course.yml").read_text())
LOCKS = ["requirements.lock", "requirements-uv.lock", "requirements-pip.lock", "requirements-browser.lock"]


def pins(file):
    """Return a requirements file's pins as pairs: "moto[server]==5.2.5 ; ..." is moto and 5.2.5."""
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", (ROOT / file).read_text(), re.M)
    return {(normal(name), version) for name, version in found}


def normal(name):
    """Return the name of a package in the one spelling that indexes use: "jupyter_client" is jupyter-client."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pythons():
    """Return the Pythons that the course promises, by pyproject.toml: ["3.11", ...]."""
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]).groups()
    return [f"3.{minor}" for minor in range(int(low), int(high))]


def version_of(name):
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def make(*words):
    """Run make as from a shell, not as a part of the make that runs the tests."""
    own = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
    return subprocess.run(["make", *words], cwd=ROOT, env=own, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("asked", ["requirements.in", "requirements-browser.in"])
def test_what_is_asked_for_is_locked(asked):
    lines = [line for line in (ROOT / asked).read_text().splitlines() if line and not line.startswith("#")]
    assert len(pins(asked)) == len(lines), f"each line of {asked} pins one exact version"
    assert pins(asked) <= pins(Path(asked).with_suffix(".lock"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_names_no_host(lock):
    text = (ROOT / lock).read_text()
    packages = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert packages and all("--hash=sha256:" in package for package in packages)
    assert not re.search(r"://|--index-url|--find-links", text)


def test_one_of_the_two_xgboosts_is_installed():
    lines = re.findall(r"^(xgboost[\w-]*)==\S+ ; (.*?) \\$", (ROOT / "requirements.lock").read_text(), re.M)
    assert dict(lines) == {"xgboost": "sys_platform == 'darwin'", "xgboost-cpu": "sys_platform != 'darwin'"}


def test_what_is_installed_is_what_is_locked():
    installed = {(name, version_of(name)) for name, _ in pins("requirements.lock")}
    installed = {(name, version) for name, version in installed if version}  # some are for other systems
    assert len(installed) > 200
    assert installed <= pins("requirements.lock")


def test_conda_installs_the_same_lock():
    asked = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = asked["dependencies"]
    assert asked["name"] == PROJECT["project"]["name"]
    assert conda == [f"python={pythons()[0]}", "pip"]
    assert pip == {"pip": ["-r requirements.lock"]}


def test_binder_installs_the_course_as_setup_does():
    script = (ROOT / "postBuild").read_text()
    for command in (environment.COURSE, environment.KERNEL):
        assert f"python {command}\n".replace("'", '"') in script


def test_the_pythons_of_ci_are_those_that_are_promised():
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == pythons()
    assert set(matrix["os"]) == {"ubuntu-latest", "macos-latest"}
    assert pythons() == environment.FITTING
    assert f"{', '.join(pythons()[:-1])} or {pythons()[-1]}" in environment.WRONG_PYTHON[0]


def test_help_lists_every_target():
    targets = set(re.search(r"^\.PHONY: (help .*)$", MAKEFILE, re.M)[1].split())
    assert targets == set(re.findall(r"make (\w+)", make("help").stdout))
    assert targets >= {"lab", "test", "course", "book", "outputs", "lock", "check", "bench", "clean", "browser"}


def test_workflow_and_ci_call_targets_that_exist():
    scripts = (ROOT / ".ci/run").read_text() + (ROOT / ".github/workflows/course.yml").read_text()
    called = set(" ".join(re.findall(r"make (?:-k )?([a-z ]+)(?: <|$)", scripts, re.M)).split())
    assert {"test", "check", "book"} <= called <= set(re.findall(r"^(\w+):.*## ", MAKEFILE, re.M))


def test_all_that_must_hold_is_run_before_the_book_is_published():
    jobs = WORKFLOW["jobs"]
    run = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    must = {
        "test": "make test",
        "trust": "make trust",
        "check": "make check",
        "book": "make pdf",
        "browser": "make browser",
    }
    assert {name: run[name][0] for name in must} == must
    assert set(jobs["publish"]["needs"]) == set(must)
    assert all("timeout-minutes" in job for name, job in jobs.items() if name != "publish")
    five = re.findall(r"^make (\w+) +#", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert re.search(r"^exec make -k (.+) pages <", (ROOT / ".ci/run").read_text(), re.M)[1].split() == five
    assert set(five) == {"test", "trust", "check", "book", "browser"}


def test_setup_has_nothing_to_do_when_it_is_done():
    if sys.prefix != str(ROOT / ".venv"):
        pytest.skip("these tests run in another environment than .venv")
    assert environment.recorded(Path(sys.prefix)).get("Files") == environment.digest()  # else `make` would work in it
    assert make("setup").stdout == ""


def test_the_kernel_of_the_course_is_installed():
    from jupyter_client.kernelspec import KernelSpecManager

    assert Path(KernelSpecManager().get_kernel_spec("sagemaker-course").argv[0]).parent == Path(sys.executable).parent


def imported(path):
    """Return the modules that a Python file imports, by their first names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_what_the_project_imports_it_asks_for():
    files = [
        path for room in ("helpers", "tests", "datasets", "book", "notebooks") for path in (ROOT / room).rglob("*.py")
    ]
    own = {"helpers", *(path.stem for path in files), *(path.parent.name for path in files)}
    modules = {name for path in files for name in imported(path)} - own - set(sys.stdlib_module_names)
    packages = metadata.packages_distributions()
    asked = {name for file in ("requirements.in", "requirements-browser.in") for name, _ in pins(file)}
    unasked = {name for name in modules if not asked & {normal(one) for one in [name, *packages.get(name, [])]}}
    assert unasked == set()
