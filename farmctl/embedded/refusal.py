"""How OpenNebula says no: a code, a sentence, and the object it could not get.

Raised anywhere below `engine`, which puts the method's name before the sentence and
undoes what the call had changed so far.
"""

AUTHENTICATION = 256
AUTHORIZATION = 512
NO_EXISTS = 1024
ACTION = 2048
RPC_API = 4096
INTERNAL = 8192
ALLOCATE = 16384


class Refusal(Exception):  # noqa: N818  # an answer, no error of ours
    """An answer with `ok` false.

    Args:
        code: OpenNebula's class of error.
        message: the sentence, without the method's name.
        object_id: the object that was asked for, -1 where none is named.
    """

    def __init__(self, code: int, message: str, *, object_id: int = -1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.object_id = object_id


class Fault(Exception):  # noqa: N818  # likewise
    """A refusal of the XML-RPC layer, before OpenNebula sees the call."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def unauthorised(user_id: int, message: str) -> Refusal:
    """Return the refusal for a right, a lock, a restricted attribute or a quota."""
    return Refusal(AUTHORIZATION, f"User [{user_id}] : {message}.")


def wrong_state(message: str) -> Refusal:
    """Return the refusal for an action that the object's state does not allow."""
    return Refusal(ACTION, message)


def internal(message: str) -> Refusal:
    """Return the refusal for a value that OpenNebula does not take."""
    return Refusal(INTERNAL, message)
