"""One file per provider: build a request, read an answer, read a hook. No I/O."""
