"""Prefect wiring only: small functions with @flow and @task, schedules, retries. No arithmetic, no SQL.

Import a flow only inside `flows.server.prefect_server`, which makes sure that there is a server to keep its history.
"""
