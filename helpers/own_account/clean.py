"""What of a learner's still lives in an account, region by region, and its end: `course clean`.

    course clean --account aws --learner me --region us-east-1 eu-west-1          shows the plan
    course clean --account aws --learner me --region us-east-1 eu-west-1 --yes    carries it out

It finds by tags and by lists what a notebook's clean-up finds, without a notebook. Run again, it goes on where it was
interrupted. Finished jobs stay, since AWS deletes none. What somebody may still want goes when it is asked for: logs
with --logs, data and models in S3 with --objects, and where the learner works (`course notebook`) with --workplace, for
its volume goes with it.
"""

from .. import belongings, cleanup
from . import dead_man_switch, log_streams
from .regions import asked


def clean(account, learner, regions, really=False, workplace=False, logs=False, objects=False):
    """Show what lives, delete it if `really` so, and return whether nothing is left in any of the regions."""

    def cleaned(courses):
        (course,) = belongings.together(courses)  # whose end is that of what the plan has found
        print(f"{learner} in {course.region}, account {course.account_id}:")
        lives = living(course, logs)
        print("\n".join(f"  {line}" for line in lives or ["nothing of the learner's"]))
        if really and lives:
            written = log_streams.of(course) if logs else []  # as long as AWS still knows what wrote them
            cleanup.everything(course, workplace, objects)
            list(taken_back(course))
            log_streams.delete(written)
            (asked_anew,) = belongings.together(courses)
            lives = living(asked_anew, logs)
        return lives

    left = []
    for region, lives, problem in asked(account, [learner], regions, cleaned):
        if problem:
            print(f"  {problem}")
        left += [f"{region}: {line}" for line in lives or ([problem] if problem else [])]
    if not workplace and any(line.endswith("workplace)") for line in left):
        print("A workplace stays; --workplace deletes it, too, with its volume.")
    return concluded(left, really, "Nothing is left.", "deleted", objects)


def concluded(left, really, nothing, ended, objects):
    """Print what is left, or that this was the plan; return whether nothing is left."""
    if not objects and any(" objects in s3://" in line for line in left):
        print("Objects in S3 stay; --objects deletes them, too.")
    if not left:
        print(nothing)
    elif really:
        print("\n".join(["Left:", *left]))
    else:
        print(f"This is the plan, and nothing was {ended}. With --yes it is.")
    return not left


def living(course, logs=False):
    """Return what of the learner's lives in the course's region, as sentences, with its logs if they are asked for."""
    keys = belongings.objects(course)
    lives = cleanup.rated(course, workplace=True) + [f"schedule {name}" for name in switches(course)]
    lives += [f"{len(keys)} objects in s3://{course.bucket}"] if keys else []
    return lives + ([f"log {stream or 'group'} in {group}" for group, stream in log_streams.of(course)] if logs else [])


def switches(course):
    """Return the dead-man switches whose things the learner has ended without the guard."""
    return dead_man_switch.standing(belongings.client("scheduler"), course.learner)


def taken_back(course):
    """Take the dead-man switches back, and yield a sentence for each."""
    for name in switches(course):
        belongings.client("scheduler").delete_schedule(Name=name)
        yield f"schedule {name}: deleted"
