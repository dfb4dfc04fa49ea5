"""The HTTP client: the OpenAI chat and completion protocols, with the reply store, retries and a budget.

    Request ──► reply store ──(not there)──► a place at an address ──► endpoint ──► reply store ──► Reply

Requests in flight and replies on their way to the disk are together never more than `concurrency`: so much a sudden end
can cost. Faults are sorted in `faults.py`; what is done about each is decided in `retries.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from mminstruct.errors import BudgetError, EndpointError, MMInstructError
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Reply, Request, body_text
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.addresses import Addresses, Place
from mminstruct.llm.http.exchange import exchange, read_completion
from mminstruct.llm.http.faults import Fault, RowRefused, exhausted_for_s
from mminstruct.llm.http.retries import Retries, Tries
from mminstruct.llm.http.wire import Route, Session
from mminstruct.llm.pictures import PictureCache
from mminstruct.llm.store.remote import Replies
from mminstruct.llm.structured import without_schema
from mminstruct.llm.usage import Account, Spent, Usage

_WORDS_ABOUT_SCHEMAS = ("response_format", "json_schema", "structured output", "guided")  # in a refusal of one
_CHARACTERS_PER_TOKEN = 4.0
_ROWS_PER_PLACE = 2  # rows to work on at once: those that wait out a pause must not leave places empty


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way."""

    request_id: str
    text: str  # JSON, as the store keeps it
    data: bytes  # as the wire has it: with the pictures
    path: str
    n_tokens: float  # about, for the rate limit


class HttpChat:
    """A language model at OpenAI-compatible addresses; satisfies `Chat`. One instance a stage, for its usage."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: Replies,
        session: Session,
        account: Account | None = None,
        budget: Budget | None = None,
        pictures: PictureCache | None = None,
    ) -> None:
        self.model = endpoint.model
        self.usage = Usage()
        self._endpoint = endpoint
        self._store = store
        self._session = session
        self._account = account or Account("", "")
        self._budget = budget
        self._pictures = pictures or PictureCache()
        self._addresses = Addresses(endpoint)
        self._retries = Retries(endpoint, self._addresses)
        self._headers = endpoint.headers
        self._routes: dict[tuple[str, str], Route] = {}  # by address and path
        self.rows_at_once = _ROWS_PER_PLACE * endpoint.concurrency * len(endpoint.addresses)
        self._asking: dict[str, asyncio.Future[Reply]] = {}
        self._stopping: MMInstructError | None = None
        self._lacks_schemas = False  # the endpoint has refused a `response_format`

    @property
    def level(self) -> int:
        """Requests that may be in flight at present, over all addresses."""
        return sum(address.level.limit for address in self._addresses.all)

    @property
    def n_in_flight(self) -> int:
        """Requests that are sent, and replies that are not yet stored."""
        return self._addresses.in_flight

    def stop(self, error: MMInstructError) -> None:
        """Send nothing more; everybody who waits gets `error` once those in flight have come home."""
        self._stopping = self._stopping or error

    async def ask(self, request: Request) -> Reply:
        """Return the stored reply, or ask the endpoint; see `Chat.ask`. Raises BudgetError where nothing is left."""
        request = request.with_parameters(self._endpoint.parameters)
        canonical = request.canonical()
        request_id = request.request_id(self.model, canonical)
        if request_id in self._asking:  # the same question from another row: one request serves both
            return await asyncio.shield(self._asking[request_id])
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asking[request_id] = future
        try:
            reply = await self._store.find(request_id)
            if reply is None:
                reply = await self._until_answered(request, request_id, canonical)
            else:
                self.usage.cached += 1
            future.set_result(reply)
            return reply
        except BaseException as error:
            future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not future.cancelled():
                future.exception()  # marks it as seen: usually nobody else waits
            raise
        finally:
            del self._asking[request_id]

    async def _call(self, request: Request, request_id: str, canonical: str) -> _Call:
        text = body_text(self.model, canonical)
        sent = await self._pictures.fill_in(text, request, request_id)
        completion_tokens = self.usage.completion_tokens / max(1, self.usage.requests)  # as far as is known by now
        n_tokens = len(text) / _CHARACTERS_PER_TOKEN + completion_tokens
        path = "/chat/completions" if request.messages else "/completions"
        return _Call(request_id, text, _utf8(sent), path, n_tokens)

    async def _until_answered(self, request: Request, request_id: str, canonical: str) -> Reply:
        if self._lacks_schemas:
            request = without_schema(request)
            canonical = request.canonical()
        call, tries = await self._call(request, request_id, canonical), Tries(request_id)
        while True:
            place = await self._addresses.enter(call.n_tokens)
            if error := self._reason_to_stop():
                self._addresses.leave(place)
                raise await self._stop(error)
            sent_at = asyncio.get_running_loop().time()
            try:
                route = self._route(place.address.url, call.path)
                content, headers = await exchange(route, call.data, self._endpoint.timeout_s)
                reply = read_completion(content, call.request_id, self.model)
            except Fault as fault:
                self._addresses.leave(place, fault, call.request_id)
                if _refuses_schema(fault, request):
                    self._lacks_schemas, request = True, without_schema(request)
                    call = await self._call(request, request_id, request.canonical())
                    continue
                await asyncio.sleep(await self._pause_s(fault, tries, place))
            except BaseException:
                self._addresses.leave(place)
                raise
            else:
                latency_s = asyncio.get_running_loop().time() - sent_at
                n_more_tokens = reply.prompt_tokens + reply.completion_tokens - call.n_tokens
                self._addresses.replied(place, latency_s, exhausted_for_s(headers), n_more_tokens)
                try:
                    await self._keep(reply, call)
                finally:
                    self._addresses.landed(place)
                return reply

    def _route(self, address: str, path: str) -> Route:
        route = self._routes.get((address, path))
        if route is None:
            parts = urlsplit(address)
            url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))
            route = self._routes[address, path] = self._session.route(url, self._headers)
        return route

    async def _keep(self, reply: Reply, call: _Call) -> None:
        """Book the reply and return once it is committed."""
        cost = self._endpoint.cost(reply.prompt_tokens, reply.completion_tokens)
        self.usage.count(reply.prompt_tokens, reply.completion_tokens)
        if self._budget is not None:
            self._budget.charge(Spent(1, reply.prompt_tokens, reply.completion_tokens, cost))
        await self._store.put(reply, call.text, self._account, cost)

    async def _pause_s(self, fault: Fault, tries: Tries, place: Place) -> float:
        """Return the seconds until the next try, or raise where there is none."""
        now = asyncio.get_running_loop().time()
        try:
            pause_s = self._retries.pause_s(fault, tries, place.address, len(self._asking), now)
        except EndpointError as error:
            raise await self._stop(error) from fault
        self.usage.retries += 1
        return pause_s

    def _reason_to_stop(self) -> MMInstructError | None:
        if self._stopping is not None:
            return self._stopping
        reached = self._budget.reached() if self._budget is not None else None
        return BudgetError(reached) if reached else None

    async def _stop(self, error: MMInstructError) -> MMInstructError:
        """Stop, let those in flight come home to the store, and return the error to raise."""
        self.stop(error)
        await self._addresses.at_rest()
        if isinstance(self._stopping, BudgetError) and self._budget is not None:
            return BudgetError(self._budget.reached() or str(error))  # with what has come home since
        return self._stopping or error


def _refuses_schema(fault: Fault, request: Request) -> bool:
    """Tell whether a request was refused for its `response_format`, and could go without."""
    told = fault.detail.lower()
    return (
        isinstance(fault, RowRefused)
        and any(word in told for word in _WORDS_ABOUT_SCHEMAS)
        and without_schema(request) is not request
    )


def _utf8(text: str) -> bytes:
    """Return JSON text as bytes; a lone surrogate, which has no UTF-8 form, as its escape."""
    return text.encode("utf-8", "backslashreplace")
