"""An OpenID Connect provider: discovery, keys, tokens. Whoever comes is the person that the test says."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET, CODE = "chappe", "a secret of the client", "a-code"


class Provider:
    """`claims` are of the person who signs in. `with` starts and ends it."""

    def __init__(self, **claims: Any) -> None:
        self.claims: dict[str, Any] = {"sub": "42", **claims}
        self.nonce = ""
        self.asked: list[dict[str, str]] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, str]) -> dict[str, Any] | None:
        match path:
            case "/.well-known/openid-configuration":
                names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
                places = {name: f"{self.url}/{place}" for name, place in names.items()}
                return {"issuer": self.url, "userinfo_endpoint": f"{self.url}/person", **places}
            case "/keys":
                key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
                return {"keys": [{**key, "kid": "1", "use": "sig", "alg": "RS256"}]}
            case "/token":
                self.asked.append(body)
                return {"access_token": "token", "token_type": "Bearer", "expires_in": 60, "id_token": self._token()}
            case "/person":
                return self.claims
        return None

    def _token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, **self.claims}
        return jwt.encode(claims, self._key, "RS256", headers={"kid": "1"})


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(provider.answer(self.path, {}))

        def do_POST(self) -> None:
            given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._say(provider.answer(self.path, {name: values[0] for name, values in given.items()}))

        def _say(self, found: dict[str, Any] | None) -> None:
            body = json.dumps(found).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
