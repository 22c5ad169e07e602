"""The local account: an AWS endpoint on the loopback interface that really runs what it is asked to run."""
