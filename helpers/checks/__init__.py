"""Checks of the exercises: each asks the account, not the notebook, and says what it found and what it looked for."""

from .algorithm import silent, stopped_in_time
from .console import first_config, second_model
from .costs import charges_alarm, forgotten_endpoint, monthly_budget
from .data import better_rule, planes_in_s3, weather_archived
from .endpoint import stopped_paying, two_variants
from .notebook_server import opened_server, second_server, stopped_by_button, work_repository
from .processing import one_place, three_machines
from .serving import august_list, half_the_memory
from .training import leak, misspelt
from .tuning import ended_early, learned_from, own_program_tuned

__all__ = [
    "august_list",
    "better_rule",
    "charges_alarm",
    "ended_early",
    "first_config",
    "forgotten_endpoint",
    "half_the_memory",
    "leak",
    "learned_from",
    "misspelt",
    "monthly_budget",
    "one_place",
    "opened_server",
    "own_program_tuned",
    "planes_in_s3",
    "second_model",
    "second_server",
    "silent",
    "stopped_by_button",
    "stopped_in_time",
    "stopped_paying",
    "three_machines",
    "two_variants",
    "weather_archived",
    "work_repository",
]
