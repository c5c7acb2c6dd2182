// Runs before the page's own script: keeps what goes wrong, over reloads too, and takes the browser's storage away where a test wants that.
{
  const { setItem, getItem } = Storage.prototype;
  const kept = window.sessionStorage;
  const read = (key) => JSON.parse(getItem.call(kept, key) ?? '[]');
  const complain = (...words) => setItem.call(kept, 'complaints', JSON.stringify([...read('complaints'), words.map(String).join(' ')]));
  const error = console.error.bind(console);
  console.error = (...words) => {
    complain('console', ...words);
    error(...words);
  };
  addEventListener('error', ({ message }) => message && complain(message));
  addEventListener('unhandledrejection', ({ reason }) => complain('rejected', reason));
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => complain('policy', violatedDirective, blockedURI));
  window.complaints = () => read('complaints');

  // As a browser does that is told to keep nothing: asking alone throws.
  if (getItem.call(kept, 'blocked')) {
    const get = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) Object.defineProperty(window, name, { get });
  }
}
