"""Successful responses of Together's API, for all generations of its SDK.

Where generations differ, a body contains the fields of all of them. Responses are deterministic:
a word counts as a token, and the generated text is always the same sentence.
"""

import base64
import io
import re
import wave
from collections.abc import Callable, Mapping
from typing import Any

from together_otel.testing import objects
from together_otel.testing.exchange import ReceivedRequest, Reply, json_reply, stream_reply
from together_otel.testing.objects import CREATED, DEFAULT_MODEL, FILE_CONTENT, FILE_ID

REPLY = "Hello from a stand-in for Together."
"""Text that every model generates."""

NOT_FOUND = 404
_FOUND = 302
_VERSION = re.compile(r"v\d+")
_SAMPLE_RATE = 24_000


def answer(request: ReceivedRequest) -> Reply:
    """Return the response to a request with a valid key."""
    segments = [part for part in request.path.split("?", 1)[0].split("/") if part]
    if segments and _VERSION.fullmatch(segments[0]):
        segments.pop(0)
        if segments and _VERSION.fullmatch(segments[0]):
            # As Together does for 3.x with the base URL of 1.x or 2.x: its path is /v1/v1/….
            return json_reply({"error": {"message": "Not found", "code": "not_found"}}, NOT_FOUND)
    if request.method == "POST" and (generate := _GENERATIVE.get("/".join(segments))):
        return generate(request)
    if request.method == "GET":
        return _lookup(segments)
    return _order(request, segments)


def _lookup(segments: list[str]) -> Reply:
    found: object = {}
    match segments:
        case ["models"]:
            found = [objects.MODEL]
        case ["projects", project, "models"]:
            found = {"data": [objects.CUSTOM_MODEL | {"projectId": project}]}
        case ["supported-models"]:
            found = {"data": []}
        case ["whoami"]:
            found = objects.WHOAMI
        case ["files"]:
            found = {"object": "list", "data": [objects.FILE]}
        case ["files", identifier]:
            found = objects.FILE | {"id": identifier}
        case ["files", _, "content"]:
            return Reply(body=FILE_CONTENT, content_type="application/jsonl")
        case ["fine-tunes", "models", "limits"]:
            found = objects.LIMITS
    return json_reply(found)


def _order(request: ReceivedRequest, segments: list[str]) -> Reply:
    """Return the response to a request that changes something; for uploads, with the upload URL."""
    found: object = {}
    match segments:
        case ["files"]:
            headers = (("Location", _storage(request)), ("X-Together-File-Id", FILE_ID))
            return Reply(_FOUND, headers=headers)
        case ["files", "multipart", "initiate"]:
            count = request.fields.get("num_parts") or 1
            found = {
                "upload_id": "upload-1",
                "file_id": FILE_ID,
                "parts": [
                    {"PartNumber": part, "URL": f"{_storage(request)}/{part}", "Headers": {}}
                    for part in range(1, count + 1)
                ],
            }
        case ["files", "multipart", "complete"]:
            found = {"file": objects.FILE}
        case ["files", identifier, "preprocess"]:
            found = objects.FILE | {"id": identifier}
        case ["fine-tunes"]:
            found = objects.JOB
        case ["fine-tunes", "estimate-price"]:
            found = objects.PRICE
        case ["storage", *_]:
            return Reply(headers=(("ETag", '"etag-1"'),))
    return json_reply(found)


def _storage(request: ReceivedRequest) -> str:
    """Return the server's upload URL for a file's content, to which SDKs send no key."""
    return f"http://{request.headers.get('host', '')}/storage/{FILE_ID}"


def _chat(request: ReceivedRequest) -> Reply:
    fields = request.fields
    messages = [message for message in fields.get("messages", ()) if isinstance(message, dict)]
    usage = _usage(" ".join(str(message.get("content") or "") for message in messages))
    envelope = _envelope(request, "chat.completion") | {"created": CREATED}
    # Text once the conversation has a tool's result, as agents would otherwise loop for ever.
    tool = None if messages and messages[-1].get("role") == "tool" else _first_tool(fields)
    said: dict[str, Any] = {"content": None, "tool_calls": [tool]} if tool else {"content": REPLY}
    reason = "tool_calls" if tool else "stop"
    if not fields.get("stream"):
        message = {"role": "assistant"} | said
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return json_reply(envelope | {"prompt": [], "usage": usage, "choices": [choice]})

    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        delta = {"role": "assistant", **delta}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return envelope | {"object": "chat.completion.chunk", "choices": [choice]}

    deltas = [said] if tool else [{"content": word} for word in _words(REPLY)]
    last = chunk({"content": ""}, reason) | {"usage": usage}
    return stream_reply([*(chunk(delta) for delta in deltas), last])


def _first_tool(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    for tool in fields.get("tools") or ():
        function = {"name": tool["function"]["name"], "arguments": "{}"}
        return {"id": "call-1", "type": "function", "index": 0, "function": function}
    return None


def _completion(request: ReceivedRequest) -> Reply:
    usage = _usage(str(request.fields.get("prompt", "")))
    envelope = _envelope(request, "text.completion") | {"created": CREATED}
    if not request.fields.get("stream"):
        choice = {"index": 0, "text": REPLY, "finish_reason": "stop"}
        return json_reply(envelope | {"prompt": [], "usage": usage, "choices": [choice]})

    def chunk(number: int, text: str) -> dict[str, Any]:
        token = {"id": number, "logprob": 0.0, "special": not text, "text": text}
        delta = {"role": "assistant", "content": text}
        choice = {"index": 0, "text": text, "delta": delta}
        return envelope | {"object": "completion.chunk", "token": token, "choices": [choice]}

    words = _words(REPLY)
    last = chunk(len(words), "") | {"finish_reason": "stop", "usage": usage}
    last["choices"][0]["finish_reason"] = "stop"
    return stream_reply([*(chunk(place, word) for place, word in enumerate(words)), last])


def _embeddings(request: ReceivedRequest) -> Reply:
    data = [
        {"object": "embedding", "index": place, "embedding": [0.25, 0.5, 0.75]}
        for place, _ in enumerate(_listed(request.fields.get("input")))
    ]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return json_reply({"object": "list", "model": _model(request), "data": data, "usage": usage})


def _rerank(request: ReceivedRequest) -> Reply:
    documents = _listed(request.fields.get("documents"))
    results = [
        {
            "index": place,
            "relevance_score": 1 / (place + 1),
            "document": document if isinstance(document, dict) else {"text": document},
        }
        for place, document in enumerate(documents)
    ]
    found = {
        "results": results[: request.fields.get("top_n")],
        "usage": _usage(str(request.fields.get("query", "")), ""),
    }
    return json_reply(_envelope(request, "rerank") | found)


def _images(request: ReceivedRequest) -> Reply:
    if request.fields.get("response_format") in {"base64", "b64_json"}:
        image = {"type": "b64_json", "b64_json": base64.b64encode(b"an image").decode()}
    else:
        image = {"type": "url", "url": "https://images.invalid/1.png"}
    data = [{"index": place} | image for place in range(request.fields.get("n") or 1)]
    return json_reply(_envelope(request, "list") | {"data": data})


def _speech(request: ReceivedRequest) -> Reply:
    silence = bytes(480)
    if request.fields.get("stream"):
        part = {"object": "audio.tts.chunk", "model": _model(request)}
        return stream_reply([part | {"b64": base64.b64encode(silence).decode()}] * 3)
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_SAMPLE_RATE)
        writer.writeframes(silence)
    return Reply(body=sound.getvalue(), content_type="audio/wav")


def _transcript(request: ReceivedRequest) -> Reply:
    if request.fields.get("response_format") != "verbose_json":
        return json_reply({"text": REPLY})
    segment = {"id": 0, "start": 0.0, "end": 1.0, "text": REPLY}
    return json_reply({"text": REPLY, "language": "en", "duration": 1.0, "segments": [segment]})


def _video(request: ReceivedRequest) -> Reply:
    job = {"created_at": CREATED, "seconds": "1", "size": "64x64", "status": "in_progress"}
    return json_reply(_envelope(request, "video") | job)


_GENERATIVE: dict[str, Callable[[ReceivedRequest], Reply]] = {
    "chat/completions": _chat,
    "completions": _completion,
    "embeddings": _embeddings,
    "rerank": _rerank,
    "images/generations": _images,
    "audio/speech": _speech,
    "audio/transcriptions": _transcript,
    "audio/translations": _transcript,
    "videos": _video,
}


def _envelope(request: ReceivedRequest, kind: str) -> dict[str, Any]:
    return {"id": f"gen-{request.number}", "object": kind, "model": _model(request)}


def _model(request: ReceivedRequest) -> str:
    return request.model or DEFAULT_MODEL


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def _usage(prompt: str, reply: str = REPLY) -> dict[str, int]:
    asked, said = len(_words(prompt)), len(_words(reply))
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
