"""What can go wrong with a call."""


class TogetherAIError(Exception):
    """Any failure; ``status_code`` is the HTTP status, ``None`` without an answer."""

    def __init__(self, message, status_code=None):
        super().__init__(message)
        self.status_code = status_code


class AuthenticationError(TogetherAIError):
    """No API key, or one that the server refuses."""


class APIConnectionError(TogetherAIError):
    """The server could not be reached."""
