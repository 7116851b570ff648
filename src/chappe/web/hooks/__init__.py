"""The addresses that providers call: /v1/receive/distribution/… and /v1/hooks/…, a small ASGI application without a framework.

A call is read within limits, its proof is checked, what it tells goes into the group that is being gathered, and it is answered
once that group is committed. Engines act on it afterwards.
"""
