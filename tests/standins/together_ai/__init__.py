"""A stand-in for an in-house wrapper of Together's API, of the shape that error reports show."""

from together_ai.client import AsyncTogetherAI, TogetherAI
from together_ai.errors import APIConnectionError, AuthenticationError, TogetherAIError

__all__ = [
    "APIConnectionError",
    "AsyncTogetherAI",
    "AuthenticationError",
    "TogetherAI",
    "TogetherAIError",
]
