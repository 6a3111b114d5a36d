"""The BentoML service: HTTP on one side, `arbml.serving` on the other. Only this package knows bentoml and HTTP statuses."""
