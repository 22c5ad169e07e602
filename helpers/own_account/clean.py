"""What of a learner's still lives in an account, region by region, and its end: `course clean`.

    course clean --account aws --learner me --region us-east-1 eu-west-1          shows the plan
    course clean --account aws --learner me --region us-east-1 eu-west-1 --yes    carries it out

It finds by tags and by lists what a notebook's clean-up finds, without a notebook. Run again, it goes on where it was
interrupted. Finished jobs stay, since AWS deletes none, and so do their logs.
"""

from botocore.exceptions import BotoCoreError, ClientError

from .. import alerts, belongings, cleanup, costs, session
from ..belongings import ENDPOINT


def clean(account, learner, regions, really=False):
    """Show what lives, delete it if `really` so, and return whether nothing is left in any of the regions."""
    left = []
    for region in dict.fromkeys(regions):
        try:
            course = session.begin(account, learner, region)
            _show(course)
            if really:
                cleanup.everything(course)
            left += [f"{region}: {what}" for what in cleanup.left(course)]
        except (ClientError, BotoCoreError) as error:  # the other regions still have their turn
            left.append(f"{region}: {error}")
        finally:
            session.end()
    print("\n".join(["Left:", *left]) if left else "Nothing is left.")
    if left and not really:
        print("This was the plan, and nothing was deleted. With --yes it is.")
    return not left


def _show(course):
    """Print what lives, in the order in which it would be deleted, with what each endpoint costs by the hour."""
    things = [*belongings.standing(course), *alerts.standing(course)]
    for thing in things:
        rate = f": {costs.hourly(thing.name)}" if getattr(thing, "kind", None) is ENDPOINT else ""
        print(f"  {thing}{rate}")
    if keys := belongings.objects(course):
        print(f"  {len(keys)} objects in s3://{course.bucket}")
    if not things and not keys:
        print("  nothing of the learner's")
