/** The page for somebody who is signed in but may not come in. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { requestForAccess, WAYS_OUT } from './texts';
import { currentUser, LOG_OUT, type User } from './user';
import './style.css';

function Unauthorized() {
  const [user, setUser] = useState<User | null>(null);
  const [said, say] = useState('');
  useEffect(() => void currentUser().then(setUser), []);
  const copy = (who: User) => navigator.clipboard.writeText(requestForAccess(who.userDetails, who.userId)).then(() => say('Copied'));
  return (
    <main class="card">
      <h1>Not Authorised</h1>
      <p>You do not have permission to access this page. Please contact the application admin or check your login details again.</p>
      {user && (
        <p>
          Signed in as <b>{user.userDetails}</b>. Roles: {user.userRoles.join(', ')}.
        </p>
      )}
      <p class="row">
        {user && (
          <button type="button" onClick={() => copy(user)}>
            {said || WAYS_OUT.access}
          </button>
        )}
        <a class="button plain" href={LOG_OUT}>
          Log out
        </a>
      </p>
      <p class="sr" role="status">
        {said}
      </p>
    </main>
  );
}

render(<Unauthorized />, document.getElementById('root')!);
