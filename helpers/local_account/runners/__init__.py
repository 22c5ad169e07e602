"""What runs when a job is created or an endpoint goes into service: each file is a lesson in how SageMaker does it."""
