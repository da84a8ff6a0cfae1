"""A few lines of client for Parley's HTTP API (Connect, unary, JSON), as an integrator would write them."""
import http.cookiejar
import json
import urllib.error
import urllib.request


class ApiError(Exception):
    """code is Connect's ("not_found"), field the path of the field that is wrong, or empty."""

    def __init__(self, code, message, field=""):
        super().__init__(f"{code}: {message}" + (f" (field {field})" if field else ""))
        self.code, self.message, self.field = code, message, field


class Api:
    """One signed-in person. call("parley.acd.v1.QueueService/ListQueues", {...}) -> dict."""

    def __init__(self, base):
        self.base = base.rstrip("/")
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def call(self, method, body=None, timeout=20):
        req = urllib.request.Request(
            f"{self.base}/api/{method}", data=json.dumps(body or {}).encode(), method="POST",
            headers={"Content-Type": "application/json", "Origin": self.base, "Connect-Protocol-Version": "1"})
        try:
            with self.opener.open(req, timeout=timeout) as r:
                return json.load(r)
        except urllib.error.HTTPError as e:
            text = e.read().decode(errors="replace")
            try:
                d = json.loads(text)
            except ValueError:
                raise ApiError(str(e.code), text[:300]) from None
            field = next((x.get("debug", {}).get("field", "") for x in d.get("details", [])), "")
            raise ApiError(d.get("code", str(e.code)), d.get("message", ""), field) from None

    def login(self, username, password):
        return self.call("parley.auth.v1.AuthService/Login", {"username": username, "password": password})
