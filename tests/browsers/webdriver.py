"""Drives WebKitGTK through its WebDriver, with Selenium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browsers import Browser
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.file_detector import UselessFileDetector
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service


class WebKitDriver:
    def __init__(self, browser: Browser) -> None:
        options = Options()
        options.binary_location = browser.path
        options.add_argument("--automation")
        self._service = Service(browser.driver)
        self._service.start()
        connection = RemoteConnection(client_config=ClientConfig(self._service.service_url))
        self._driver = webdriver.Remote(connection, options=options, file_detector=UselessFileDetector())
        self.version = f"WebKitGTK {self._driver.capabilities['browserVersion']}"
        self.resize(1000, 700)

    def go(self, url: str) -> None:
        self._driver.get(url)

    def run(self, function: str, *values: Any) -> Any:
        return self._driver.execute_script(f"return ({function})(...arguments)", *values)

    def element(self, function: str, *values: Any) -> Any:
        return self.run(function, *values)

    def click(self, element: Any) -> None:
        element.click()

    def press(self, keys: str) -> None:
        *held, last = ("+" if each == "" else each for each in keys.replace("++", "+").split("+"))
        chain = ActionChains(self._driver)
        for each in held:
            chain.key_down(_key(each))
        chain.send_keys(_key(last))
        for each in reversed(held):
            chain.key_up(_key(each))
        chain.perform()

    def type(self, text: str) -> None:
        ActionChains(self._driver).send_keys(text).perform()

    def choose(self, element: Any, path: Path) -> None:
        element.send_keys(str(path))

    def wheel(self, element: Any, down: int) -> None:
        ActionChains(self._driver).scroll_from_origin(ScrollOrigin.from_element(element), 0, down).perform()

    def resize(self, width: int, height: int) -> None:
        around = self._driver.execute_script("return [outerWidth - innerWidth, outerHeight - innerHeight]")
        self._driver.set_window_size(width + around[0], height + around[1])

    def forget(self) -> None:
        self._driver.delete_all_cookies()

    def picture(self, path: Path) -> None:
        self._driver.save_screenshot(str(path))

    def paper(self) -> bytes | None:
        return None  # its WebDriver has no command for it

    def complaints(self) -> list[str]:
        return []  # nor for the console

    def close(self) -> None:
        self._driver.quit()
        self._service.stop()


def _key(name: str) -> str:
    """The code of a named key: `ArrowUp`, `Enter`; a letter is itself."""
    names = {"ArrowUp": Keys.ARROW_UP, "ArrowDown": Keys.ARROW_DOWN, "PageUp": Keys.PAGE_UP}
    return name if len(name) == 1 else str(names.get(name) or getattr(Keys, name.upper()))
