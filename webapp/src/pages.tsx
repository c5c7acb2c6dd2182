/** The pages around the chat, each a card: sign in, not invited, usage notes, delete one's data, not found. */
import { type ComponentChildren, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { forgetAll } from './kept';
import { Copy, Named, Usage } from './parts';
import { usePreferences } from './preferences';
import { skin } from './skin';
import { openStore } from './store';
import { language, texts } from './texts';
import { currentUser, LOG_OUT, PURGE, signInBackTo, type User } from './user';
import './style.css';

function Card({ title, children }: { title: string; children: ComponentChildren }) {
  usePreferences(); // the theme
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <main class="card">
      <img class="logo" src={skin.logo} alt="" />
      <h1>{title}</h1>
      {children}
    </main>
  );
}

function Register() {
  return (
    <Card title={texts.title}>
      <p>{texts.register.prompt}</p>
      <p>
        <a class="button" href={signInBackTo('/')}>
          {texts.register.action}
        </a>
      </p>
      <p class="note">{texts.register.consent}</p>
    </Card>
  );
}

function Unauthorized() {
  const user = useUser();
  const [said, say] = useState('');
  const request = user && texts.requestForAccess(texts.title, user.userDetails, user.userId, location.origin);
  return (
    <Card title={texts.unauthorized.title}>
      <p>{texts.unauthorized.text}</p>
      {user && (
        <p>
          <Named parts={texts.signedInAs(user.userDetails)} />
          {texts.roles(user.userRoles.join(', '))}
        </p>
      )}
      <p class="row">
        {request && <Copy text={request} label={texts.waysOut.access} say={say} />}
        <a class="button plain" href={LOG_OUT}>
          {texts.logOut}
        </a>
      </p>
      <p class="sr" role="status">
        {said}
      </p>
    </Card>
  );
}

function UsageNotes() {
  return (
    <Card title={texts.account.usage}>
      <Usage />
      <Home />
    </Card>
  );
}

/** Deletes what this browser keeps, everybody's, and then has Static Web Apps forget who signed in. */
function Purge() {
  const user = useUser();
  const purge = async () => {
    await (await openStore(user?.userId ?? ''))?.wipe();
    forgetAll();
    location.assign(PURGE);
  };
  return (
    <Card title={texts.purge.title}>
      <p>{texts.purge.text}</p>
      {user && (
        <p>
          <Named parts={texts.signedInAs(user.userDetails)} />
        </p>
      )}
      <p class="row">
        <button type="button" onClick={purge}>
          {texts.purge.action}
        </button>
        <a class="button plain" href="/">
          {texts.cancel}
        </a>
      </p>
    </Card>
  );
}

function NotFound() {
  return (
    <Card title={texts.notFound.title}>
      <p>{texts.notFound.text}</p>
      <Home />
    </Card>
  );
}

function Home() {
  return (
    <p>
      <a class="button plain" href="/">
        {texts.home}
      </a>
    </p>
  );
}

function useUser(): User | null {
  const [user, setUser] = useState<User | null>(null);
  useEffect(() => void currentUser().then(setUser), []);
  return user;
}

const PAGES: Record<string, () => preact.JSX.Element> = {
  register: Register,
  unauthorized: Unauthorized,
  usage: UsageNotes,
  purge: Purge,
  404: NotFound,
};
const Page = PAGES[document.body.dataset.page!]!;

document.documentElement.lang = language;
render(<Page />, document.getElementById('root')!);
