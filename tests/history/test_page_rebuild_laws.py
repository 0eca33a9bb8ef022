"""What holds of every rebuild of pages, and of every wiki that kept a whole log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared_logic.history.components import components
from shared_logic.history.page_rebuild import Rebuilt
from tests.history.pages import LONG, create_page, day, days, delete, event, move, page, rebuild, restore

# --- anything at all ----------------------------------------------------------------------------------------------

titles = st.sampled_from("ABCD")
namespaces = st.sampled_from([0, 1])
page_ids = st.none() | st.integers(0, 5)
times = st.integers(0, 12) | st.integers(0, 12).map(lambda at: at + LONG)
odd_seeds = st.lists(
    st.builds(
        page,
        st.integers(0, 5),
        titles,
        first=st.none() | times,
        namespace=namespaces,
        created=st.none() | times,
        deleted=st.booleans(),
    ),
    max_size=6,
)
odd_events = st.lists(
    st.one_of(
        st.builds(
            event,
            st.sampled_from(["move", "delete", "restore", "create-page", "merge"]),
            times,
            titles,
            to=titles,
            page_id=page_ids,
            namespace=namespaces,
            new_namespace=namespaces,
        ),
        st.builds(
            event,
            st.sampled_from(["delete", "restore", "create-page"]),
            times,
            titles,
            page_id=page_ids,
            log_id=st.integers(-3, 0),
        ),
    ),
    max_size=12,
)


@given(odd_seeds, odd_events, st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_events_does_not_matter(seeds, events, shuffle):
    found = rebuild(seeds, events)
    shuffle.shuffle(seeds)
    shuffle.shuffle(events)
    assert rebuild(seeds, events) == found
    assert rebuild(seeds * 2, events * 2) == rebuild(seeds * 2, events)


@given(odd_seeds, odd_events)
def test_each_event_ends_in_a_state_or_an_issue(seeds, events):
    result = rebuild(seeds, events)
    begun = {
        (state.source_log_id, state.start_timestamp, state.caused_by_event_type) for state in result.states
    }
    told = {issue.key for issue in result.issues if issue.code == "unmatched"}
    for one in events:
        assert ((one.log_id, one.at, one.event_type) in begun) or str(one.log_id) in told


@given(odd_seeds, odd_events)
def test_each_page_has_a_first_state_and_is_something_at_each_time(seeds, events):
    result = rebuild(seeds, events)
    assert {seed.page_id for seed in seeds} <= {state.page_id for state in result.states}
    for lineage in lineages(result):
        assert [state.page_first_state for state in lineage].count(True) == 1
        real = [state for state in lineage if state.valid_from is None or state.valid_from != state.valid_to]
        real.sort(key=lambda state: (state.valid_from is not None, state.valid_from))
        # one after the other, up to now
        assert all(one.valid_to == other.valid_from for one, other in pairwise(real))
        assert [state.valid_to for state in real].count(None) == 1
        assert real[-1].valid_to is None
        assert {state.page_valid_from for state in lineage} == {real[0].valid_from}


def lineages(result: Rebuilt):
    found = {}
    for state in result.states:
        found.setdefault((state.page_id or 0, state.page_artificial_id), []).append(state)
    return found.values()


# --- wikis that kept a whole log ----------------------------------------------------------------------------------


@dataclass
class Page:
    title: str
    made: int
    first_edit: int
    alive: bool = True
    redirect: bool = False
    gone: bool = False
    """All its revisions were restored into another page."""
    life: list[tuple[int, str | None]] = field(default_factory=list)
    """From then on: the title, or None while it was deleted."""


class Wiki:
    """A small MediaWiki: what was done to pages, what the log says of it, and what the tables say in the end."""

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}
        self.log = []
        self.now = 0

    def make(self, title, *, logged=True):
        page_id = len(self.pages) + 1
        self.pages[page_id] = Page(title, self.now, self.now, redirect=not logged, life=[(self.now, title)])
        if logged:
            self.log.append(create_page(self.now, title, page_id=page_id))

    def holder(self, title):
        return next((key for key, one in self.pages.items() if one.alive and one.title == title), None)

    def create(self, title, _):
        if self.holder(title) is None:
            self.make(title)

    def move(self, title, target):
        if self.move_quietly(title, target):
            self.make(title, logged=False)

    def move_quietly(self, title, target):
        """Without leaving a redirect; whether it was possible."""
        page_id, other = self.holder(title), self.holder(target)
        if page_id is None or title == target or (other is not None and not self.pages[other].redirect):
            return False
        if other is not None:
            self.bury(other)
        moved = self.pages[page_id]
        self.log.append(move(self.now, title, target, page_id=page_id))
        moved.title = target
        moved.life.append((self.now, target))
        return True

    def delete(self, title, _):
        page_id = self.holder(title)
        if page_id is not None:
            self.bury(page_id)

    def bury(self, page_id):
        buried = self.pages[page_id]
        buried.alive = False
        buried.life.append((self.now, None))
        self.log.append(delete(self.now, buried.title, page_id=page_id))

    def restore(self, title, _):
        deleted = [
            key for key, one in self.pages.items() if not (one.alive or one.gone) and one.title == title
        ]
        if not deleted:
            return
        old, there = deleted[-1], self.holder(title)
        if there is None:
            self.pages[old].alive = True
            self.pages[old].life.append((self.now, title))
        else:
            # Its revisions become those of the page that is there.
            self.pages[old].gone = True
            self.pages[there].first_edit = min(self.pages[there].first_edit, self.pages[old].first_edit)
            self.pages[there].redirect = False
        self.log.append(restore(self.now, title, page_id=old if there is None else there))

    def seeds(self):
        return [
            page(page_id, one.title, first=one.first_edit, deleted=not one.alive)
            for page_id, one in self.pages.items()
            if not one.gone
        ]

    def lives(self):
        """From when until when each page bore which title."""
        found = {}
        for page_id, one in self.pages.items():
            ends = [at for at, _ in one.life[1:]] + [None]
            spans = [
                (at, end, title)
                for (at, title), end in zip(one.life, ends, strict=True)
                if title is not None and at != end
            ]
            found[page_id] = spans
        return found


@st.composite
def wikis(draw):
    wiki = Wiki()
    names = st.sampled_from("ABC")
    doings = st.sampled_from([wiki.create, wiki.move, wiki.move_quietly, wiki.delete, wiki.restore])
    for doing, title, other in draw(st.lists(st.tuples(doings, names, names), max_size=14)):
        wiki.now += 1
        doing(title, other)
    return wiki


def of_whole_wiki(wiki):
    """The states of all components, and how many there are of each."""
    seeds = wiki.seeds()
    called = components(((one.old_key, one.new_key) for one in wiki.log), (seed.key for seed in seeds))
    found = []
    for component in set(called.values()):
        result = rebuild(
            [seed for seed in seeds if called[seed.key] == component],
            [one for one in wiki.log if called[one.new_key] == component],
        )
        assert result.issues == ()
        found.extend(result.states)
    return found


@given(wikis())
def test_a_wiki_that_kept_a_whole_log_is_rebuilt_as_it_was(wiki):
    # when
    lives = {page_id: [] for page_id in wiki.pages}
    for state in of_whole_wiki(wiki):
        since, until = days(state.valid_from), days(state.valid_to)
        if state.caused_by_event_type != "delete" and since != until:
            lives[state.page_id].append((since, until, state.page_title_historical))
    # then each page bore each title when it did
    for page_id, spans in wiki.lives().items():
        assert joined(sorted(lives[page_id])) == joined(spans)


@given(wikis())
def test_each_row_of_a_whole_log_begins_one_state(wiki):
    begun = Counter(
        (state.source_log_id, str(state.caused_by_event_type), state.start_timestamp)
        for state in of_whole_wiki(wiki)
        if state.inferred_from is None
    )
    assert begun == Counter((one.log_id, str(one.event_type), one.at) for one in wiki.log)


def joined(spans):
    """Spans of one title that follow one another as one."""
    found = []
    for since, until, title in spans:
        if found and found[-1][1:] == (since, title):
            found[-1] = (found[-1][0], until, title)
        else:
            found.append((since, until, title))
    return found


def test_the_little_wiki_does_what_it_says():
    # given a page that is moved, moved back over the redirect that it left, and deleted;
    # then another one is made there, and the redirect's revision restored into it
    wiki = Wiki()
    for now, (doing, title, other) in enumerate(
        [
            (wiki.create, "A", ""),
            (wiki.move, "A", "B"),
            (wiki.move, "B", "A"),
            (wiki.delete, "A", ""),
            (wiki.create, "A", ""),
            (wiki.restore, "A", ""),
        ],
    ):
        wiki.now = now
        doing(title, other)
    # then
    assert wiki.lives() == {
        1: [(0, 1, "A"), (1, 2, "B"), (2, 3, "A")],
        2: [(1, 2, "A")],
        3: [(2, None, "B")],
        4: [(4, None, "A")],
    }
    assert (wiki.pages[2].gone, wiki.pages[4].first_edit) == (True, 1)
    assert [str(one.event_type) for one in wiki.log] == [
        "create-page",
        "move",
        "delete",
        "move",
        "delete",
        "create-page",
        "restore",
    ]
    assert wiki.log[1].at == day(1)
