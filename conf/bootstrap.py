"""Prepare a fresh checkout: uv, the virtual environment, Java and the Spark jars.

Only the standard library is used, so any Python 3.11 or 3.12 can run it, with neither pip nor ensurepip.
Everything lands inside the checkout (``.tools`` and ``.venv``); the one exception is a Java runtime from the
system's packages, installed only when there is none and the script runs as root; and so with the browser of the tests.

Every download is pinned by version and SHA-256. Indexes and mirrors configured by the environment
(``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``, ``PIP_INDEX_URL``, pip's configuration files, ``MAVEN_MIRROR``, Maven's
``settings.xml``) are used; the checksums make them safe to use. A second run with nothing to do takes well
under two seconds.

``python conf/bootstrap.py cassandra kafka`` fetches the jars of these servers (67 and 43 MB) into ``.tools/cassandra``
and ``.tools/kafka`` and does nothing else; only servers that are started here need them. ``mariadb`` (149 MB) and ``chromium``, from
the system's packages, are for tests.
"""

from __future__ import annotations

import configparser
import hashlib
import html.parser
import http.client
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
UV_BINARY = TOOLS / "uv" / "uv"
PACKAGES = ROOT / "packages.txt"
"""Packages of authors' datasets, as requirements; not under version control."""
SERVERS = ("cassandra", "kafka", "mariadb")
"""Whose jars are listed in conf/ and fetched into a folder of their own."""

OLDEST_PYTHON = (3, 11)
FIRST_UNSUPPORTED_PYTHON = (3, 13)
OLDEST_JAVA = 17
JAVA_PACKAGES = ("openjdk-17-jre-headless", "default-jre-headless")
CHROMIUM = "chromium"
CHROMIUM_PACKAGES = ("chromium", "chromium-driver")
CHROMIUM_PROGRAMS = ("chromium", "chromedriver")

PUBLIC_INDEX = "https://pypi.org/simple"
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"

ATTEMPTS = 4
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class UvWheel:
    """A published uv wheel for one processor."""

    filename: str
    sha256: str


@dataclass(frozen=True)
class Jar:
    """One jar, addressed by its path below a Maven repository."""

    path: str
    sha256: str

    @property
    def filename(self) -> str:
        """The last part of the path: the name in the folder of jars."""
        return self.path.rpartition("/")[2]


UV_VERSION = "0.13.9"
UV_WHEELS = {
    "x86_64": UvWheel(
        f"uv-{UV_VERSION}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "aarch64": UvWheel(
        f"uv-{UV_VERSION}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
}

# Delta 4.4.0 for Spark 4.1. Its other declared dependencies (the kernel, Unity Catalog's client) are reached only
# through catalog-managed tables, which this project does not use; the rest comes with Spark itself.
JARS = (
    Jar(
        "io/delta/delta-spark_4.1_2.13/4.4.0/delta-spark_4.1_2.13-4.4.0.jar",
        "75a9400986853c061f5109f012547de2545a5759e5e752e5ef633dabe16a4f10",
    ),
    Jar(
        "io/delta/delta-storage/4.4.0/delta-storage-4.4.0.jar",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
)


class SetupError(Exception):
    """The checkout cannot be prepared; the message says what to do about it."""


def say(message: str) -> None:
    """Print one progress line at once."""
    print(f"setup: {message}", flush=True)


# --- downloads ------------------------------------------------------------------------------------------------


def tls_context() -> ssl.SSLContext:
    """Trust the system's certificates, and those named by SSL_CERT_FILE, PIP_CERT or pip's ``cert`` option."""
    context = ssl.create_default_context()
    candidates = [os.environ.get("PIP_CERT"), *pip_option("cert"), "/etc/ssl/certs/ca-certificates.crt"]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            context.load_verify_locations(cafile=candidate)
    return context


def open_url(url: str, accept: str = "*/*") -> http.client.HTTPResponse:
    """Open an http(s) address, with the proxy settings of the environment."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        message = f"{url}: only http and https addresses are supported"
        raise SetupError(message)
    headers = {"Accept": accept, "User-Agent": "wikibraid-setup/0.1"}
    if parts.username is not None:
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        host = parts.netloc.rpartition("@")[2]
        url = urllib.parse.urlunsplit(parts._replace(netloc=host))
        user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        manager.add_password(None, url, user, password)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPBasicAuthHandler(manager)]
    else:
        handlers = []
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls_context()), *handlers)
    response: http.client.HTTPResponse = opener.open(
        urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
    )
    return response


def without_credentials(url: str) -> str:
    """Return the address without a user name and password, fit for a message."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def fetch(url: str, accept: str = "*/*") -> bytes:
    """Return what an address holds; try again after a passing failure, give up at once on a clear refusal."""
    shown = without_credentials(url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with open_url(url, accept) as response:
                chunks = list(iter(lambda: response.read(CHUNK_BYTES), b""))
            return b"".join(chunks)
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}"
            refused = error.code in {401, 403, 404, 410}
        except urllib.error.URLError as error:
            reason = str(error.reason)
            refused = isinstance(error.reason, ssl.SSLCertVerificationError)
            if refused:
                reason += " (is the package ca-certificates installed?)"
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__} {error}"
            refused = False
        if refused or attempt == ATTEMPTS:
            break
        pause = 2**attempt
        say(f"{shown}: {reason}; trying again in {pause} s ({attempt} of {ATTEMPTS - 1})")
        time.sleep(pause)
    message = f"{shown}: {reason}"
    raise SetupError(message)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def store_verified(content: bytes, sha256: str, target: Path, origin: str) -> None:
    """Write a download under its final name only when it is exactly what was pinned."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        message = f"{without_credentials(origin)}: SHA-256 is {actual}, but {sha256} was expected"
        raise SetupError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    partial.write_bytes(content)
    partial.replace(target)


# --- uv and the virtual environment ---------------------------------------------------------------------------


def pip_option(name: str) -> Iterator[str]:
    """Yield the values of one option of pip's configuration files, the strongest file first."""
    home = Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [
        config_home / "pip" / "pip.conf",
        home / ".pip" / "pip.conf",
        *(
            Path(folder) / "pip" / "pip.conf"
            for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        ),
        Path("/etc/pip.conf"),
    ]
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen:
        paths.insert(0, Path(chosen))
    for path in paths:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("install", "global"):
            value = parser.get(section, name, fallback="").strip()
            if value:
                yield value


def configured_index() -> str | None:
    """Return the Python package index that this machine is set up to use, or None for the public one."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    configured = next((os.environ[name] for name in names if os.environ.get(name)), None)
    index = configured or next(pip_option("index-url"), None)
    if index is None or index.rstrip("/") == PUBLIC_INDEX:
        return None
    return index.rstrip("/")


class LinkCollector(html.parser.HTMLParser):
    """Collect the addresses of all links of an index page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember where an ``<a>`` leads."""
        if tag == "a":
            self.links.extend(value for key, value in attrs if key == "href" and value)


def find_in_index(index: str, project: str, filename: str) -> str:
    """Return the address of one file of a project, from an index that answers in JSON or in HTML."""
    page = f"{index}/{project}/"
    text = fetch(page, "application/vnd.pypi.simple.v1+json, text/html;q=0.5").decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        links = [str(entry["url"]) for entry in json.loads(text)["files"]]
    else:
        collector = LinkCollector()
        collector.feed(text)
        links = collector.links
    for link in links:
        address = urllib.parse.urldefrag(urllib.parse.urljoin(page, link)).url
        if urllib.parse.unquote(urllib.parse.urlsplit(address).path).rpartition("/")[2] == filename:
            return address
    message = f"{without_credentials(page)} does not list {filename}"
    raise SetupError(message)


def uv_is_ready() -> bool:
    """Tell whether ``.tools/uv/uv`` is the pinned version and runs."""
    if not UV_BINARY.is_file():
        return False
    try:
        answer = subprocess.run([UV_BINARY, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.split()[1:2] == [UV_VERSION]


def ensure_uv() -> None:
    """Put the pinned uv into ``.tools/uv``."""
    if uv_is_ready():
        return
    wheel = UV_WHEELS.get(platform.machine())
    if wheel is None or sys.platform != "linux":
        message = f"no pinned uv for {sys.platform} on {platform.machine()}: Linux on {' or '.join(UV_WHEELS)} is needed"
        raise SetupError(message)
    problems = []
    for index in dict.fromkeys(filter(None, (configured_index(), PUBLIC_INDEX))):
        say(f"fetching uv {UV_VERSION} from {without_credentials(index)}")
        archive = UV_BINARY.parent / wheel.filename
        try:
            address = find_in_index(index, "uv", wheel.filename)
            store_verified(fetch(address), wheel.sha256, archive, address)
        except SetupError as error:
            problems.append(str(error))
            continue
        partial = UV_BINARY.with_name("uv.part")
        with zipfile.ZipFile(archive) as members, partial.open("wb") as binary:
            shutil.copyfileobj(members.open(f"uv-{UV_VERSION}.data/scripts/uv"), binary)
        partial.chmod(0o755)
        partial.replace(UV_BINARY)
        archive.unlink()
        return
    message = "uv could not be fetched: " + "; ".join(problems)
    raise SetupError(message)


def run_uv(*arguments: str, index: str | None) -> None:
    """Run uv on this checkout, with this Python and without downloads of another one."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "UV_FROZEN"}
    }
    environment |= {
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
        "UV_HTTP_TIMEOUT": environment.get("UV_HTTP_TIMEOUT", "180"),
    }
    if index is not None:
        environment["UV_DEFAULT_INDEX"] = index
    done = subprocess.run([UV_BINARY, *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        message = f"`uv {' '.join(arguments)}` ended with status {done.returncode}: its messages are above"
        raise SetupError(message)


def ensure_environment(groups: list[str]) -> None:
    """Make ``.venv`` hold exactly what ``uv.lock`` says.

    The lock names the public index. Where the machine is set up for another one, the same versions with the same
    checksums are installed from there instead.
    """
    python = ("--python", sys.executable)
    wanted = [part for group in groups for part in ("--group", group)]
    index = configured_index()
    if index is None:
        run_uv("sync", "--frozen", "--quiet", *python, *wanted, index=None)
        return
    requirements = TOOLS / "requirements.txt"
    export = ("--no-emit-project", "--quiet", "--output-file", str(requirements))
    run_uv("export", "--frozen", *export, *python, *wanted, index=index)
    # What packages.txt no longer names has to go, as `uv sync` removes it.
    named = sha256_of(PACKAGES) if PACKAGES.is_file() else ""
    state = sha256_of(requirements) + sha256_of(ROOT / "pyproject.toml") + sys.executable + named
    installed = VENV / ".installed"
    if installed.is_file() and installed.read_text(encoding="utf-8") == state:
        return
    say(f"installing the locked versions from {without_credentials(index)}")
    run_uv("venv", "--quiet", "--clear", *python, str(VENV), index=index)
    target = ("--quiet", "--python", str(VENV / "bin" / "python"))
    run_uv("pip", "sync", "--require-hashes", *target, str(requirements), index=index)
    run_uv("pip", "install", "--no-deps", *target, "--editable", str(ROOT), index=index)
    installed.write_text(state, encoding="utf-8")


def ensure_packages() -> None:
    """Install what ``packages.txt`` names beside what the lock says, of which nothing is changed."""
    if not PACKAGES.is_file():
        return
    index, locked = configured_index(), TOOLS / "locked.txt"
    run_uv(
        "export",
        "--frozen",
        "--no-hashes",
        "--no-emit-project",
        "--all-groups",
        "--quiet",
        "--output-file",
        str(locked),
        index=index,
    )
    beside = ("--constraints", str(locked), "--requirements", str(PACKAGES))
    run_uv("pip", "install", "--quiet", "--python", str(VENV / "bin" / "python"), *beside, index=index)


# --- Java -----------------------------------------------------------------------------------------------------


def java_version(binary: str) -> int | None:
    """Return the major version of a ``java`` program, or None when it cannot be run."""
    try:
        answer = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match else None


def install_package(*choices: tuple[str, ...]) -> None:
    """Install the first of these sets of Debian packages that there is, as root."""
    apt = ["apt-get", "-q", "-y"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "update"], env=environment, check=False)
    for packages in choices:
        say(f"installing {' '.join(packages)}")
        install = [*apt, "install", "--no-install-recommends", *packages]
        if subprocess.run(install, env=environment, check=False).returncode == 0:
            return
    message = f"apt-get could install none of {', '.join(map(' '.join, choices))}: its messages are above"
    raise SetupError(message)


def may_install() -> bool:
    """Tell whether this process can install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def ensure_java() -> None:
    """Make sure that the ``java`` that Spark will start is new enough."""
    home = os.environ.get("JAVA_HOME")
    binary = str(Path(home) / "bin" / "java") if home else "java"
    version = java_version(binary)
    if version is not None and version >= OLDEST_JAVA:
        return
    found = "no Java was found" if version is None else f"{binary} is Java {version}"
    if home:
        message = (
            f"JAVA_HOME is {home}, but {found}: unset JAVA_HOME or point it at Java {OLDEST_JAVA} or newer"
        )
        raise SetupError(message)
    command = f"apt-get update && apt-get install -y {JAVA_PACKAGES[0]}"
    if not may_install():
        message = f"Spark needs Java {OLDEST_JAVA} or newer and {found}; run: sudo sh -c '{command}'"
        raise SetupError(message)
    say(f"Spark needs Java {OLDEST_JAVA} or newer and {found}; running: {command}")
    install_package(*((package,) for package in JAVA_PACKAGES))
    version = java_version(binary)
    if version is None or version < OLDEST_JAVA:
        message = f"a Java runtime was installed, but `java` is still not Java {OLDEST_JAVA} or newer"
        raise SetupError(message)


# --- the browser of the tests --------------------------------------------------------------------------------------


def ensure_chromium() -> None:
    """Make sure that there is a browser in which pages can be tried."""
    if all(map(shutil.which, CHROMIUM_PROGRAMS)):
        return
    if not may_install():
        message = f"there is no Chromium; run: sudo sh -c 'apt-get update && apt-get install -y {' '.join(CHROMIUM_PACKAGES)}'"
        raise SetupError(message)
    install_package(CHROMIUM_PACKAGES)


# --- jars -----------------------------------------------------------------------------------------------------


def settings_mirrors() -> Iterator[str]:
    """Yield the mirrors of Maven Central that Maven's own settings name."""
    for path in (Path.home() / ".m2" / "settings.xml", Path("/etc/maven/settings.xml")):
        try:
            root = ET.fromstring(path.read_bytes())
        except (OSError, ET.ParseError):
            continue
        for mirror in root.iterfind(".//{*}mirror"):
            of = (mirror.findtext("{*}mirrorOf") or "").split(",")
            url = (mirror.findtext("{*}url") or "").strip()
            mirrored = {part.strip() for part in of}
            if (
                url.startswith("http")
                and "!central" not in mirrored
                and {"*", "central", "external:*"} & mirrored
            ):
                yield url


def lock_of(server: str) -> Path:
    """Return the listing of a server's jars."""
    return ROOT / "conf" / f"{server}.lock"


def server_jars(server: str) -> tuple[Jar, ...]:
    """Return the jars that a server's listing names."""
    lines = lock_of(server).read_text(encoding="utf-8").splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    return tuple(Jar(path, sha256) for sha256, path in entries)


def ensure_jars(folder: Path, jars: tuple[Jar, ...]) -> None:
    """Put these jars into the folder, and nothing else."""
    missing = [jar for jar in jars if not is_intact(folder / jar.filename, jar.sha256)]
    repositories = [
        url.rstrip("/") for url in (os.environ.get("MAVEN_MIRROR"), MAVEN_CENTRAL, *settings_mirrors()) if url
    ]
    for jar in missing:
        problems = []
        for repository in dict.fromkeys(repositories):
            say(f"fetching {jar.filename} from {without_credentials(repository)}")
            address = f"{repository}/{jar.path}"
            try:
                store_verified(fetch(address), jar.sha256, folder / jar.filename, address)
                break
            except SetupError as error:
                problems.append(str(error))
        else:
            message = f"{jar.filename} could not be fetched (MAVEN_MIRROR can name a mirror): " + "; ".join(
                problems
            )
            raise SetupError(message)
    expected = {jar.filename for jar in jars}
    for leftover in folder.iterdir():
        if leftover.name not in expected:
            leftover.unlink()


def is_intact(path: Path, sha256: str) -> bool:
    """Tell whether a file is there and is what was pinned."""
    return path.is_file() and sha256_of(path) == sha256


# --- all together ---------------------------------------------------------------------------------------------


def check_python() -> None:
    """Refuse a Python that the pinned packages do not support."""
    if not OLDEST_PYTHON <= sys.version_info[:2] < FIRST_UNSUPPORTED_PYTHON:
        message = f"Python 3.11 or 3.12 is needed, but this is {platform.python_version()} ({sys.executable})"
        raise SetupError(message)


def main(wanted: list[str]) -> int:
    """Prepare the checkout; what is wanted are dependency groups beside the default ones, or servers, of which only the jars, or `chromium`."""
    started = time.monotonic()
    try:
        check_python()
        if wanted == [CHROMIUM]:
            ensure_chromium()
            return 0
        ensure_java()
        if wanted and set(wanted) <= set(SERVERS):
            for server in wanted:
                ensure_jars(TOOLS / server, server_jars(server))
        else:
            ensure_checkout(wanted)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    say(f"ready after {time.monotonic() - started:.1f} s")
    return 0


def ensure_checkout(groups: list[str]) -> None:
    """Put uv, Spark's jars and the environment with these groups, and with authors' packages, into the checkout."""
    ensure_uv()
    ensure_jars(TOOLS / "jars", JARS)
    ensure_environment(groups)
    ensure_packages()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
