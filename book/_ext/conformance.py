"""The directive `conformance`: which operations of AWS the local account has, as a table made from its own code."""

from sphinx.util.docutils import SphinxDirective

from helpers.local_account import conformance

TITLES = {
    "sagemaker": "SageMaker",
    "sagemaker-runtime": "SageMaker Runtime",
    "s3": "S3",
    "sts": "STS",
    "iam": "IAM",
    "logs": "CloudWatch Logs",
    "cloudwatch": "CloudWatch",
    "sns": "SNS",
    "sqs": "SQS",
    "budgets": "Budgets",
    "ce": "Cost Explorer",
    "pricing": "Price List",
    "service-quotas": "Service Quotas",
    "application-autoscaling": "Application Auto Scaling",
    "scheduler": "EventBridge Scheduler",
    "cloudtrail": "CloudTrail",
    "dynamodb": "DynamoDB",
    "secretsmanager": "Secrets Manager",
    "ecr": "ECR",
    "ec2": "EC2",
}


class Conformance(SphinxDirective):
    """`{conformance}` writes SageMaker's operations as a table; `{conformance} others` those of the other services."""

    optional_arguments = 1

    def run(self):
        """Return the nodes of the Markdown that the table is."""
        self.env.note_reread()  # the table changes with the code, not with the page
        lines = others() if self.arguments == ["others"] else of_sagemaker()
        return self.parse_text_to_nodes("\n".join(lines))


def of_sagemaker():
    """Return the lines of the page's part on SageMaker."""
    here = [standing for standing in conformance.standings() if standing.here]
    absent = [standing for standing in conformance.standings() if not standing.here]
    lines = [f"Of {len(here) + len(absent)} operations {len(here)} are here.", ""]
    lines += ["| operation | here it is |", "|---|---|"]
    for standing in here:
        honoured = f"Honoured, but for {len(standing.refused)} members named below" if standing.refused else "Honoured"
        lines.append(f"| `{standing.operation}` | {honoured}. {standing.differs} |")
    lines += ["", "**What is refused in a request**, with a sentence that names it:", ""]
    for standing in here:
        if standing.refused:
            lines.append(f"- `{standing.operation}`")
            lines += [f"  - `{path}`: no {why}" for path, why in standing.refused.items()]
    lines += ["", f"**Not here**, {len(absent)} operations:", ""]
    return [*lines, ", ".join(f"`{standing.operation}`" for standing in absent) + "."]


def others():
    """Return the lines of the page's part on the other services."""
    lines = ["| service | here | of AWS's |", "|---|---|---|"]
    for service in conformance.services()[1:]:
        standings = conformance.standings(service)
        here = [f"`{standing.operation}`" for standing in standings if standing.here]
        lines.append(f"| {TITLES[service]} | {', '.join(here)} | {len(here)} of {len(standings)} |")
    return lines


def setup(app):
    """Register with Sphinx."""
    app.add_directive("conformance", Conformance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
