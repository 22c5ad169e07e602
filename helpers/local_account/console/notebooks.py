"""The one page of the console that acts, here as on AWS: notebook instances are made, started, stopped and opened."""

import base64
from dataclasses import replace

from ...prices import known_types
from ...prices import table as prices_table
from .. import shapes
from ..errors import AwsError, ValidationException
from . import resources
from .shown import CREATED, MODIFIED, TAIL, Shown
from .view import Action, Choice, Code, Form, Link, Note, Page, Properties

LIST, MAKE, ACT = "notebook-instances", "notebook-instances/create", "notebook-instances/act"

INSTANCE = Shown(
    "NotebookInstance",
    LIST,
    {"Instance": "InstanceType"} | CREATED | {"Status": "NotebookInstanceStatus"},
    {
        "Notebook instance settings": (
            "NotebookInstanceName", "NotebookInstanceStatus", "NotebookInstanceArn", *TAIL, "InstanceType",
            "VolumeSizeInGB", "PlatformIdentifier", "NotebookInstanceLifecycleConfigName", "RootAccess", "Url",
            "InstanceMetadataServiceConfiguration",
        ),
        "Git repositories": ("DefaultCodeRepository", "AdditionalCodeRepositories"),
        "Network": ("SubnetId", "SecurityGroups", "DirectInternetAccess", "IpAddressType", "NetworkInterfaceId"),
    },
    "notebook instance",
    plural="Notebook instances",
    logs="/aws/sagemaker/NotebookInstances",
)  # fmt: skip
CONFIG = Shown(
    "NotebookInstanceLifecycleConfig",
    "notebook-lifecycle-config",
    CREATED | MODIFIED,
    {"Lifecycle configuration": ("NotebookInstanceLifecycleConfigName", "NotebookInstanceLifecycleConfigArn", *TAIL)},
    "lifecycle configuration",
    plural="Lifecycle configurations",
)
REPOSITORY = Shown(
    "CodeRepository",
    "repositories",
    CREATED | MODIFIED,
    {"Git repository": ("CodeRepositoryName", "CodeRepositoryArn", *TAIL), "Git": ("GitConfig",)},
    "Git repository",
    plural="Git repositories",
)


def instances(asked):
    """Show the notebook instances, each with what can be done with it, and what belongs to them."""
    shown = resources.table(asked, INSTANCE)
    rows = [[*row, actions(asked, row[0].text, row[-1].text) or None] for row in shown.rows]
    empty = f"There are no notebook instances in {asked.region}. The button above makes one, and so does the call"
    empty = empty if shown.empty_code else shown.empty
    shown = replace(shown, columns=(*shown.columns, "Actions"), rows=rows, empty=empty)
    beside = replace(asked, query={})
    parts = [shown, *(resources.table(beside, kind) for kind in (CONFIG, REPOSITORY))]
    parts[1:] = [replace(part, search=None, sorts={}) for part in parts[1:]]
    links = (Link("Create notebook instance", asked.href(MAKE)),)
    return Page("Notebooks and Git repos", parts, LIST, links=links)


def actions(asked, name, status):
    """Return what can be done with a notebook instance in a status."""
    start = ("Start", "start", "", {})
    possible = {
        "InService": (
            ("Open Jupyter", "open", "", {"view": "classic"}),
            ("Open JupyterLab", "open", "", {"view": "lab"}),
            ("Stop", "stop", f"Stop {name}? Its kernels end; its volume stays, and is billed on AWS.", {}),
        ),
        "Stopped": (start, ("Delete", "delete", f"Delete {name} and all that is on its volume?", {})),
        "Failed": (start, ("Delete", "delete", f"Delete {name} and all that is on its volume?", {})),
    }
    return [
        Action(label, asked.href(ACT), name, confirm, {"name": name, "do": do, **values}, new_tab=do == "open")
        for label, do, confirm, values in possible.get(status, ())
    ]


def instance(asked):
    """Show a notebook instance."""
    page = resources.detail(INSTANCE)(asked)
    return replace(page, actions=tuple(actions(asked, asked.name, page.status_of.text)))


def scripts(asked, answer):
    """Return the scripts of a lifecycle configuration, decoded."""
    return [
        Properties(title, {f"Content of script {number}": Code(decoded(hook.get("Content", "")))})
        for title, member in (("Create notebook", "OnCreate"), ("Start notebook", "OnStart"))
        for number, hook in enumerate(answer.get(member, ()), 1)
    ]


def decoded(text):
    """Return what a script says."""
    return base64.b64decode(text).decode(errors="replace")


def form(asked, values=None, problem=""):
    """Show the form that makes a notebook instance."""
    given = {"InstanceType": "ml.t3.medium", "VolumeSizeInGB": "5", "RootAccess": "Enabled"} | (values or {})
    shape = shapes.operation("CreateNotebookInstance").input_shape.members
    names = shape["NotebookInstanceName"].metadata
    types = known_types("notebook").split(", ")
    platforms = [row for row in prices_table("platforms.csv") if row["create"] == "yes"]
    configs = [entry[CONFIG.kind.key] for entry in resources.everything(asked, CONFIG.kind)]
    repositories = [entry[REPOSITORY.kind.key] for entry in resources.everything(asked, REPOSITORY.kind)]
    roles = [role["Arn"] for role in asked.account.iam.list_roles(MaxItems=1000)["Roles"]]
    roles = [arn for arn in roles if asked.account.iam.trusts(arn, "sagemaker.amazonaws.com")]

    def choice(name, label, options=(), **more):
        pairs = tuple(option if isinstance(option, tuple) else (option, option) for option in options)
        return Choice(name, label, given.get(name, ""), pairs, **more)

    fields = [
        choice("NotebookInstanceName", "Notebook instance name", required=True, most_letters=names["max"],
               hint="Letters, digits and hyphens, unique in this account and Region."),
        choice("InstanceType", "Notebook instance type", types, required=True,
               hint="It runs JupyterLab; jobs bring machines of their own."),
        choice("PlatformIdentifier", "Platform identifier", [
            (row["platform"], f"{row['operating_system']}, JupyterLab {row['jupyterlab']}: {row['platform']}")
            for row in platforms
        ], required=True),
        choice("VolumeSizeInGB", "Volume size in GB", kind="number", least=5, most=16384, required=True),
        choice("RoleArn", "IAM role", roles, required=True),
        choice("RootAccess", "Root access", ("Enabled", "Disabled"), required=True),
        choice("LifecycleConfigName", "Lifecycle configuration", [("", "No configuration"), *configs]),
        choice("DefaultCodeRepository", "Git repository",
               hint="An https address" + (f", or one of: {', '.join(repositories)}." if repositories else ".")),
    ]  # fmt: skip
    parts = [Form("Notebook instance settings", asked.href(MAKE), fields, "Create notebook instance")]
    if problem:
        parts.insert(0, Note(problem, urgent=True))
    above = (asked.link("Notebooks and Git repos", LIST),)
    return Page("Create notebook instance", parts, LIST, status=400 if problem else 200, above=above)


def create(asked):
    """Make a notebook instance as the form says, and lead to the list; a refusal is shown above the form."""
    given = {name: value for name, value in asked.form.items() if value}
    try:
        size = given.get("VolumeSizeInGB", "")
        if not size.isdecimal():
            raise ValidationException(f"The volume size must be a whole number, not {size!r}.")
        asked.act("CreateNotebookInstance", **(given | {"VolumeSizeInGB": int(size)}))
    except AwsError as error:
        return form(asked, asked.form, error.message)
    return asked.href(LIST)


def act(asked):
    """Start, stop, delete or open a notebook instance."""
    name, do = asked.form.get("name", ""), asked.form.get("do")
    if do == "open":
        url = asked.act("CreatePresignedNotebookInstanceUrl", NotebookInstanceName=name)["AuthorizedUrl"]
        return url + ("&view=lab" if asked.form.get("view") == "lab" else "")
    if do not in ("start", "stop", "delete"):
        raise ValidationException("A notebook instance can be started, stopped, deleted and opened.")
    asked.act(f"{do.title()}NotebookInstance", NotebookInstanceName=name)
    return asked.href(LIST)


ROUTES = {
    LIST: instances,
    MAKE: form,
    f"{LIST}/*": instance,
    f"{CONFIG.path}/*": resources.detail(CONFIG, scripts),
    f"{REPOSITORY.path}/*": resources.detail(REPOSITORY),
}
ACTIONS = {MAKE: create, ACT: act}
