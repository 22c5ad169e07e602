"""One computer for a whole room: one local account, and for each learner keys, a name and a JupyterLab of their own.

    course up --room roster.csv --interface eth0

What the learners may do to each other's things is held against the policies that they would have on AWS. Their programs
run as one user of this computer: that is no wall against somebody who wants to climb it.
"""
