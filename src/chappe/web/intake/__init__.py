"""The fast path of the API: POST /v1/messages and /v1/messages/batch, a small ASGI application without a framework.

A request is read, checked, put into the group that is being gathered, and answered 202 once that group is committed.
"""
