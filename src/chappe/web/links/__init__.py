"""The door that people come through who open a short link: see docs/explanation/link-tracking.md.

Nobody signs in here, and nothing is said but where to go on. Whoever makes up an address is answered without a look into the
database.
"""
