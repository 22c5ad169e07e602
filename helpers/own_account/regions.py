"""One question to several regions of an account, one after the other: an error in one leaves the others their turn."""

from botocore.exceptions import BotoCoreError, ClientError

from .. import session


def asked(account, learner, regions, question, begin=session.begin):
    """Yield each region with the answer of `question(course)` there, or with the error that came instead.

    With `begin=session.look` the question is about several learners, and gets a course for each.
    """
    for region in dict.fromkeys(regions):
        try:
            answer, problem = question(begin(account, learner, region)), None
        except (ClientError, BotoCoreError) as error:
            answer, problem = None, error
        finally:
            session.end()
        yield region, answer, problem
