"""The `course` command: `course up`, `course env`, `course status`, `course down`, and what runs the chapters."""

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path

from .local_account import serving
from .local_account.errors import Refused

ROOT = Path(__file__).parents[1]
ACCOUNT = ROOT / ".account"  # the account of this clone
WORKSHOP = {  # what `course workshop` does
    "plan": "Write the templates of the class, and print the commands, quotas and costs.",
    "room": "Show what each learner has running, what it costs, and which exercises are done.",
    "sweep": "Show what the learners have left, and end it with --yes; exit status 1 if anything is left.",
    "bill": "Show what each learner has cost, by AWS's rates.",
}


def main(arguments=None):
    """Run the command and return its exit status."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not (options.run is clock and options.step is None):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if rest:
            options.step = " ".join(rest)  # a step backwards, such as -2d, which the clock refuses in its own words
        return options.run(options) or 0
    except (serving.NotServed, Refused) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def up(options):
    """Start the local account and print its URL."""
    folder = _folder(options)
    if options.room:
        return _room(options, folder)
    if options.interface or options.chapter:
        raise Refused("--interface and --chapter are about a room: name its learners with --room ROSTER.")
    url = serving.up(folder, options.port, options.region, options.idle * 60, options.enforce_iam)["Url"]
    if options.enforce_quotas is not None:
        from .local_account.client import ask

        ask(serving.variables(folder), "/quotas", method="POST", enforce=options.enforce_quotas)
    print(url)


def _room(options, folder):
    """Open a room, until Ctrl-C."""
    from .room import room

    if options.enforce_quotas is not None:
        raise Refused(
            "A room has no --enforce-quotas: quotas are of an account, and the first learners would use them up."
        )
    if options.enforce_iam is False:
        raise Refused("In a room IAM is always enforced: it is what keeps learners apart. Leave out --no-enforce-iam.")
    chapters = [name[:2] for name in options.chapter]
    return room.hold(folder, options.room, options.interface, chapters, options.region, options.port, options.idle * 60)


def down(options):
    """Stop the local account and everything that it started."""
    folder = _folder(options)
    print(f"stopped: {folder}" if serving.down(folder) else f"not running: {folder}")


def status(options):
    """Print where the local account is and what runs in it; the exit status is 1 when it is not served."""
    from .local_account.client import ask

    folder = _folder(options)
    if not serving.find(folder):
        print(f"not running: {folder}")
        return 1
    for name, value in ask(serving.variables(folder), "/status").items():
        print(f"{name:24} {', '.join(value) or 'none' if isinstance(value, list) else value}")


def clock(options):
    """Print the account's time, or move it forward first: course clock +3d (m, h, d or w)."""
    from . import clock

    variables = serving.variables(_folder(options))
    if options.step:
        clock.move(variables, clock.span(options.step))
    print(clock.told(variables))


def bill(options):
    """Print what everything in the local account would cost on AWS, or what a learner's things cost in an account."""
    if options.account == "local" and not options.learner:
        from .bill import bill

        print(bill(serving.variables(_folder(options)), options.start, options.end))
        return 0
    from .own_account.spending import spending

    if options.end or options.folder or options.port:
        raise Refused("A learner's bill has no --end, --folder and --port: it tells what is until now.")
    learner, regions = options.learner or "me", options.region or [serving.REGION]
    told, complete = _asked_of_aws(spending, options.account, learner, regions, options.start)
    print(told)
    return 0 if complete else 1


def env(options):
    """Print the shell commands that make a shell a client of the local account."""
    variables = serving.variables(_folder(options), options.region)
    from .local_account.connection import forgotten

    for name in forgotten(os.environ):
        if name not in variables:
            print(f"unset {name}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def console(options):
    """Print a link that lets one browser into the console, and open it; the account is started if it is not running."""
    from .local_account.console.opening import open_console

    open_console(_folder(options), options.browser)


def mail(options):
    """Print the account's mailbox, or the letter with a number; --confirm follows its link."""
    from .mail import show

    return show(serving.variables(_folder(options)), options.number, options.confirm)


def lab(options):
    """Start the local account and JupyterLab on the first chapter; Ctrl-C stops both."""
    from .lab import lab as run

    return run(_folder(options), options.lab_port, options.browser)


def chapters(options):
    """Execute chapters, each in an empty account, and say what they cost and left behind."""
    from .chapters import RUNS, NoChapter, run

    if options.enforce_iam and options.account == "aws":
        print("course: --enforce-iam is of local accounts; AWS always enforces IAM", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` cleans up as Ctrl-C does
    try:
        return run(
            options.chapter, options.account, options.learner, options.region, options.keep,
            enforce=options.enforce_iam, note=RUNS if options.record else None,
        )  # fmt: skip
    except NoChapter as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def outputs(options):
    """Execute chapters and solutions in place and store their outputs; one that fails is left as it was."""
    from .chapters import NoChapter
    from .outputs import store

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return store(options.chapter)
    except NoChapter as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def exercises(options):
    """Derive the exercise notebooks, and the exercises of the chapters, from the solutions."""
    from .chapters import NoChapter
    from .exercises import NotAnExercise, derive

    try:
        return derive(options.chapter)
    except (NoChapter, NotAnExercise) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def policy(options):
    """Print the IAM policy that chapters need on AWS: the learner's, the execution role's, or the dead-man switch's."""
    import json

    from .own_account import policies

    of = options.account_id, options.region, options.learner
    if options.of == "switch":
        made = policies.of_switch(*of)
    else:
        made = policies.document(options.of, [name[:2] for name in options.chapter], *of, options.role)
    if options.switch and options.of == "learner":
        made["Statement"] += policies.arming(*of, options.switch)
    print(json.dumps(made, indent=2))


def stack(options):
    """Print a CloudFormation template with all that an AWS account needs for one learner."""
    from .own_account import stack

    print(stack.text(repository=options.repository, idle=options.idle, chapters=[name[:2] for name in options.chapter]))


def preflight(options):
    """Ask the AWS account of the usual settings whether the chapters can run there; nothing is changed."""
    from .own_account import preflight

    chapters = [name[:2] for name in options.chapter]
    found = _asked_of_aws(preflight.examine, options.learner, options.region, chapters, options.write)
    print(preflight.table(found))
    return 0 if preflight.is_good(found) else 1


def guard(options):
    """Show what the notebooks may rent on AWS and have rented, or change it; nothing is asked of AWS."""
    from .own_account import allowance

    print(allowance.changed(options.usd, options.hours, options.allow, options.on, options.switch).table())


def clean(options):
    """Show what of a learner's lives in an account, and delete it with --yes; exit status 1 if anything is left."""
    from .own_account.clean import clean

    extent = options.workplace, options.logs, options.objects
    return 0 if _asked_of_aws(clean, options.account, options.learner, options.region, options.yes, *extent) else 1


def workshop(options):
    """Take a class through chapters on one account, by its roster: plan it, see it, end it, see what it has cost."""
    chapters = [name[:2] for name in getattr(options, "chapter", ())]
    where = options.roster, getattr(options, "account", None), options.region
    if options.what == "plan":
        from .own_account.workshop.plan import plan

        of = options.usd, options.region, options.folder, options.email, options.repository
        print(plan(options.roster, tuple(chapters), *of))
        return 0
    if options.what == "sweep":
        from .own_account.workshop.sweep import sweep

        return 0 if _asked_of_aws(sweep, *where, options.yes, options.workplace, options.objects) else 1
    from .own_account.workshop.room import bill, room

    if options.what == "bill":
        told, complete = _asked_of_aws(bill, *where, options.start)
    else:
        told, complete = _asked_of_aws(room, *where, tuple(chapters), options.checks, options.start)
    print(told)
    return 0 if complete else 1


def notebook(options):
    """Print the requests for a notebook instance that brings the course with it; send them with --yes."""
    from .own_account import notebook_instance

    if options.script:
        print(notebook_instance.script(options.repository, options.idle), end="")
    else:
        _asked_of_aws(notebook_instance.order, options)


def _asked_of_aws(question, *arguments):
    """Return the answer of an account, or refuse with its sentence what it cannot begin."""
    from .session import CannotBegin

    try:
        return question(*arguments)
    except CannotBegin as error:
        raise Refused(str(error)) from None


def _folder(options):
    if options.folder:
        return Path(options.folder).resolve()
    if options.port and options.run is not up:
        folder = serving.folder_at(options.port)
        if folder is None:
            raise serving.NotServed(
                f"No account of yours was served at port {options.port}. Name its folder with --folder."
            )
        return folder
    return Path(os.environ.get(serving.FOLDER) or ACCOUNT).resolve()  # in a notebook instance: the account it is of


def _parser():
    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (up, down, status, env, mail, clock, bill):
        name = run.__name__
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument(
            "--folder", help="the account's folder (default: COURSE_ACCOUNT_FOLDER, else .account of this clone)"
        )
        command.add_argument(
            "--port", type=int, help="the port on 127.0.0.1" + (" (default: a free one)" if run is up else "")
        )
        if run is up:
            command.add_argument("--region", default=serving.REGION, help="default: %(default)s")
            command.add_argument(
                "--idle", type=float, default=serving.IDLE / 60, metavar="MINUTES",
                help="stop after so long without a request (default: %(default)g)",
            )  # fmt: skip
            command.add_argument(
                "--enforce-iam", action=argparse.BooleanOptionalAction,
                help="hold every call against IAM's policies (default: as the account was told before; at first not)",
            )  # fmt: skip
            command.add_argument(
                "--room", metavar="ROSTER",
                help="give each learner of this CSV file keys, notebooks and a JupyterLab of their own, until Ctrl-C",
            )  # fmt: skip
            command.add_argument(
                "--interface", metavar="NAME",
                help="let the JupyterLabs of a room be reached by this network interface, eth0 say, with TLS",
            )  # fmt: skip
            command.add_argument(
                "--chapter",
                nargs="+",
                default=(),
                metavar="CHAPTER",
                help="what learners of a room may do (default: all)",
            )
            command.add_argument(
                "--enforce-quotas", action=argparse.BooleanOptionalAction,
                help="refuse what exceeds AWS's default quotas (default: as the account was told before; at first not)",
            )  # fmt: skip
        if run is env:
            command.add_argument("--region", help="default: the account's")
        if run is mail:
            command.add_argument("number", nargs="?", type=int, help="the letter to print (default: list them all)")
            command.add_argument("--confirm", action="store_true", help="follow the link of the letter")
        if run is clock:
            command.add_argument("step", nargs="?", metavar="STEP", help="+90m, +8h, +3d or +1w")
        if run is bill:
            command.add_argument("--start", metavar="DAY", help="the first day, such as 2026-11-01 (default: all)")
            command.add_argument("--end", metavar="DAY", help="the day after the last (default: now)")
            command.add_argument("--account", choices=("local", "aws"), default="local", help="default: %(default)s")
            command.add_argument("--learner", help="by lists and tags, what this learner's things cost (aws: me)")
            command.add_argument("--region", nargs="+", help="of a learner's things, one or more (default: us-east-1)")
    command = commands.add_parser("console", help=console.__doc__, description=console.__doc__)
    command.set_defaults(run=console)
    command.add_argument(
        "--folder", help="the account's folder (default: COURSE_ACCOUNT_FOLDER, else .account of this clone)"
    )
    command.add_argument("--port", type=int, help="the port on 127.0.0.1 that the account is served at")
    command.add_argument("--no-browser", dest="browser", action="store_false", help="print the link only")
    command = commands.add_parser("lab", help=lab.__doc__, description=lab.__doc__)
    command.set_defaults(run=lab, port=None)
    command.add_argument(
        "--folder", help="the account's folder (default: COURSE_ACCOUNT_FOLDER, else .account of this clone)"
    )
    command.add_argument(
        "--port", dest="lab_port", type=int, help="JupyterLab's port on 127.0.0.1 (default: 8888 or the next free)"
    )
    command.add_argument("--no-browser", dest="browser", action="store_false", help="print the URL only")
    for run, name in ((chapters, "run"), (outputs, "outputs"), (exercises, "exercises")):
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="its number, name or path (default: all)")
        if run is chapters:
            command.add_argument("--account", choices=("local", "aws"), default="local", help="default: %(default)s")
            command.add_argument("--learner", help="the learner's name (default: the chapter's own)")
            command.add_argument("--region", help="default: the chapter's own")
            command.add_argument(
                "--enforce-iam", action="store_true", default=None, help="on accounts that enforce IAM"
            )
            command.add_argument("--keep", action="store_true", help="let everything stand that the chapters create")
            command.add_argument(
                "--record", action="store_true", help="note seconds and USD in book/runs.csv, which the book shows"
            )
    for run in (policy, preflight):
        _add_of_own_account(commands, run)
    command = commands.add_parser("stack", help=stack.__doc__, description=stack.__doc__)
    command.set_defaults(run=stack)
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="its number, 06 say (default: all)")
    command.add_argument("--repository", default="", metavar="URL", help="what the notebook instance clones")
    command.add_argument(
        "--idle", type=float, default=60, metavar="MINUTES", help="it stops after so long without work"
    )
    command = commands.add_parser("guard", help=guard.__doc__, description=guard.__doc__)
    command.set_defaults(run=guard)
    command.add_argument("--usd", metavar="N", help='rent for so many USD at most from now on, or "none" for no limit')
    command.add_argument("--hours", type=float, help="count what nobody has ended for so long, and tag it so")
    command.add_argument("--allow", nargs="+", default=(), metavar="TYPE", help="let these machines be rented, too")
    command.add_argument("--switch", metavar="ARN", help='let AWS end it then, under this role; "none": not any more')
    command.add_argument("--off", dest="on", action="store_false", default=None, help="let every call pass unnoticed")
    command.add_argument("--on", dest="on", action="store_true", default=None, help="guard again")
    command = commands.add_parser("clean", help=clean.__doc__, description=clean.__doc__)
    command.set_defaults(run=clean)
    command.add_argument("--account", choices=("local", "aws"), default="local", help="default: %(default)s")
    command.add_argument("--learner", default="me", help="the learner's name (default: %(default)s)")
    command.add_argument("--region", nargs="+", default=[serving.REGION], help="one or more (default: us-east-1)")
    command.add_argument("--yes", action="store_true", help="delete it; without this, only the plan is shown")
    command.add_argument("--workplace", action="store_true", help="the notebook instance of `course notebook`, too")
    command.add_argument("--logs", action="store_true", help="what jobs, endpoints and instances have written, too")
    command.add_argument("--objects", action="store_true", help="what lies in S3, too: data, models, results")
    _add_notebook(commands)
    _add_workshop(commands)
    return parser


def _add_workshop(commands):
    """Add the commands that are about a class."""
    command = commands.add_parser("workshop", help=workshop.__doc__, description=workshop.__doc__)
    command.set_defaults(run=workshop)
    whats = command.add_subparsers(required=True, metavar="WHAT", dest="what")
    for what, about in WORKSHOP.items():
        command = whats.add_parser(what, help=about, description=about)
        command.add_argument(
            "roster", metavar="ROSTER", help="a CSV file with the columns learner, email, user, profile"
        )
        if what in ("plan", "room"):
            command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="its number, 06 say (default: all)")
        if what == "plan":
            command.add_argument("--region", default=serving.REGION, help="default: %(default)s")
            command.add_argument(
                "--usd", type=float, default=5, metavar="N", help="a learner's budget and limit (default: %(default)g)"
            )
            command.add_argument("--folder", default="workshop", help="where the templates go (default: %(default)s)")
            command.add_argument(
                "--email", default="", help="who is told of the class, and of those without an address"
            )
            command.add_argument("--repository", default="", metavar="URL", help="what notebook instances clone")
            continue
        command.add_argument("--account", choices=("local", "aws"), default="local", help="default: %(default)s")
        command.add_argument("--region", nargs="+", default=[serving.REGION], help="one or more (default: us-east-1)")
        if what == "sweep":
            command.add_argument("--yes", action="store_true", help="do it; without this, only the plan is shown")
            command.add_argument("--workplace", action="store_true", help="delete where learners work, too")
            command.add_argument("--objects", action="store_true", help="delete what lies in S3, too")
        else:
            since = "30 days ago" if what == "bill" else "a day ago, for checks that ask for calls"
            command.add_argument("--start", metavar="DAY", help=f"such as 2026-11-01 (default: {since})")
        if what == "room":
            command.add_argument(
                "--no-checks", dest="checks", action="store_false", help="do not ask which exercises are done"
            )


def _add_notebook(commands):
    """Add the command that orders a notebook instance for the course."""
    command = commands.add_parser("notebook", help=notebook.__doc__, description=notebook.__doc__)
    command.set_defaults(run=notebook)
    command.add_argument("--account", choices=("local", "aws"), default="local", help="default: %(default)s")
    command.add_argument("--learner", default="me", help="the learner's name (default: %(default)s)")
    command.add_argument("--region", default=serving.REGION, help="default: %(default)s")
    command.add_argument(
        "--repository", default="", metavar="URL",
        help="what to clone: an address, or on the local account a path (default: the instance's default repository)",
    )  # fmt: skip
    command.add_argument(
        "--default-repository", default="", metavar="NAME",
        help="the instance's default repository: an https address, or the name of a code repository of SageMaker's",
    )  # fmt: skip
    command.add_argument(
        "--idle", type=float, default=60, metavar="MINUTES",
        help="stop after so long without work (default: %(default)g)",
    )  # fmt: skip
    command.add_argument("--type", default="ml.t3.medium", help="default: %(default)s")
    command.add_argument("--volume", type=int, default=10, metavar="GB", help="default: %(default)s")
    command.add_argument("--script", action="store_true", help="print the script of every start instead")
    command.add_argument("--yes", action="store_true", help="create it; without this, the requests are printed")


def _add_of_own_account(commands, run):
    """Add a command that is about chapters on an AWS account of one's own."""
    from .own_account import policies

    command = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run)
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="its number, 06 say (default: all)")
    command.add_argument("--learner", default="me", help="the learner's name (default: %(default)s)")
    command.add_argument("--region", default=serving.REGION, help="default: %(default)s")
    if run is policy:
        command.add_argument("--of", choices=(*policies.WHO, "switch"), default="learner", help="default: %(default)s")
        command.add_argument("--switch", metavar="NAME", help="let the learner set the dead-man switch with this role")
        command.add_argument("--account-id", required=True, metavar="NUMBER", help="the AWS account's twelve digits")
        command.add_argument("--role", default=policies.ROLE, help="the execution role's name (default: %(default)s)")
    else:
        command.add_argument("--write", action="store_true", help="put an object into the bucket, too, and delete it")


if __name__ == "__main__":
    sys.exit(main())
