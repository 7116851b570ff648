"""How passwords are hashed within a test's own process."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """The product's own hasher but for the million rounds that are to cost time; other processes take its hashes as theirs."""

    iterations = 1
