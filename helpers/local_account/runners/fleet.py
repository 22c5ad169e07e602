"""The machines behind an endpoint: each variant has so many instances, each with a container that serves the model."""

import random
import threading
import time

from .instance import GRACE, LOOK
from .invocation import LONGEST
from .serverless import ServerlessVariant
from .variant import Variant


class Fleet:
    """All instances of one configuration of an endpoint."""

    def __init__(self, account, record, config, models):
        self.config, self.models = config, models
        self.lock, self.cancelled = threading.Lock(), threading.Event()
        self.variants = {
            variant["VariantName"]: kind_of(variant)(account, record, variant, models[variant["ModelName"]], self)
            for variant in config["ProductionVariants"]
        }

    @property
    def instances(self):
        """All instances of all variants."""
        return [instance for variant in self.variants.values() for instance in variant.instances]

    def start(self, seconds=None, again=False):
        """Start every instance and wait until all are healthy; raise Failure if one is not, in `seconds` at most.

        `again` says that the fleet has served before, so that nothing of it is to be tried.
        """
        for variant in self.variants.values():
            variant.instances = variant.first(again)
        try:
            together([instance.start for instance in self.instances], seconds)
        except BaseException:
            self.kill()
            for variant in self.variants.values():
                variant.instances = []
            raise
        for variant in self.variants.values():
            variant.started()

    def pick(self, target=None, most=None):
        """Return an instance for a request, counted as busy with it, or None if there is none at the moment.

        `most` is how many requests an instance may have at once.
        """
        with self.lock:
            instance = self.choose(target).pick(most)
            if instance is not None:
                instance.outstanding += 1
            return instance

    def choose(self, target):
        """Return the variant that a request names, or one by the variants' weights."""
        variants = list(self.variants.values())
        if target:
            return self.variants[target]
        if any(weights := [variant.weight for variant in variants]):
            return random.choices(variants, weights)[0]
        return random.choice(variants)

    def done(self, instance):
        """Say that an instance has answered a request."""
        with self.lock:
            instance.outstanding -= 1
        instance.rest()

    def resize(self, desired):
        """Give variants other weights and numbers of instances; return the instances that are to go."""
        new = {name: self.variants[name].more(wanted) for name, wanted in desired.items()}
        started = [instance for instances in new.values() for instance in instances]
        try:
            together([instance.start for instance in started])
        except BaseException:
            for instance in started:
                instance.kill()
                instance.remove(0)
            raise
        with self.lock:
            return [gone for name, wanted in desired.items() for gone in self.variants[name].change(wanted, new[name])]

    def retire(self, instances):
        """Stop instances that get no new requests any more, once they have answered those that they have."""
        patience = time.monotonic() + (3600 if "AsyncInferenceConfig" in self.config else LONGEST)
        while any(instance.outstanding for instance in instances) and time.monotonic() < patience:
            time.sleep(LOOK)
        for instance in instances:
            instance.stop()
        for instance in instances:
            instance.remove(GRACE)

    def stop(self):
        """Stop everything, politely."""
        self.cancelled.set()
        self.retire(self.instances)

    def kill(self):
        """End everything at once."""
        self.cancelled.set()
        for instance in self.instances:
            instance.kill()
        for instance in self.instances:
            instance.remove(0)


def kind_of(variant):
    """Return the class of a production variant."""
    return ServerlessVariant if "ServerlessConfig" in variant else Variant


def together(starts, seconds=None):
    """Call all functions at the same time and wait for all; raise what the first that failed raised."""
    deadline = seconds and time.monotonic() + seconds
    errors = []

    def call(start):
        try:
            start(deadline)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(start,), daemon=True) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
