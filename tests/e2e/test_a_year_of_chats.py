"""A year of chats, and the ways in which a browser's storage fails: what is read, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from tests.e2e.chat_page import ChatPage

CHATS = 1_000
#: The database as the first version of the page made it; it stays open, and gives way to nobody, until its tab is closed.
_FIRST_VERSION = """async (chats) => {
  const user = (await (await fetch('/.auth/me')).json()).clientPrincipal.userId;
  const opening = indexedDB.open('chat-v1', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('conversations', {keyPath: ['user', 'id']});
  await new Promise((resolve) => { opening.onsuccess = resolve });
  const transaction = opening.result.transaction('conversations', 'readwrite');
  const rest = {state: 'done', finish: 'stop', usage: null, failure: null};
  for (let n = 1; n <= chats; n++) {
    const messages = [
      {id: 'q', parent: null, role: 'user', at: n, content: `Where is lighthouse no-${n}-?`, ...rest},
      {id: 'a', parent: 'q', role: 'assistant', at: n, content: `On island number ${n}.`, ...rest},
    ];
    transaction.objectStore('conversations').put({user, id: `c${n}`, title: `Chat ${n}`, at: n, messages, leaf: 'a'});
  }
  await new Promise((resolve) => { transaction.oncomplete = resolve });
}"""
#: What the page's own thread does with the database.
_COUNT = """
window.done = [];
for (const name of ['get', 'getAll', 'openCursor', 'put']) {
  const as_it_was = IDBObjectStore.prototype[name];
  IDBObjectStore.prototype[name] = function (...given) {
    done.push(`${name} ${this.name}`);
    return as_it_was.apply(this, given);
  };
}
"""


@pytest.fixture
def kept_page(watched: Callable[[str], Page]) -> Page:
    """A page that is not at the chat yet; another tab of its browser has made a thousand chats of the first version and is open."""
    page = watched("alice")
    old = page.context.new_page()
    old.goto("/usage")
    old.evaluate(_FIRST_VERSION, CHATS)
    page.add_init_script(_COUNT)
    return page


def close_other_tabs(page: Page) -> None:
    for other in page.context.pages:
        if other is not page:
            other.close()


def test_a_year_of_chats_is_upgraded_whole__read_as_a_list__and_searched_elsewhere(kept_page: Page) -> None:
    page, chats = kept_page, kept_page.get_by_role("navigation", name="Chats")
    close_other_tabs(page)
    page.goto("/")
    expect(chats.get_by_role("button", name=f"Chat {CHATS}", exact=True)).to_be_visible()
    page.reload()
    expect(chats.get_by_role("button", name=f"Chat {CHATS}", exact=True)).to_be_visible()
    assert chats.get_by_role("listitem").count() < 60
    assert page.evaluate("done") == ["getAll summaries"]
    chats.get_by_role("searchbox").fill("lighthouse no-7-")
    expect(chats.get_by_role("button", name="Chat 7", exact=True)).to_be_visible()
    assert page.evaluate("done") == ["getAll summaries"]
    assert len(page.workers) == 1
    chats.get_by_role("button", name="Chat 7", exact=True).click()
    expect(ChatPage(page).answer).to_contain_text("On island number 7.")
    assert page.evaluate("done") == ["getAll summaries", "get conversations"]


def test_a_save_reads_and_writes_its_own_chat_alone(kept_page: Page, mock_server: MockServer) -> None:
    close_other_tabs(kept_page)
    kept_page.goto("/")
    mock_server.say("Here.", to="Where?")
    expect(kept_page.get_by_role("button", name=f"Chat {CHATS}", exact=True)).to_be_visible()
    kept_page.evaluate("done.length = 0")
    ChatPage(kept_page).ask("Where?")
    expect(ChatPage(kept_page).answer).to_have_attribute("data-state", "done")
    kept_page.evaluate("new Promise((resolve) => setInterval(() => done.length >= 6 && resolve(), 20))")
    done = Counter(kept_page.evaluate("done"))
    assert set(done) == {"get conversations", "put conversations", "put summaries"}
    assert len(set(done.values())) == 1  # so often as it was saved


@pytest.mark.slow
def test_an_older_page_in_another_tab_is_said__and_nothing_is_lost(kept_page: Page, mock_server: MockServer) -> None:
    page, chat = kept_page, ChatPage(kept_page)
    page.goto("/")
    expect(chat.alert).to_have_text(
        "Chats cannot be read while another tab has an older version of this page. Close that tab."
    )
    for question in ("First?", "Second?"):
        mock_server.say("Yes.", to=question)
        page.get_by_role("button", name="New chat").click()
        chat.ask(question)
        expect(chat.answer).to_have_attribute("data-state", "done")
    close_other_tabs(page)
    for name in ("First?", "Second?", f"Chat {CHATS}"):
        expect(page.get_by_role("navigation").get_by_role("button", name=name, exact=True)).to_be_visible()
    expect(chat.alert).to_have_count(0)


@pytest.mark.slow
def test_a_newer_page_in_another_tab_is_said__and_the_chat_stays_in_the_list(
    chat_page: ChatPage, mock_server: MockServer
) -> None:
    page = chat_page.page
    mock_server.say("Yes.", to="First?")
    newer = page.context.new_page()
    newer.goto("/usage")
    newer.evaluate("new Promise((resolve) => { indexedDB.open('chat-v1', 3).onsuccess = () => resolve() })")
    expect(chat_page.alert).to_have_text("Another tab has a newer version of this page. Reload to keep your chats.")
    chat_page.ask("First?")
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="New chat").click()
    page.get_by_role("navigation").get_by_role("button", name="First?", exact=True).click()
    expect(chat_page.answer).to_contain_text("Yes.")


def test_without_room_an_answer_comes_to_its_end__and_is_kept_when_there_is_room(
    chat_page: ChatPage, mock_server: MockServer, site: WholeApp
) -> None:
    page = chat_page.page
    devtools = page.context.new_cdp_session(page)
    mock_server.say("word " * 60, to="Long?", pace={"each_ms": 30})
    mock_server.say("Yes.", to="Short?")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": site.url, "quotaSize": 1})
    for question in ("Short?", "Long?"):
        page.get_by_role("button", name="New chat").click()
        chat_page.ask(question)
        expect(chat_page.answer).to_have_attribute("data-state", "done")
        expect(chat_page.alert).to_have_text("Chats can no longer be saved in this browser: it has no room.")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": site.url})
    page.get_by_role("button", name="Delete Short?").click()
    expect(chat_page.alert).to_have_count(0)
    page.reload()
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(chat_page.answer).to_contain_text("word " * 59)


@pytest.mark.slow
def test_storage_that_the_browser_throws_away_is_begun_again(
    chat_page: ChatPage, mock_server: MockServer, site: WholeApp
) -> None:
    page = chat_page.page
    mock_server.say("word " * 60, to="Long?", pace={"each_ms": 30})
    chat_page.ask("Long?")
    expect(chat_page.answer).to_contain_text("word")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.clearDataForOrigin", {"origin": site.url, "storageTypes": "indexeddb"})
    expect(chat_page.answer).to_have_attribute("data-state", "done")
    expect(page.get_by_role("navigation").get_by_role("button", name="Long?", exact=True)).to_be_visible()
    page.reload()
    expect(chat_page.answer).to_contain_text("word " * 59)
    expect(chat_page.alert).to_have_count(0)
