"""Errors of the API: one shape for every status, `{"message": text, "error": text or issues}` (public-api.md section 1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from litefuse.clickhouse.codes import BUSY, TOO_MUCH, TOO_SLOW
from litefuse.errors import LitefuseError, StoreError, StoreMisconfigured, StoreTooBig


class Issue(TypedDict):
    code: str
    path: list[str | int]
    message: str


class Error(TypedDict):
    """What every error is, as the OpenAPI document has it."""

    message: str
    error: str | list[Issue]


class ApiError(LitefuseError):
    """An answer that is no success. `error` is a word of a closed set, or a list of issues."""

    def __init__(
        self, status: int, message: str, error: str | Sequence[Mapping[str, Any]], *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        return {"message": str(self), "error": self.error}


def invalid(message: str) -> ApiError:
    """400 for what is well-formed and cannot be: an unknown column, a broken cursor."""
    return ApiError(400, message, "InvalidRequestError")


def issue(code: str, path: Sequence[str | int], message: str) -> dict[str, Any]:
    """What is wrong with one value; `path` leads to it."""
    return {"code": code, "path": list(path), "message": message}


def refused(issues: Sequence[Mapping[str, Any]]) -> ApiError:
    """400 for values that are not what the schema says."""
    return ApiError(400, "Invalid request data", list(issues))


def not_found(message: str) -> ApiError:
    return ApiError(404, message, "LangfuseNotFoundError")


def forbidden(why: str = "") -> ApiError:
    text = "Access denied - insufficient permissions for this endpoint"
    return ApiError(403, f"{text}: {why}" if why else text, "ForbiddenError")


def of_store(error: StoreError) -> ApiError:
    """What a failed read is to a client: 422 when it asks for too much, 429 when others ask too, else 503."""
    if error.code in TOO_SLOW:
        return ApiError(422, "Request timed out: ask for less, or for a shorter range of time", "Request timed out")
    if error.code in TOO_MUCH or isinstance(error, StoreTooBig):
        return ApiError(
            422, "The answer is too large: ask for less, or for a shorter range of time", "PayloadTooLargeError"
        )
    if error.code == BUSY:
        return ApiError(429, "Too many requests at once", "TooManyRequestsError", retry_after=1)
    # A missing table or a wrong password can pass too: an operator is at work.
    retry_after = 5 if isinstance(error, StoreMisconfigured) else 1
    return ApiError(503, "Service Unavailable", "ServiceUnavailableError", retry_after=retry_after)
