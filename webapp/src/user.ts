/** Who is signed in, as Static Web Apps says. */
export interface User {
  userId: string;
  userDetails: string;
  userRoles: string[];
}

/** The user, or null where nobody is signed in or the answer cannot be had. */
export async function currentUser(): Promise<User | null> {
  try {
    const response = await fetch('/.auth/me', { headers: { accept: 'application/json' } });
    const body = (await response.json()) as { clientPrincipal: User | null };
    return body.clientPrincipal;
  } catch {
    return null;
  }
}

export const LOG_OUT = '/logout';
/** Where Static Web Apps forgets somebody; the provider's consent goes with it. */
export const PURGE = '/.auth/purge/aad?post_logout_redirect_uri=/register';

/** The address to sign in at, and to come back from to a path of this site. */
export function signInBackTo(path: string): string {
  return `/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(path)}`;
}
