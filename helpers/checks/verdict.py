"""What a check says: that an exercise is done, or what it found and what it looked for."""

ANEW = "Delete it, and create it with course.tags."
LATE = "On AWS, CloudTrail tells of a call some minutes after it."


def done(found):
    """Say that the exercise is done, and by what one sees it."""
    print(f"Done: {found}.")


def not_yet(found, wanted, advice=""):
    """Say what is there instead of what the check looks for."""
    print(f"Not yet: {found}. We look for {wanted}. {advice}".rstrip())
