"""Programs on a machine: their lines arrive as they print, and nothing of them outlives their end or the account's."""

import os
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.local_account import machines
from helpers.local_account.account import Account


@pytest.fixture
def home(tmp_path):
    """An account in this process, which nobody serves."""
    account = Account(tmp_path / "account", 1)
    yield account
    account.close()


@pytest.fixture
def machine(home):
    machine = machines.Machine(home, "us-east-1", hosts={"algo-1": "127.0.0.1", "algo-2": "127.0.0.1"})
    yield machine
    machine.remove()


def run(machine, *command, **options):
    """Run a program to its end; return its exit code and its lines."""
    lines = []
    process = machine.run(command, on_line=lines.append, **options)
    return process.wait(60), lines


def started(machine, *command):
    """Start a program and return it once it has printed a line."""
    printed = threading.Event()
    lines = []
    process = machine.run(command, on_line=lambda line: (lines.append(line), printed.set()))
    assert printed.wait(30)
    return process, lines


def alive(pid):
    """Tell whether a process runs."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def gone(*pids, seconds=5):
    """Tell whether the processes end within some seconds."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(alive, pids))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["bash", "-c", "exit 3"], 3),
        (["bash", "-c", "kill -9 $$"], 137),
        (["nowhere"], 127),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_the_one_that_docker_gives(machine, command, code):
    assert run(machine, *command)[0] == code


def test_standard_output_and_error_are_one_stream_of_lines(machine):
    assert run(machine, "bash", "-c", "echo one; echo two >&2; printf three")[1] == ["one", "two", "three"]


def test_what_is_no_text_does_not_disturb(machine):
    code, lines = run(machine, "python3", "-c", r"import os; os.write(1, b'\xff\xfe\x00\nnext\r\n')")
    assert (code, lines) == (0, ["��\0", "next"])


def test_an_unfinished_line_is_shown_after_a_moment(machine):
    process, lines = started(machine, "bash", "-c", "printf 'loading '; sleep 60")
    assert lines == ["loading "]
    process.kill()
    assert process.wait(10) == 137


def test_an_endless_line_is_cut(machine):
    code, lines = run(machine, "python3", "-c", "print('x' * 3_000_000)")
    assert code == 0 and "".join(lines) == "x" * 3_000_000
    assert max(map(len, lines)) <= machines.LONGEST_LINE


def test_a_flood_of_lines_arrives_whole(machine):
    code, lines = run(machine, "python3", "-c", "for n in range(200_000): print(n, 'x' * 90)")
    assert code == 0 and len(lines) == 200_000
    assert lines[-1].startswith("199999 x")


def test_paths_of_the_container_lead_into_the_private_root(machine):
    machine.path("/opt/ml/model").mkdir(parents=True)
    code, lines = run(
        machine, "bash", "-c", 'cd /opt/ml/model && pwd && touch "$PLACE"/made', env={"PLACE": "/opt/ml/model"}
    )
    assert (code, lines) == (0, ["/opt/ml/model"])
    assert (machine.root / "opt/ml/model/made").exists()


@pytest.mark.slow
def test_the_python_of_a_machine_has_the_packages_of_the_course_but_not_its_helpers(machine):
    code, lines = run(machine, "python3", "-c", "import sklearn; print(sklearn.__file__)\nimport helpers")
    assert code == 1 and lines[0].startswith("/opt/course/")
    assert lines[-1] == "ModuleNotFoundError: No module named 'helpers'"


ASK = """
import boto3, botocore
once = botocore.config.Config(retries={"total_max_attempts": 1})
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
sts = boto3.client("sts", "us-east-1", endpoint_url="https://sts.us-east-1.amazonaws.com", config=once, **keys)
try:
    sts.get_caller_identity()
except botocore.exceptions.EndpointConnectionError as error:
    print(error)
"""


def test_every_python_on_a_machine_is_a_client_of_the_account_whatever_its_variables_say(machine, home):
    tried = (0, [f'Could not connect to the endpoint URL: "{home.url}/"'])
    assert run(machine, "python3", "-I", "-c", ASK, env={"AWS_ENDPOINT_URL": "https://elsewhere.example"}) == tried
    assert run(machine, "env", "-i", str(machine.path("/opt/python/bin/python3")), "-c", ASK) == tried


def test_variables_of_a_real_account_do_not_reach_a_machine(machine, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "company")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    assert not {"AWS_PROFILE=company", "AWS_ACCESS_KEY_ID=AKIAREAL"} & set(run(machine, "env")[1])


def test_hosts_find_each_other_by_name(machine):
    talk = """
        import socket
        server = socket.socket(); server.bind(("algo-1", 0)); server.listen()
        client = socket.create_connection(("algo-2", server.getsockname()[1]))
        client.sendall(b"hello"); print(server.accept()[0].recv(5).decode(), isinstance(client, socket.socket))
    """
    assert run(machine, "python3", "-c", textwrap.dedent(talk)) == (0, ["hello True"])


@pytest.mark.slow
def test_what_a_job_installs_is_the_job_s_alone(machine, tmp_path):
    wheel = tmp_path / "gadget-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("gadget.py", "answer = 42\n")
        archive.writestr("gadget-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: gadget\nVersion: 1.0\n")
        archive.writestr("gadget-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("gadget-1.0.dist-info/RECORD", "")
    code, lines = run(
        machine, "bash", "-c", f"pip3 install -q --no-index {wheel} && python3 -c 'import gadget; print(gadget.answer)'"
    )
    assert code == 0 and lines[-1] == "42"
    assert subprocess.run([sys.executable, "-c", "import gadget"], capture_output=True, check=False).returncode == 1


def test_nothing_that_a_program_started_outlives_it(machine):
    fork = "setsid sleep 600 & echo $!; (nohup sleep 600 >/dev/null 2>&1 & echo $!); exit 0"
    code, lines = run(machine, "bash", "-c", fork)
    assert code == 0 and gone(*map(int, lines), seconds=0 if sys.platform == "linux" else 2)


def test_sigterm_reaches_the_program_inside_shells_and_lets_it_finish(machine):
    machine.path("/opt/ml/save.py").write_text(
        "import signal, sys, time\n"
        "def stop(*_):\n    print('saving'); time.sleep(0.2); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('up')\ntime.sleep(600)\n"
    )
    process, lines = started(machine, "bash", "-c", "true && bash -c 'python3 /opt/ml/save.py'; exit 5")
    assert process.stop(30) == 5
    assert lines == ["up", "saving", "saved"]


def test_a_shell_with_a_trap_hears_sigterm_itself(machine):
    waiting = "trap 'echo saved; exit 0' TERM; echo up; while true; do sleep 0.05; done"
    process, lines = started(machine, "bash", "-c", waiting)
    assert process.stop(30) == 0
    assert (lines[0], lines[-1]) == ("up", "saved")


def test_a_loop_of_a_shell_ends_with_sigterm_and_is_not_hurried_on(machine):
    counting = "n=0; while [ $n -lt 200 ]; do n=$((n+1)); echo $n; sleep 0.1; done; exit 5"
    process, lines = started(machine, "bash", "-c", counting)
    assert process.stop(30) == 143
    assert int([line for line in lines if line.isdigit()][-1]) < 100


def test_what_a_shell_does_after_its_program_was_stopped_is_done(machine):
    saving = "python3 -c 'import time; print(\"up\"); time.sleep(600)'; sleep 0.1; echo kept; exit 3"
    process, lines = started(machine, "bash", "-c", saving)
    assert process.stop(30) == 3
    assert lines[-1] == "kept"


def test_who_ignores_sigterm_is_killed_after_the_grace(machine):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"
    process, _ = started(machine, "python3", "-c", deaf)
    began = time.monotonic()
    assert process.stop(0.3) == 137
    assert 0.3 <= time.monotonic() - began < 5


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
ACCOUNT_THAT_DIES = """
    import sys, time
    from helpers.local_account import machines
    from helpers.local_account.account import Account
    machine = machines.Machine(Account(sys.argv[1], 1), "us-east-1")
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    family = f'python3 -c "{deaf}" & echo $!; setsid sleep 600 & echo $!; echo $$; wait'
    say = lambda line: sys.stdout.write(f"{line}" + chr(10))  # in one piece, since two threads speak
    machine.run(["bash", "-c", family], on_line=say)
    say(machine.root)
    time.sleep(600)
"""


def test_nothing_outlives_an_account_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-u", "-c", textwrap.dedent(ACCOUNT_THAT_DIES), str(tmp_path / "account")]
    dying = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        lines = [dying.stdout.readline().strip() for _ in range(4)]
        pids = [int(line) for line in lines if line.isdigit()]
        (root,) = [Path(line) for line in lines if line.startswith("/")]
        assert len(pids) == 3 and all(map(alive, pids))
    finally:
        dying.kill()
        dying.wait()
    assert gone(*pids)
    account = Account(tmp_path / "account", 1)
    account.recover()
    account.close()
    assert not root.exists()


@pytest.mark.slow
def test_an_account_that_dies_while_a_program_starts_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-u", "-c", textwrap.dedent(ACCOUNT_THAT_DIES), str(tmp_path / "account")]
    records = tmp_path / "account/machines"
    for moment in range(6):
        dying = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        while not (records.exists() and any(records.iterdir())) and dying.poll() is None:
            time.sleep(0.001)
        time.sleep(0.02 * moment)
        dying.kill()
        dying.communicate()
        roots = {record.name for record in records.iterdir()}
        end = time.monotonic() + 5
        while left := [line for line in everything() if any(root in line for root in roots)]:
            assert time.monotonic() < end, left
            time.sleep(0.02)
        account = Account(tmp_path / "account", 1)
        account.recover()
        account.close()
        assert list(records.iterdir()) == [] and not any(Path("/tmp", root).exists() for root in roots)


def everything():
    """Return the command lines and variables of all processes."""
    listed = subprocess.run(["ps", "axeww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "ps axeww" not in line]


def test_a_machine_goes_whatever_a_program_did_to_its_files(machine):
    run(
        machine,
        "bash",
        "-c",
        "mkdir -p /opt/ml/a/b && touch /opt/ml/a/b/c && chmod 555 /opt/ml/a/b && chmod 000 /opt/ml/a",
    )
    machine.remove()
    assert not machine.root.exists()


def test_two_jobs_have_networks_of_their_own():
    first, second = machines.addresses(3), machines.addresses(3)
    assert list(first) == ["algo-1", "algo-2", "algo-3"]
    assert sys.platform != "linux" or len({*first.values(), *second.values()}) == 6


@pytest.mark.parametrize("written", ["", ".", "/", "relative/sm-1", "{work}", "{work}/sm-other"])
def test_a_record_that_was_cut_short_removes_nothing(tmp_path, monkeypatch, written):
    """What a sudden death left of a record may name anything, an empty one even the current folder."""
    work, records = tmp_path / "work", tmp_path / "account" / "machines"
    (work / "sm-other").mkdir(parents=True)
    (work / "sm-other" / "kept").write_text("here")
    records.mkdir(parents=True)
    (records / "sm-1").write_text(written.format(work=work))
    monkeypatch.chdir(work)
    machines.sweep(SimpleNamespace(folder=tmp_path / "account"))
    assert (work / "sm-other" / "kept").read_text() == "here"
    assert list(records.iterdir()) == []


def test_a_folder_that_is_named_like_a_root_is_kept_unless_this_account_made_it(tmp_path):
    other, records = tmp_path / "sm-1", tmp_path / "account" / "machines"
    other.mkdir()
    (other / machines.OWNER).write_text("/another/account")
    records.mkdir(parents=True)
    (records / "sm-1").write_text(str(other))
    machines.sweep(SimpleNamespace(folder=tmp_path / "account"))
    assert (other / machines.OWNER).exists() and list(records.iterdir()) == []


@pytest.mark.parametrize("signed", [None, ""])
def test_a_root_that_its_account_had_no_time_to_sign_is_removed(tmp_path, signed):
    root, records = tmp_path / "sm-1", tmp_path / "account" / "machines"
    root.mkdir()
    if signed is not None:
        (root / machines.OWNER).write_text(signed)
    records.mkdir(parents=True)
    (records / "sm-1").write_text(str(root))
    (tmp_path / "account/sm-2.draft").touch()  # and a machine that it had only begun to record
    machines.sweep(SimpleNamespace(folder=tmp_path / "account"))
    assert not root.exists() and [path.name for path in tmp_path.rglob("*")] == ["account", "machines"]


def test_removing_a_root_leaves_alone_what_its_links_lead_to(machine, tmp_path):
    tmp_path.chmod(0o755)
    (machine.path("/opt/ml") / "link").symlink_to(tmp_path)
    machine.path("/opt/ml").chmod(0o555)
    machine.remove()
    assert not machine.root.exists() and tmp_path.stat().st_mode & 0o777 == 0o755


def test_only_the_root_of_a_machine_can_be_removed(tmp_path):
    (tmp_path / "precious").mkdir()
    with pytest.raises(ValueError, match="Only a machine's root is removed"):
        machines._remove(tmp_path / "precious")
    assert (tmp_path / "precious").exists()
