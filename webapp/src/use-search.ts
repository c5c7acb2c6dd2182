/** Searching the chats that are kept. The worker starts with the first search and stays. */
import { useEffect, useState } from 'preact/hooks';
import workerUrl from './search.worker?worker&url';

/** The chats that have the words; null where nothing is searched for, or not found yet. `kept` is how many chats there are. */
export function useSearch(user: string | undefined, words: string, kept: number): ReadonlySet<string> | null {
  const [worker, setWorker] = useState<Worker | null>(null);
  const [found, setFound] = useState<ReadonlySet<string> | null>(null);
  const wanted = words.trim();
  useEffect(() => {
    if (user && wanted && !worker) setWorker(started(user));
  }, [user, wanted !== '', worker]);
  useEffect(() => {
    const heard = ({ data }: MessageEvent<string[]>) => setFound(new Set(data));
    worker?.addEventListener('message', heard);
    return () => worker?.removeEventListener('message', heard);
  }, [worker]);
  useEffect(() => {
    if (wanted) worker?.postMessage(wanted);
  }, [worker, wanted, kept]);
  return wanted ? found : null;
}

/** The one script that the content security policy lets this page start. */
const policy = window.trustedTypes?.createPolicy('search', { createScriptURL: (_: string) => workerUrl });

/** A worker of the user's name, which it knows whose chats to read by. */
function started(user: string): Worker {
  const url = (policy ? policy.createScriptURL(workerUrl) : workerUrl) as string; // TypeScript's Worker does not know what it takes
  return new Worker(url, { type: 'module', name: user });
}
