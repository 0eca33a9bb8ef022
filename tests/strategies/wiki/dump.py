"""A wiki as the XML that dumpBackup.php writes: pages with their whole history, and the log."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from shared_logic.states.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN
from tests.strategies.wiki.state import LogRow, Page, Revision, User, WikiState
from tests.strategies.wiki.text import NAMESPACES, is_redirect, iso, shown

ACTION_HIDDEN = 1
"""The bit of log_deleted that hides the action, its title and its parameters."""


def dump(wiki: WikiState) -> bytes:
    """The live pages with their whole history (dumpBackup.php --full, XML 0.11)."""
    return _document(wiki, "".join(_page(wiki, page) for _, page in sorted(wiki.pages.items())))


def log_dump(wiki: WikiState) -> bytes:
    """The log (dumpBackup.php --logs); rows of the suppression log are left out."""
    return _document(wiki, "".join(_log_item(row) for row in wiki.log if row.kind != "suppress"))


def _document(wiki: WikiState, content: str) -> bytes:
    spaces = "\n      ".join(
        f'<namespace key="{key}" case="first-letter">{escape(name)}</namespace>'
        if name
        else f'<namespace key="{key}" case="first-letter" />'
        for key, name in NAMESPACES.items()
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
        f"  <siteinfo>\n    <sitename>Test</sitename>\n    <dbname>{wiki.name}</dbname>\n"
        f"    <base>https://{wiki.domain}/wiki/Main_Page</base>\n"
        "    <generator>MediaWiki 1.39.17</generator>\n    <case>first-letter</case>\n"
        f"    <namespaces>\n      {spaces}\n    </namespaces>\n  </siteinfo>\n{content}</mediawiki>\n"
    ).encode()


def _page(wiki: WikiState, page: Page) -> str:
    text = wiki.latest(page).text
    redirect = ""
    if is_redirect(text):
        target = text.partition("[[")[2].partition("]]")[0]
        redirect = f"    <redirect title={quoteattr(target)} />\n"
    revisions = "".join(_revision(revision) for revision in wiki.history(page.page_id))
    return (
        f"  <page>\n    <title>{escape(shown(page.title))}</title>\n    <ns>{page.title[0]}</ns>\n"
        f"    <id>{page.page_id}</id>\n{redirect}{revisions}  </page>\n"
    )


def _revision(revision: Revision) -> str:
    hidden = revision.hidden
    sizes = f'bytes="{revision.size}" sha1="{revision.sha1}"'
    if hidden & TEXT_HIDDEN:
        text, sha1 = f'<text {sizes} deleted="deleted" />', "<sha1/>"
    else:
        text = f'<text {sizes} xml:space="preserve">{escape(revision.text)}</text>'
        sha1 = f"<sha1>{revision.sha1}</sha1>"
    parent = f"      <parentid>{revision.parent_id}</parentid>\n" if revision.parent_id else ""
    minor = "      <minor/>\n" if revision.minor else ""
    return (
        f"    <revision>\n      <id>{revision.rev_id}</id>\n{parent}"
        f"      <timestamp>{iso(revision.timestamp)}</timestamp>\n"
        f"      {_contributor(revision.user, is_hidden=bool(hidden & USER_HIDDEN))}\n{minor}"
        f"{_comment(revision.comment, is_hidden=bool(hidden & COMMENT_HIDDEN))}"
        f"      <origin>{revision.origin}</origin>\n      <model>wikitext</model>\n"
        f"      <format>text/x-wiki</format>\n      {text}\n      {sha1}\n    </revision>\n"
    )


def _log_item(row: LogRow) -> str:
    if row.hidden & ACTION_HIDDEN:
        target = '    <text deleted="deleted" />\n'
    else:
        target = (
            f"    <logtitle>{escape(shown(row.title))}</logtitle>\n"
            f'    <params xml:space="preserve">{escape(row.params)}</params>\n'
        )
    return (
        f"  <logitem>\n    <id>{row.log_id}</id>\n    <timestamp>{iso(row.second)}</timestamp>\n"
        f"    {_contributor(row.user, is_hidden=bool(row.hidden & USER_HIDDEN))}\n"
        f"{_comment(row.comment, is_hidden=bool(row.hidden & COMMENT_HIDDEN))}"
        f"    <type>{row.kind}</type>\n    <action>{row.action}</action>\n{target}  </logitem>\n"
    )


def _contributor(user: User, *, is_hidden: bool) -> str:
    if is_hidden:
        return '<contributor deleted="deleted" />'
    name = escape(user.name)
    if user.user_id is not None:
        return f"<contributor><username>{name}</username><id>{user.user_id}</id></contributor>"
    if ">" in user.name:
        return f"<contributor><username>{name}</username><id>0</id></contributor>"
    return f"<contributor><ip>{name}</ip></contributor>"


def _comment(text: str, *, is_hidden: bool) -> str:
    if is_hidden:
        return '      <comment deleted="deleted" />\n'
    return f"      <comment>{escape(text)}</comment>\n" if text else ""
