"""A service that answers questions, without code for keys, metrics or recovery."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import together
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from together import AsyncTogether

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"


@asynccontextmanager
async def client_for_life(service: FastAPI) -> AsyncIterator[None]:
    """Create one client when a worker starts, and close it when the worker ends."""
    async with AsyncTogether() as client:
        service.state.together = client
        yield


app = FastAPI(lifespan=client_for_life)


@app.get("/ask")
async def ask(question: str, request: Request) -> dict[str, str]:
    """Return the model's answer."""
    answer = await request.app.state.together.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}]
    )
    return {"answer": answer.choices[0].message.content}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Report that the process runs; its metrics show whether Together answers."""
    return {"status": "up"}


@app.exception_handler(together.APIError)
async def unavailable(_request: Request, exc: Any) -> JSONResponse:
    """Answer 503 if a request to Together fails; its message stays in the log and the trace."""
    return JSONResponse({"error": type(exc).__name__}, status_code=503)
