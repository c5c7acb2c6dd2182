/** The page for somebody who is signed in but may not come in. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { currentUser, LOG_OUT, type User } from './user';
import './style.css';

function Unauthorized() {
  const [user, setUser] = useState<User | null>(null);
  useEffect(() => void currentUser().then(setUser), []);
  return (
    <main class="card">
      <h1>Not Authorised</h1>
      <p>You do not have permission to access this page. Please contact the application admin or check your login details again.</p>
      {user && (
        <p>
          Signed in as <b>{user.userDetails}</b>. Roles: {user.userRoles.join(', ')}.
        </p>
      )}
      <p>
        <a class="button" href={LOG_OUT}>
          Log out
        </a>
      </p>
    </main>
  );
}

render(<Unauthorized />, document.getElementById('root')!);
