import { render } from 'preact';
import { App } from './app';
import { language } from './texts';
import { browserSession, SessionContext } from './use-session';
import './style.css';

document.documentElement.lang = language;
const session = browserSession();
draw(App);
// A change of the code under work: what is open and what is being answered stays.
import.meta.hot?.accept('./app', (changed) => changed && draw(changed.App));

function draw(Shown: typeof App): void {
  render(
    <SessionContext.Provider value={session}>
      <Shown />
    </SessionContext.Provider>,
    document.getElementById('root')!,
  );
}
