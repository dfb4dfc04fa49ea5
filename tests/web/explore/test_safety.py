"""The guard, at a real server, asked as hostile pages and tools would ask it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.web.explore.safety import Guard, Guarded, is_loopback
from support.browser import served
from support.http_asking import ask, post


class TestHost:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9:1", "[::1]:8765", "LOCALHOST:80"])
    def test_loopback_names_are_ours_at_any_port(self, address: str, host: str) -> None:
        assert ask(address, "/api/about", headers={"Host": host}).status == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8765",
            "evil.example:127",
            "127.0.0.1@evil.example",
            "evil.example/127.0.0.1",
            "127.0.0.1:port",
            "[::1",
            "0.0.0.0",
            "",
        ],
    )
    def test_another_name_gets_nothing(self, address: str, host: str) -> None:
        """What a page with a DNS name of its own that points to this machine would send."""
        for path in ("/", "/gallery", "/api/items", "/static/shell.js", "/thumb/0123456789abcdef", "/nothing"):
            told = ask(address, path, headers={"Host": host})
            assert told.status in (400, 403) and b"items" not in told.body and b"import" not in told.body

    def test_loopback(self) -> None:
        assert is_loopback("::1") and is_loopback("127.1.2.3") and not is_loopback("10.0.0.1")
        assert not is_loopback("") and not is_loopback("localhost.evil.example")


class TestOrigin:
    def test_our_own_page_may_change_things(self, address: str) -> None:
        assert post(address, "/api/selections", {"ids": ["a"]}).status == 200

    def test_the_browsers_word_is_enough_where_there_is_no_origin(self, address: str) -> None:
        headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
        assert ask(address, "/api/selections", method="POST", headers=headers, body=b'{"ids": ["a"]}').status == 200

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "", "http://127.0.0.1"]
    )
    def test_another_origin_may_not(self, address: str, origin: str) -> None:
        told = post(address, "/api/selections", {"ids": ["a"]}, Origin=origin)
        assert told.status == 403 and "own pages" in told.json()["error"]

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
    def test_nor_a_page_of_the_same_machine_at_another_port(self, address: str, site: str) -> None:
        headers = {"Content-Type": "application/json", "Sec-Fetch-Site": site}
        assert ask(address, "/api/selections", method="POST", headers=headers, body=b"{}").status == 403

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
    def test_nor_anybody_without_either(self, address: str, method: str) -> None:
        for path in ("/api/selections", "/api/review", "/api/items", "/nothing"):
            assert ask(address, path, method=method, body=b"{}").status == 403

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
    def test_a_form_is_no_json(self, address: str, kind: str) -> None:
        """The types that a page of another site may send without asking first."""
        assert post(address, "/api/selections", {"ids": ["a"]}, Content_Type=kind).status == 403


class TestToken:
    def test_loopback_needs_none_and_all_else_does(self) -> None:
        assert Guard("127.0.0.1").token == "" == Guard("localhost").token
        assert len(Guard("0.0.0.0").token) >= 32 and Guard("192.168.1.5").token != Guard("192.168.1.5").token

    def test_only_who_has_it_is_let_in(self) -> None:
        guard = Guard("0.0.0.0")
        with served(_small_app(guard)) as address:
            for path in ("/", "/?token=", "/?token=wrong", "/static/x", "/echo", "/?token=" + guard.token[:-1]):
                told = ask(address, path)
                assert told.status == 401 and guard.token not in told.body.decode()
            assert post(address, "/echo", {}).status == 401
            first = ask(address, "/echo", {"token": guard.token, "status": ["kept", "a b"]})
            assert first.status == 303 and first.headers["location"] == "/echo?status=kept&status=a+b"
            cookie = first.headers["set-cookie"]
            assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
            sent = {"Cookie": cookie.partition(";")[0]}
            assert ask(address, "/echo", headers=sent).status == 200
            assert ask(address, "/echo", headers={**sent, "Host": "my-machine:1"}).status == 200
            told = post(address, "/echo", {}, Cookie=sent["Cookie"], Origin="http://evil.example")
            assert told.status == 403
            assert ask(address, "/echo", headers={"Cookie": sent["Cookie"] + "x"}).status == 401

    def test_the_redirect_stays_here(self) -> None:
        guard = Guard("0.0.0.0")
        with served(_small_app(guard)) as address:
            for path in ("//evil.example/", "/\\evil.example", "///evil.example"):
                told = ask(address, f"{path}?token={guard.token}")
                assert told.headers.get("location", "/x")[:2].strip("/\\") != ""

    def test_a_host_that_was_named_is_the_only_other_one(self) -> None:
        guard = Guard("192.168.1.5")
        assert guard.knows("192.168.1.5:8765") and guard.knows("localhost") and not guard.knows("192.168.1.6")


class TestAnswers:
    @pytest.mark.parametrize("path", ["/gallery", "/api/items", "/static/shell.js", "/nothing", "/thumb/x", "/"])
    def test_every_answer_says_what_the_browser_may_do(self, address: str, path: str) -> None:
        headers = ask(address, path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers or headers["server"] == "uvicorn"

    def test_only_the_map_may_compile(self, address: str) -> None:
        assert "'unsafe-eval'" in ask(address, "/map").headers["content-security-policy"]
        assert "'unsafe-inline'" not in ask(address, "/map").headers["content-security-policy"]
        for path in ("/map/", "/gallery", "/api/map/samples", "/static/map.html"):
            assert "unsafe" not in ask(address, path).headers["content-security-policy"]

    def test_a_refusal_has_the_headers_too(self, address: str) -> None:
        told = ask(address, "/gallery", headers={"Host": "evil.example"})
        assert told.status == 403 and "content-security-policy" in told.headers

    @pytest.mark.parametrize(
        "path",
        [
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/static/..%2fapp.py",
            "/static/..%5capp.py",
            "/static//etc/passwd",
            "/static/%2fetc%2fpasswd",
            "/static/words/../../library.py",
            "/static/%7f",
            "/static/%00",
            "/../../etc/passwd",
            "/thumb/..%2f..%2fetc%2fpasswd",
            "/picture/%2e%2e%2f%2e%2e",
            "/picture/0123456789abcdef%00",
            "/api/items/..%2f..%2fconfig.yaml",
            "/api/items/%00",
            "/api/items/%ff%fe",
            "/api/compare?id=x&run=..%2f..%2f",
            "/api/compare?id=x&run=/etc",
        ],
    )
    def test_no_path_leads_out(self, address: str, path: str) -> None:
        told = ask(address, path)
        assert told.status in (400, 404) and b"root:" not in told.body and b"def " not in told.body
        assert ask(address, "/api/about").status == 200

    def test_errors_are_json_with_one_sentence(self, address: str) -> None:
        for path in ("/nothing", "/api/items?page=-1", "/api/items?sort=x", "/api/items/none"):
            told = ask(address, path)
            assert 400 <= told.status < 500 and isinstance(told.json()["error"], str)


class TestFaults:
    def test_a_bug_in_one_view_leaves_the_others_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        with served(_small_app(Guard())) as address:
            told = ask(address, "/bug")
            assert told.status == 500 and "fault of its own" in told.json()["error"]
            assert "content-security-policy" in told.headers and "secret" not in told.body.decode()
            assert ask(address, "/echo").status == 200
        assert "secret" in caplog.text  # the trace is for the terminal

    def test_a_body_without_end_is_cut_off(self) -> None:
        with served(_small_app(Guard())) as address:
            try:
                told = post(address, "/echo", ["x" * (33 * 2**20)])
                assert told.status == 413
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed before all was sent: as good
            assert ask(address, "/echo").status == 200

    @pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"ids": 1}', b'{"ids": []}'])
    def test_a_body_that_is_not_what_was_asked_for(self, address: str, body: bytes) -> None:
        headers = {"Origin": address, "Content-Type": "application/json"}
        told = ask(address, "/api/selections", method="POST", headers=headers, body=body)
        assert told.status == 400 and "error" in told.json()

    def test_deep_json_is_refused(self, address: str) -> None:
        headers = {"Origin": address, "Content-Type": "application/json"}
        body = b"[" * 200_000
        assert ask(address, "/api/selections", method="POST", headers=headers, body=body).status == 400


class TestInjection:
    def test_markup_of_captions_stays_text_in_json(self, address: str, explored_run: Path) -> None:
        from support.explored_run import HOSTILE

        told = ask(address, "/api/items", {"sort": "order"})
        assert told.headers["content-type"] == "application/json"
        assert any(HOSTILE in (item["answer"] or "") for item in told.json()["items"])
        echoed = ask(address, "/api/items", {"sort": "<script>alert(1)</script>"})
        assert echoed.headers["content-type"] == "application/json" and echoed.status == 400
        missing = ask(address, "/<script>alert(1)</script>")
        assert missing.headers["content-type"] == "application/json" and json.loads(missing.body)["error"]


def _small_app(guard: Guard) -> Starlette:
    async def echo(request: Request) -> Response:
        return JSONResponse(len(await request.body()))

    def bug(request: Request) -> Response:
        raise ZeroDivisionError("secret")

    routes = [Route("/echo", echo, methods=["GET", "POST"]), Route("/bug", bug)]
    return Starlette(routes=routes, middleware=[Middleware(Guarded, guard=guard)])
