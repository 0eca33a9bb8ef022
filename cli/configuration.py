"""A home's configuration: wikibraid.yaml in its folder, where the log and the store lie, and the datasets' settings.

Secrets are never in it: they come from files that variables of the environment name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from ssl import SSLContext, SSLError, create_default_context
from typing import Any, Generic, TypeVar

import msgspec
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cli.failures import Failure
from serving.cassandra_session import Security
from shared_logic.registry import SettingsError, registry

EMBEDDED = "embedded"
"""The log and the store in the home's own folder."""
CASSANDRA_LOGIN = "WIKIBRAID_CASSANDRA_LOGIN"
"""Names a file: the user in its first line, the password in its second."""
CASSANDRA_AUTHORITIES = "WIKIBRAID_CASSANDRA_CA"
"""Names a file: certificates in PEM, by one of which every node's own must be signed; with it all is encrypted."""
CASSANDRA_CERTIFICATE = "WIKIBRAID_CASSANDRA_CERTIFICATE"
"""Names a file: certificate and key of the client in PEM, where nodes demand one."""
DATABASE_PASSWORD = "WIKIBRAID_DATABASE_PASSWORD"  # noqa: S105  a name
"""Names a file: the password of the user who reads MediaWiki's database, in its first line."""
SPEED_MEMORY = "WIKIBRAID_SPEED_MEMORY"
"""Says how much of entities a speed daemon holds in memory, as in 4GB."""
KAFKA_OPTIONS = "WIKIBRAID_KAFKA_OPTIONS"
"""Names a file of librdkafka's options, one name=value a line, such as those of TLS and SASL."""


T = TypeVar("T")


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What wikibraid.yaml says; every line may be left out."""

    log: str = EMBEDDED
    """embedded, or kafka://HOST:PORT/TOPIC."""
    store: str = EMBEDDED
    """embedded, or cassandra://HOST:PORT/KEYSPACE."""
    datasets: dict[str, dict[str, Any]] = {}
    """Settings of datasets, by the name of the settings."""


def configuration(path: Path) -> Configuration:
    """Read a configuration; a file that isn't there says nothing.

    Raises:
        Failure: it can't be used; the message names the file, the line and what is wrong.
    """
    return parsed(path, Configuration) if path.exists() else Configuration()


def parsed(path: Path, kind: type[T]) -> T:
    """What the YAML file says, as a value of that type.

    Raises:
        Failure: it is none; the message names `path`, the line and what is wrong.
    """
    found, node = _read(path)
    return _converted(found, node, path, kind, ())


@dataclass(frozen=True)
class Entries(Generic[T]):
    """Named entries of a file, each of the same type."""

    path: Path
    entries: Mapping[str, T]
    node: yaml.Node | None

    def mistake(self, why: str, *place: str) -> Failure:
        """What is wrong at that place, names of entries and fields from the outside in, with file and line."""
        return Failure(f"{self.path}, line {_line(self.node, place)}: {why}")


def parsed_entries(path: Path, kind: type[T]) -> Entries[T]:
    """What the YAML file says, as named values of that type.

    Raises:
        Failure: it is none; the message names `path`, the line and what is wrong.
    """
    found, node = _read(path)
    if not isinstance(found, dict):
        message = f"{path}, line {_line(node, ())}: names with what belongs to each are wanted, as in `name:` and lines below it"
        raise Failure(message)
    entries = {str(name): _converted(value, node, path, kind, (str(name),)) for name, value in found.items()}
    return Entries(path, entries, node)


def mistaken(path: Path, why: str, *place: str) -> Failure:
    """What is wrong at that place of a file, names from the outside in, with the file and, where the file says it, the line."""
    node = _read(path)[1] if path.exists() else None
    return Failure(f"{path}{'' if node is None else f', line {_line(node, place)}'}: {why}")


def rewritten(path: Path, values: Mapping[tuple[str, ...], str]) -> None:
    """Have other texts at these places of a file, names from the outside in, and leave all else of it as it is.

    Raises:
        Failure: a text stands there in a form that only a person can change; the message names the line. Nothing is changed then.
    """
    text = _text(path)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    spans = {}
    for place, value in values.items():
        found = _found(node, place)
        if isinstance(found, yaml.ScalarNode):
            spans[found.start_mark.index, found.end_mark.index] = found.value, value
    for (begin, end), (before, now) in sorted(spans.items(), reverse=True):
        text = text[:begin] + text[begin:end].replace(before, now) + text[end:]
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for place, value in values.items():
        if getattr(_found(node, place), "value", None) != value:
            raise mistaken(path, f"{place[-1]}: write {value}", *place)
    whole = path.resolve()  # of a link the file that it leads to
    unfinished = whole.with_name(f".{whole.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(whole)


def configure_datasets(told: Configuration, path: Path) -> None:
    """Set what a configuration says of datasets; `path` is the file that says so.

    Raises:
        Failure: no dataset has such settings, or they can't have such a value.
    """
    try:
        registry.configure(told.datasets)
    except SettingsError as error:
        cause, kinds = error.__cause__, registry.settings_kinds
        if not isinstance(cause, msgspec.ValidationError):
            raise mistaken(path, f"datasets: {error}", "datasets", error.settings) from error
        why, steps = _explained(str(cause), kinds[error.settings])
        why = f"datasets: {error.settings}: {why}"
        raise mistaken(path, why, "datasets", error.settings, *steps) from error


def _read(path: Path) -> tuple[Any, yaml.Node | None]:
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_names(node, path, set())
        return ({} if node is None else yaml.safe_load(text)), node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        message = f"{path}, line {line}: no YAML ({getattr(error, 'problem', error)})"
        raise Failure(message) from error


def _text(path: Path) -> str:
    try:
        found = path.read_bytes()
        return found.decode()
    except OSError as error:
        message = f"{path}: can't be read ({error.strerror})"
        raise Failure(message) from error
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        message = f"{path}, line {line}: no text in UTF-8 ({error.reason}); save the file as UTF-8"
        raise Failure(message) from error


def _refuse_names(node: yaml.Node | None, path: Path, around: set[yaml.Node]) -> None:
    """A name that stands twice in one place would silently replace the first; lists and the like are no names; nothing is in itself."""
    if not isinstance(node, yaml.CollectionNode):
        return
    line = node.start_mark.line + 1
    if node in around:
        message = f"{path}, line {line}: what stands here is named again within itself"
        raise Failure(message)
    seen: set[str] = set()
    for one in node.value:
        key, value = one if isinstance(node, yaml.MappingNode) else (None, one)
        if key is not None:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                message = f"{path}, line {line}: a name is wanted before the colon, as in `name:`"
                raise Failure(message)
            if key.value in seen:
                message = f"{path}, line {line}: {key.value} stands here a second time"
                raise Failure(message)
            seen.add(key.value)
        _refuse_names(value, path, around | {node})


def _converted(found: Any, node: yaml.Node | None, path: Path, kind: type[T], place: tuple[str, ...]) -> T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        why, steps = _explained(str(error), kind)
        where = f"{place[0]}: " if place else ""
        message = f"{path}, line {_line(node, (*place, *steps))}: {where}{why}"
        raise Failure(message) from error


_IN_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "names with what belongs to each",
    "str": "text",
}
"""What msgspec calls types."""


def _explained(message: str, kind: type) -> tuple[str, list[str]]:
    """What is wrong with a value of that kind, in which field, out of what msgspec tells; and the names and numbers that lead there.

    A field that nothing knows is one of them.
    """
    why, _, inner = message.partition(" - at `")
    steps = [name or number for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", inner)]
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", why):
        return _unknown(unknown[1], kind), [*steps, unknown[1]]
    if missing := re.fullmatch(r"Object missing required field `(.*)`", why):
        return f"{missing[1]} is missing", steps
    where = f"{'.'.join(steps)}: " if steps else ""
    return where + _wanted(why), steps


def _unknown(name: str, kind: type) -> str:
    names = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else ()
    if alike := get_close_matches(name, names, 1):
        return f"there is no {name}; did you mean {alike[0]}?"
    return f"there is no {name}, but {', '.join(names)}"


def _wanted(why: str) -> str:
    """What is wrong with a value, in words where they are known."""
    if bound := re.fullmatch(r"Expected `int` ([<>])= (-?\d+)", why):
        return f"at {'most' if bound[1] == '<' else 'least'} {bound[2]} is wanted"
    if types := re.fullmatch(r"Expected `([\w |]+)`, got `(\w+)`", why):
        wanted, found = (
            " or ".join(_IN_WORDS.get(one, one) for one in told.split(" | ")) for told in types.groups()
        )
        return f"{wanted} {'are' if types[1] == 'object' else 'is'} wanted, and this is {found}"
    return f"{why.removeprefix('Expected ')} is wanted" if why.startswith("Expected ") else why


def cassandra_security() -> Security:
    """What the environment names files of: user and password, certificates of authorities, and the client's own.

    Raises:
        Failure: a file isn't there, or says something else.
    """
    return Security(_login(), _tls())


def _login() -> tuple[str, str] | None:
    path = os.environ.get(CASSANDRA_LOGIN)
    if not path:
        return None
    lines = _secret(path, CASSANDRA_LOGIN).splitlines()
    if len(lines) != 2:  # noqa: PLR2004  what it holds
        message = (
            f"{path} ({CASSANDRA_LOGIN}): write the user in the first line and the password in the second"
        )
        raise Failure(message)
    return lines[0], lines[1]


def _tls() -> SSLContext | None:
    authorities, own = os.environ.get(CASSANDRA_AUTHORITIES), os.environ.get(CASSANDRA_CERTIFICATE)
    if not authorities:
        if own:
            message = f"{CASSANDRA_CERTIFICATE} is set and {CASSANDRA_AUTHORITIES} is not; TLS needs to know whom to believe"
            raise Failure(message)
        return None
    _secret(authorities, CASSANDRA_AUTHORITIES)
    try:
        context = create_default_context(cafile=authorities)
    except SSLError as error:
        message = f"{authorities} ({CASSANDRA_AUTHORITIES}): no certificates in PEM ({error.reason})"
        raise Failure(message) from error
    if own:
        _secret(own, CASSANDRA_CERTIFICATE)
        try:
            context.load_cert_chain(own)
        except SSLError as error:
            message = f"{own} ({CASSANDRA_CERTIFICATE}): no certificate with its key in PEM ({error.reason})"
            raise Failure(message) from error
    return context


def database_password() -> str:
    """The password for MediaWiki's database; empty, if the environment names no file of it.

    Raises:
        Failure: the file isn't there.
    """
    path = os.environ.get(DATABASE_PASSWORD)
    return _secret(path, DATABASE_PASSWORD).partition("\n")[0] if path else ""


def kafka_options() -> Mapping[str, str]:
    """Options of librdkafka, if the environment names a file of them.

    Raises:
        Failure: the file isn't there, has a line that is no option, or says what no client can be made with.
    """
    path = os.environ.get(KAFKA_OPTIONS)
    if not path:
        return {}
    options: dict[str, str] = {}
    for number, line in enumerate(_secret(path, KAFKA_OPTIONS).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            message = f"{path}, line {number} ({KAFKA_OPTIONS}): write name=value"
            raise Failure(message)
        options[name.strip()] = value.strip()
    try:
        AdminClient({"log_level": 0, **options})
    except KafkaException as error:
        message = f"{path} ({KAFKA_OPTIONS}): {error.args[0].str()}"
        raise Failure(message) from error
    return options


def _secret(path: str, variable: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        message = f"{path} ({variable}): can't be read ({why})"
        raise Failure(message) from error


def _line(node: yaml.Node | None, place: Sequence[str]) -> int:
    """The line, from 1, of what these names and numbers lead to, as far as they lead."""
    found = _found(node, place)
    return 1 if found is None else found.start_mark.line + 1


def _found(node: yaml.Node | None, place: Sequence[str]) -> yaml.Node | None:
    """What these names and numbers lead to, as far as they lead."""
    for step in place:
        inner = _inner(node, step)
        if inner is None:
            break
        node = inner
    return node


def _inner(node: yaml.Node | None, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and step.isdigit():
        return node.value[int(step)] if int(step) < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None
