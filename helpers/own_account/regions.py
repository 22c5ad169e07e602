"""One question to several regions of an account, one after the other: an error in one leaves the others their turn."""

from itertools import product

from botocore.exceptions import BotoCoreError, ClientError

from .. import session


def check(account, learners, regions):
    """Raise session.CannotBegin for a learner or a region that there cannot be."""
    for learner, region in product(learners, regions):
        session.check_arguments(account, learner, region, False)


def asked(account, learners, regions, question):
    """Yield each region with the answer of `question(courses)` there, or with the error that came instead.

    The question gets a course for each learner. Raises session.CannotBegin for a word that is wrong, before anything is
    asked, and for credentials that not even the first region knows.
    """
    regions = [*dict.fromkeys(regions)]
    check(account, learners, regions)
    for region in regions:
        try:
            answer, problem = question(session.look(account, learners, region)), None
        except (ClientError, BotoCoreError) as error:
            answer, problem = None, error
        except session.CannotBegin as error:
            if region == regions[0]:
                raise
            answer, problem = None, error
        finally:
            session.end()
        yield region, answer, problem
