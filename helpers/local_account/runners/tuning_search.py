"""Searching for hyperparameters: Optuna, a library of the field, says which values to try next.

SageMaker sends and stores every value as a text, and so does this file's public side.
"""

import itertools
from dataclasses import dataclass, field

BEFORE_LEARNING = 3  # training jobs with random values before Bayesian search begins to learn from results
WIDE = 100  # with ScalingType Auto, a range whose ends differ by this factor is searched on a logarithmic scale


@dataclass
class Suggestion:
    """The values of one training job, and what the search knows of it."""

    values: dict  # {"eta": "0.21", "max_depth": "5"}
    trial: object = None  # Optuna's view of it; grid search needs none
    steps: int = 0  # how many intermediate results it has reported


@dataclass
class Search:
    """The search over the ranges of one definition of training jobs.

    `ranges` is the request's ParameterRanges; `resource` is (MinResource, MaxResource) of Hyperband.
    """

    strategy: str
    ranges: dict
    maximize: bool
    seed: int | None = None
    resource: tuple = (1, 1)
    left: list = field(default_factory=list)  # of a grid: the combinations that have not been tried

    def __post_init__(self):
        self.axes = axes(self.ranges)
        if self.strategy == "Grid":
            self.left = combinations(self.ranges)
        else:
            self.study = _study(self)

    def suggest(self):
        """Return what to try next."""
        if self.strategy == "Grid":
            return Suggestion(self.left.pop(0))
        trial = self.study.ask({axis.name: axis.distribution() for axis in self.axes})
        return Suggestion({axis.name: axis.text(trial.params[axis.name]) for axis in self.axes}, trial)

    def report(self, suggestion, value):
        """Take an intermediate result; tell whether Hyperband gives this training job up."""
        suggestion.steps += 1
        if self.strategy != "Hyperband" or suggestion.steps > self.resource[1]:
            return False
        suggestion.trial.report(value, suggestion.steps)
        return suggestion.trial.should_prune()

    def learn(self, suggestion, value, given_up=False):
        """Take the final result of a training job, None where it has none."""
        if suggestion.trial is None:
            return
        from optuna.trial import TrialState

        if value is None:
            self.study.tell(suggestion.trial, state=TrialState.FAIL)
        elif given_up:
            self.study.tell(suggestion.trial, state=TrialState.PRUNED)
        else:
            self.study.tell(suggestion.trial, value)

    def remember(self, hyperparameters, value):
        """Learn from a training job of a parent; tell whether its values lie within the ranges of this search."""
        if self.strategy == "Grid":
            return False
        from optuna.trial import create_trial

        params = {axis.name: axis.number(hyperparameters.get(axis.name)) for axis in self.axes}
        if None in params.values():
            return False
        distributions = {axis.name: axis.distribution() for axis in self.axes}
        self.study.add_trial(create_trial(params=params, distributions=distributions, value=value))
        return True


@dataclass(frozen=True)
class Axis:
    """One hyperparameter that is searched for."""

    name: str
    kind: str  # "Integer", "Continuous" or "Categorical"
    low: float = 0
    high: float = 0
    choices: tuple = ()
    scaling: str = "Linear"

    def distribution(self):
        """Return the axis as Optuna knows it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "Categorical":
            return CategoricalDistribution(self.choices)
        if self.scaling == "ReverseLogarithmic":  # what lies close to 1 is searched finely: 1 - x has a logarithm
            return FloatDistribution(1 - self.high, 1 - self.low, log=True)
        made = IntDistribution if self.kind == "Integer" else FloatDistribution
        return made(self.low, self.high, log=self.scaling == "Logarithmic")

    def text(self, value):
        """Return a value of the distribution as SageMaker passes it to a program."""
        if self.scaling == "ReverseLogarithmic":
            value = min(max(1 - value, self.low), self.high)
        return str(value)

    def number(self, text):
        """Return a value as the distribution has it, or None where it is none of this axis."""
        if self.kind == "Categorical":
            return text if text in self.choices else None
        try:
            value = int(text) if self.kind == "Integer" else float(text)
        except (TypeError, ValueError):
            return None
        if not self.low <= value <= self.high:
            return None
        return 1 - value if self.scaling == "ReverseLogarithmic" else value


def axes(ranges):
    """Return what is searched for, in the order of the request."""
    found = []
    for kind, read in (("Integer", int), ("Continuous", float)):
        for each in ranges.get(f"{kind}ParameterRanges", []):
            low, high = read(each["MinValue"]), read(each["MaxValue"])
            scaling = each.get("ScalingType", "Auto")
            if scaling == "Auto":
                scaling = "Logarithmic" if low > 0 and high / low >= WIDE else "Linear"
            found.append(Axis(each["Name"], kind, low, high, scaling=scaling))
    for each in ranges.get("CategoricalParameterRanges", []):
        found.append(Axis(each["Name"], "Categorical", choices=tuple(dict.fromkeys(each["Values"]))))
    return found


def combinations(ranges):
    """Return all combinations of categorical values: the grid.

    >>> combinations({"CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2"]}]})
    [{'a': '1'}, {'a': '2'}]
    """
    found = axes(ranges)
    return [
        dict(zip([axis.name for axis in found], values, strict=True))
        for values in itertools.product(*(axis.choices for axis in found))
    ]


def _study(search):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if search.strategy == "Bayesian":
        sampler = optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=BEFORE_LEARNING, constant_liar=True)
    else:
        sampler = optuna.samplers.RandomSampler(seed=search.seed)
    pruner = optuna.pruners.NopPruner()
    if search.strategy == "Hyperband":
        pruner = optuna.pruners.HyperbandPruner(min_resource=search.resource[0], max_resource=search.resource[1])
    # Hyperband deals its brackets by the study's name; a fixed one deals them alike each time.
    direction = "maximize" if search.maximize else "minimize"
    return optuna.create_study(study_name="tuning", direction=direction, sampler=sampler, pruner=pruner)
