"""How far a training job is: its secondary status, with a message, and the list of all that it has been through."""

FINISHED = ("Completed", "Failed", "Stopped")

# The message of a status changes while it lasts; the last one stays in SecondaryStatusTransitions.
STARTING = ("Starting", "Starting the training job")
LAUNCHING = ("Starting", "Launching requested ML instances")
PREPARING = ("Starting", "Preparing the instances for training")
DOWNLOADING = ("Downloading", "Downloading input data")
PULLING = ("Training", "Downloading the training image")
TRAINING = ("Training", "Training image download completed. Training in progress.")
UPLOADING = ("Uploading", "Uploading generated training model")
STOPPING = ("Stopping", "Stopping the training job")
COMPLETED = ("Completed", "Training job completed")
FAILED = ("Failed", "Training job failed")
STOPPED = ("Stopped", "Training job stopped")
RUN_EXCEEDED = ("MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided")
# Of spot jobs. AWS publishes what these mean, not the messages that go with them: they say the meaning.
INTERRUPTED = ("Interrupted", "The managed spot training instances were interrupted")
WAIT_EXCEEDED = ("MaxWaitTimeExceeded", "The job stopped because it exceeded the maximum allowed wait time")


def moved(record, status, now):
    """Return the members of a record that say its secondary status: the old one ends where the new one begins."""
    name, message = status
    *before, last = record["SecondaryStatusTransitions"] or [None]
    if last and last["Status"] == name:
        return {"SecondaryStatusTransitions": [*before, {**last, "StatusMessage": message}]}
    entry = {"Status": name, "StartTime": now, "StatusMessage": message}
    ended = [{**last, "EndTime": now}] if last else []
    return {"SecondaryStatus": name, "SecondaryStatusTransitions": [*before, *ended, entry]}
