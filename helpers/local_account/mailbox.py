"""The account's mailbox: every e-mail and text message that the account sends lands here and goes nowhere else."""

import re
import threading

EMAIL, SMS = "email", "sms"


class Mailbox:
    """Letters in the order in which they came, kept in the account's records.

    A letter is a dict: Number, Time (the account's), Channel ("email" or "sms"), From, To, Subject, Body, and Source:
    the ARN of the topic, or the name of the budget, that sent it. A letter that asks to be confirmed has a Link too.
    """

    def __init__(self, account):
        self.account, self.lock, self.last = account, threading.Lock(), {}

    def put(self, channel, sender, to, subject, body, source, link=None):
        """Keep a letter; it is on disk when this returns."""
        letter = {
            "Channel": channel,
            "From": sender,
            "To": to,
            "Subject": subject,
            "Body": body,
            "Source": source,
            "Link": link,
            "Url": self.account.url,  # where links in it lead, until the account is served elsewhere
        }
        return self._keep("Letter", letter)

    def miss(self, source, to, reason):
        """Note a message that could not be delivered: on AWS nobody would tell, here `course mail` does."""
        return self._keep("UndeliveredLetter", {"Source": source, "To": to, "Reason": reason})

    def letters(self, learner=None):
        """Return the letters, the oldest first, with links that lead to where the account is served now.

        In a room each learner has a mailbox of their own, and its first letter has the number 1.
        """
        return [self._readdressed(letter) for letter in self._all("Letter", learner)]

    def undelivered(self, learner=None):
        """Return what could not be delivered, the oldest first: Number, Time, Source, To, Reason."""
        return self._all("UndeliveredLetter", learner)

    def _keep(self, kind, letter):
        with self.lock:
            if kind not in self.last:
                self.last[kind] = max((kept["Number"] for kept in self.account.records.all(kind)), default=0)
            number = self.last[kind] = self.last[kind] + 1
            letter = {"Number": number, "Time": self.account.clock.now(), **letter}
            return self.account.records.put(kind, "", f"{number:09}", letter)

    def _all(self, kind, learner):
        letters = sorted(self.account.records.all(kind), key=lambda letter: letter["Number"])
        if learner is None:
            return letters
        own = [letter for letter in letters if bears(letter["Source"], learner)]
        return [letter | {"Number": number} for number, letter in enumerate(own, 1)]

    def _readdressed(self, letter):
        was = re.compile(rf"{re.escape(letter['Url'])}(?=/)")
        texts = {name: was.sub(self.account.url, letter[name]) for name in ("Body", "Link") if letter[name]}
        return {name: value for name, value in (letter | texts).items() if name != "Url"}


def bears(source, learner):
    """Tell whether what has sent a letter bears a learner's name: a topic, an alarm, a schedule, a budget.

    >>> bears("arn:aws:sns:us-east-1:000000000000:kim-alerts", "kim")
    True
    """
    return re.split(r"[:/ ]", source)[-1].startswith(f"{learner}-")
